use mesh_proto::{envoy::envoy::extensions::filters::http::router::v3::Router, pack};

use super::*;

fn a_manager() -> pb::HttpConnectionManager {
    let router = pb::HttpFilter {
        config_type: Some(pb::http_filter::ConfigType::TypedConfig(pack(&Router::default()))),
        ..Default::default()
    };
    let routes = pb::Rds { route_config_name: "9080".into(), config_source: None };
    pb::HttpConnectionManager {
        http_filters: vec![router],
        route_specifier: Some(pb::http_connection_manager::RouteSpecifier::Rds(routes)),
        ..Default::default()
    }
}

#[test]
fn the_prefix_of_statistics_is_kept() {
    let named = pb::HttpConnectionManager { stat_prefix: "outbound_0.0.0.0_9080;".into(), ..a_manager() };
    assert_eq!(&*HttpManager::parse(named).unwrap().stat_prefix, "outbound_0.0.0.0_9080;");
    assert_eq!(&*HttpManager::parse(a_manager()).unwrap().stat_prefix, "");
}
