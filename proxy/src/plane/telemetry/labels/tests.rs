use std::{sync::Arc, time::Duration};

use super::{testing::a_cluster, *};
use crate::plane::flags::Flags;

fn own() -> Workload {
    Workload {
        name: "productpage-v1".into(),
        namespace: "default".into(),
        app: "productpage".into(),
        version: "v1".into(),
        canonical_service: "productpage".into(),
        canonical_revision: "v1".into(),
        cluster: "Kubernetes".into(),
    }
}

fn reviews() -> Arc<Workload> {
    Arc::new(Workload {
        name: "reviews-v2".into(),
        namespace: "shop".into(),
        app: "reviews".into(),
        version: "v2".into(),
        canonical_service: "reviews".into(),
        canonical_revision: "v2".into(),
        cluster: "Kubernetes".into(),
    })
}

fn from_source<'a>() -> Measured<'a> {
    Measured {
        reporter: Reporter::Source,
        peer: None,
        cluster: None,
        grpc: None,
        code: 200,
        flags: Flags::default(),
        duration: Duration::ZERO,
        request_bytes: 0,
        response_bytes: 0,
    }
}

/// The value of one label.
fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let start = labels.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    labels[start..].split('"').next().unwrap()
}

#[test]
fn the_callers_side() {
    let cluster = a_cluster(
        "outbound|9080|v2|reviews.shop.svc.cluster.local",
        Some(("reviews.shop.svc.cluster.local", "reviews", "shop")),
    );
    let labels = of_request(&own(), &Measured { peer: Some(&reviews()), cluster: Some(&cluster), ..from_source() });
    let expected = [
        r#"reporter="source""#,
        r#"source_workload="productpage-v1""#,
        r#"source_canonical_service="productpage""#,
        r#"source_canonical_revision="v1""#,
        r#"source_workload_namespace="default""#,
        r#"source_principal="unknown""#,
        r#"source_app="productpage""#,
        r#"source_version="v1""#,
        r#"source_cluster="Kubernetes""#,
        r#"destination_workload="reviews-v2""#,
        r#"destination_workload_namespace="shop""#,
        r#"destination_principal="unknown""#,
        r#"destination_app="reviews""#,
        r#"destination_version="v2""#,
        r#"destination_service="reviews.shop.svc.cluster.local""#,
        r#"destination_canonical_service="reviews""#,
        r#"destination_canonical_revision="v2""#,
        r#"destination_service_name="reviews""#,
        r#"destination_service_namespace="shop""#,
        r#"destination_cluster="Kubernetes""#,
        r#"request_protocol="http""#,
        r#"response_code="200""#,
        r#"grpc_response_status="""#,
        r#"response_flags="-""#,
        r#"connection_security_policy="unknown""#,
    ];
    assert_eq!(labels, expected.join(","));
}

#[test]
fn the_calleds_side() {
    let host = "productpage.default.svc.cluster.local";
    let cluster = a_cluster("inbound|9080||", Some((host, "productpage", "default")));
    let labels = of_request(
        &own(),
        &Measured {
            reporter: Reporter::Destination,
            peer: Some(&reviews()),
            cluster: Some(&cluster),
            grpc: Some(Some(5)),
            code: 503,
            flags: Flags::UPSTREAM_FAILURE,
            ..from_source()
        },
    );
    let expected = [
        r#"reporter="destination""#,
        r#"source_workload="reviews-v2""#,
        r#"source_canonical_service="reviews""#,
        r#"source_canonical_revision="v2""#,
        r#"source_workload_namespace="shop""#,
        r#"source_principal="unknown""#,
        r#"source_app="reviews""#,
        r#"source_version="v2""#,
        r#"source_cluster="Kubernetes""#,
        r#"destination_workload="productpage-v1""#,
        r#"destination_workload_namespace="default""#,
        r#"destination_principal="unknown""#,
        r#"destination_app="productpage""#,
        r#"destination_version="v1""#,
        r#"destination_service="productpage.default.svc.cluster.local""#,
        r#"destination_canonical_service="productpage""#,
        r#"destination_canonical_revision="v1""#,
        r#"destination_service_name="productpage""#,
        r#"destination_service_namespace="default""#,
        r#"destination_cluster="Kubernetes""#,
        r#"request_protocol="grpc""#,
        r#"response_code="503""#,
        r#"grpc_response_status="5""#,
        r#"response_flags="UF""#,
        r#"connection_security_policy="none""#,
    ];
    assert_eq!(labels, expected.join(","));
}

