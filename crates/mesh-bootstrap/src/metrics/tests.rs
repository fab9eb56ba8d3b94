use prometheus_client::metrics::counter::Counter;

use super::Metrics;

#[test]
fn a_registered_metric_is_written() {
    let metrics = Metrics::new("test");
    let pushes: Counter = metrics.new_metric("pilot_xds_pushes", "Pushes");
    pushes.inc_by(2);
    let text = metrics.clone().encode();
    assert!(text.contains("pilot_xds_pushes_total 2\n"), "{text}");
    assert!(text.contains("lateen_build_info{program=\"test\",version=\""), "{text}");
}
