use std::collections::BTreeMap;

use super::{testing::families, *};

fn plain(stats: &Stats) -> BTreeMap<String, u64> {
    let mut seen = BTreeMap::new();
    stats.visit(&mut |name, value| assert_eq!(seen.insert(name.to_owned(), value), None, "{name} comes twice"));
    seen
}

/// Some of everything.
fn some() -> Stats {
    let stats = Stats::default();
    let reviews = stats.cluster(&"outbound|9080|v1|reviews.default.svc.cluster.local".into());
    reviews.upstream_rq_total.add(7);
    reviews.upstream_rq_xx[1].add(5);
    reviews.upstream_rq_xx[4].add(2);
    reviews.upstream_cx_active.add(3);
    stats.cluster(&"inbound|9080||".into()).upstream_rq_total.inc();
    stats.listener(&"0.0.0.0:15006".into()).downstream_cx_active.add(2);
    stats.listener(&"[::]:15001".into()).downstream_cx_total.inc();
    stats.http(&"outbound_0.0.0.0_9080;".into()).downstream_rq_xx[1].inc();
    stats.server.cds_update_success.inc();
    stats.server.lds_update_rejected.add(4);
    stats.server.control_plane_connected_state.add(1);
    stats
}

#[test]
fn plain_names_are_envoys() {
    let seen = plain(&some());
    for (name, value) in [
        ("cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_total", 7),
        ("cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_2xx", 5),
        ("cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_5xx", 2),
        ("cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_1xx", 0),
        ("cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_cx_active", 3),
        ("cluster.inbound|9080||.upstream_rq_total", 1),
        ("listener.0.0.0.0_15006.downstream_cx_active", 2),
        ("listener.[__]_15001.downstream_cx_total", 1),
        ("http.outbound_0.0.0.0_9080;.downstream_rq_2xx", 1),
        ("cluster_manager.cds.update_success", 1),
        ("cluster_manager.cds.update_rejected", 0),
        ("listener_manager.lds.update_rejected", 4),
        ("cluster_manager.eds.update_success", 0),
        ("http.rds.update_success", 0),
        ("control_plane.connected_state", 1),
    ] {
        assert_eq!(seen.get(name), Some(&value), "{name}");
    }
    // 31 of each cluster, 11 of each listener, 12 of each manager, 13 of the whole.
    assert_eq!(seen.len(), 2 * 31 + 2 * 11 + 12 + 13);
}

#[test]
fn prometheus_has_envoys_shape() {
    let stats = some();
    let mut text = String::new();
    stats.prometheus(&mut text);
    for line in [
        "# TYPE envoy_cluster_upstream_rq_total counter",
        r#"envoy_cluster_upstream_rq_total{cluster_name="outbound|9080|v1|reviews.default.svc.cluster.local"} 7"#,
        r#"envoy_cluster_upstream_rq_xx{response_code_class="2",cluster_name="outbound|9080|v1|reviews.default.svc.cluster.local"} 5"#,
        "# TYPE envoy_listener_downstream_cx_active gauge",
        r#"envoy_listener_downstream_cx_active{listener_address="0.0.0.0_15006"} 2"#,
        r#"envoy_http_downstream_rq_xx{response_code_class="2",http_conn_manager_prefix="outbound_0.0.0.0_9080;"} 1"#,
        "envoy_cluster_manager_cds_update_success{} 1",
        "envoy_control_plane_connected_state{} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let families = families(&text);
    let samples: usize = families.iter().map(|family| family.samples.len()).sum();
    assert_eq!(samples, plain(&stats).len(), "both texts tell the same values");
    assert!(families.iter().all(|family| !family.samples.is_empty()));
}

#[test]
fn nothing_counted_is_nothing_said_but_of_the_whole() {
    let mut text = String::new();
    Stats::default().prometheus(&mut text);
    assert_eq!(families(&text).len(), 13);
}

#[test]
fn a_name_is_one_set() {
    let stats = Stats::default();
    let name: Arc<str> = "c".into();
    stats.cluster(&name).upstream_rq_total.inc();
    stats.cluster(&"c".into()).upstream_rq_total.inc();
    assert_eq!(stats.cluster(&name).upstream_rq_total.get(), 2);
    stats.listener(&name).no_filter_chain_match.inc();
    assert_eq!(stats.http(&name).no_route.get(), 0);
}

#[test]
fn a_cluster_that_is_gone_is_forgotten() {
    let stats = some();
    let held = stats.cluster(&"inbound|9080||".into());
    stats.retain_clusters(&|name| name.starts_with("outbound"));
    held.upstream_rq_total.inc();
    let seen = plain(&stats);
    assert!(!seen.keys().any(|name| name.starts_with("cluster.inbound")));
    assert!(seen.keys().any(|name| name.starts_with("cluster.outbound")));
    assert_eq!(stats.cluster(&"inbound|9080||".into()).upstream_rq_total.get(), 0, "a new one begins at none");
}

#[test]
fn a_gauge_below_zero_shows_as_none() {
    let stats = Stats::default();
    stats.listener(&"l".into()).downstream_cx_active.add(-1);
    assert_eq!(plain(&stats)["listener.l.downstream_cx_active"], 0);
}

#[test]
fn labels_cannot_break_out() {
    let stats = Stats::default();
    stats.cluster(&"a\"b\\c\nd".into()).upstream_rq_total.inc();
    let mut text = String::new();
    stats.prometheus(&mut text);
    assert!(text.contains(r#"envoy_cluster_upstream_rq_total{cluster_name="a\"b\\c_d"} 1"#), "{text}");
    families(&text);
}
