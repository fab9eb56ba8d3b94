use super::*;
use crate::plane::stats::testing::families;

#[test]
fn a_node_says_whose_proxy_it_is() {
    let sidecar = Reasons::new("sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local");
    assert_eq!((&*sidecar.pod, sidecar.is_sidecar), ("web-1.shop", true));
    let router = Reasons::new("router~10.0.0.1~gateway-1.istio-system~istio-system.svc.cluster.local");
    assert_eq!((&*router.pod, router.is_sidecar), ("gateway-1.istio-system", false));
}

#[test]
fn codes_are_counted_by_direction() {
    let reasons = Reasons::new("sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local");
    reasons.count(Reason::NoRoute, true);
    reasons.count(Reason::BlackHole, false);
    reasons.count(Reason::Passthrough, false);
    reasons.count(Reason::Passthrough, false);
    for _ in 0..3 {
        reasons.memory().note(([10, 0, 0, 1], 80).into(), None, Reason::Passthrough);
    }
    let mut text = String::new();
    reasons.prometheus(&mut text);
    let families = families(&text);
    assert_eq!(
        families[0].samples,
        [
            ("lateen_reasons_total{reason=\"NO_ROUTE\",direction=\"inbound\"}".to_owned(), 1.0),
            ("lateen_reasons_total{reason=\"BLACKHOLE\",direction=\"outbound\"}".to_owned(), 1.0),
            ("lateen_reasons_total{reason=\"PASSTHROUGH\",direction=\"outbound\"}".to_owned(), 2.0),
        ]
    );
    assert_eq!(families[1].samples, [("lateen_scope_miss_total".to_owned(), 3.0)]);
    let mut stats = Vec::new();
    reasons.stats(&mut |name, value| stats.push((name.to_owned(), value)));
    assert_eq!(stats[0], ("lateen.reasons.inbound.NO_ROUTE".to_owned(), 1));
    assert_eq!(stats.last(), Some(&("lateen.scope_miss".to_owned(), 3)));
}