#[test]
fn nobody_known_is_unknown_and_latest() {
    let nobody = Workload::default();
    let source = of_request(&nobody, &from_source());
    let destination = of_request(&nobody, &Measured { reporter: Reporter::Destination, ..from_source() });
    for labels in [&source, &destination] {
        let (parties, _) = labels.split_once(",request_protocol=").unwrap();
        for (i, pair) in parties.split(',').skip(1).enumerate() {
            let wanted = if pair.contains("canonical_revision") { "latest" } else { "unknown" };
            assert!(pair.ends_with(&format!("=\"{wanted}\"")), "{i}: {pair}");
        }
        assert_eq!(parties.split(',').count(), 20);
    }
}

#[test]
fn clusters_without_a_service_give_their_own_name() {
    for name in ["PassthroughCluster", "BlackHoleCluster"] {
        let cluster = a_cluster(name, None);
        let labels = of_request(&own(), &Measured { cluster: Some(&cluster), ..from_source() });
        assert_eq!(label(&labels, "destination_service_name"), name);
        assert_eq!(label(&labels, "destination_service"), "unknown");
        assert_eq!(label(&labels, "destination_service_namespace"), "unknown");
        assert_eq!(label(&labels, "destination_workload"), "unknown");
    }
    let cluster = a_cluster("InboundPassthroughCluster", None);
    let measured = Measured { reporter: Reporter::Destination, cluster: Some(&cluster), ..from_source() };
    let labels = of_request(&own(), &measured);
    assert_eq!(label(&labels, "destination_service_name"), "InboundPassthroughCluster");
    assert_eq!(label(&labels, "destination_service"), "productpage");
    assert_eq!(label(&labels, "destination_service_namespace"), "default");
}

#[test]
fn a_service_without_its_short_name_is_called_by_its_host() {
    let cluster = a_cluster("outbound|80||httpbin.org", Some(("httpbin.org", "", "")));
    let labels = of_request(&own(), &Measured { cluster: Some(&cluster), peer: Some(&reviews()), ..from_source() });
    assert_eq!(label(&labels, "destination_service"), "httpbin.org");
    assert_eq!(label(&labels, "destination_service_name"), "httpbin");
    assert_eq!(label(&labels, "destination_service_namespace"), "shop", "the endpoint's, where the service has none");
}

#[test]
fn the_calleds_side_falls_back_to_itself() {
    let cluster = a_cluster("inbound|9080||", None);
    let labels =
        of_request(&own(), &Measured { reporter: Reporter::Destination, cluster: Some(&cluster), ..from_source() });
    assert_eq!(label(&labels, "destination_service"), "productpage");
    assert_eq!(label(&labels, "destination_service_name"), "productpage");
    assert_eq!(label(&labels, "source_workload"), "unknown");
}

#[test]
fn a_connection_has_no_code() {
    let measured =
        TcpMeasured { reporter: Reporter::Destination, peer: None, cluster: None, flags: Flags::UPSTREAM_FAILURE };
    let labels = of_connection(&own(), &measured);
    let (parties, rest) = labels.split_once(",request_protocol=").unwrap();
    assert_eq!(parties.split(',').count(), 20);
    assert_eq!(rest, r#""tcp",response_flags="UF",connection_security_policy="none""#);
}

#[test]
fn statuses_of_grpc_are_bounded() {
    for (grpc, code, expected) in [
        (None, 200, None),
        (Some(Some(0)), 200, Some(Some(0))),
        (Some(Some(16)), 200, Some(Some(16))),
        (Some(Some(17)), 200, Some(Some(2))),
        (Some(Some(u32::MAX)), 200, Some(Some(2))),
        (Some(None), 0, Some(None)),
        (Some(None), 200, Some(Some(2))),
        (Some(None), 400, Some(Some(13))),
        (Some(None), 401, Some(Some(16))),
        (Some(None), 403, Some(Some(7))),
        (Some(None), 404, Some(Some(12))),
        (Some(None), 429, Some(Some(14))),
        (Some(None), 503, Some(Some(14))),
        (Some(None), 505, Some(Some(2))),
    ] {
        assert_eq!(grpc_status(grpc, code), expected, "{grpc:?} {code}");
    }
}

#[test]
fn values_cannot_break_out() {
    let sly = Arc::new(Workload { name: "a\",reporter=\"b\\\n".into(), ..Workload::default() });
    let labels = of_request(&own(), &Measured { peer: Some(&sly), ..from_source() });
    assert!(labels.contains(r#"destination_workload="a\",reporter=\"b\\\n","#), "{labels}");
}
