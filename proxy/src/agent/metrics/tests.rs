use mesh_bootstrap::Metrics;
use mesh_identity::Credentials;
use mesh_pki::TrustBundle;

use super::{AgentMetrics, to_text_format};

#[test]
fn the_older_text_form_is_written() {
    let registry = Metrics::new("proxy");
    let metrics = AgentMetrics::new(&registry, &Credentials::fixed(None, TrustBundle::default()));
    metrics.connected();
    metrics.scraped();
    let text = to_text_format(&registry.encode());
    for expected in [
        "# HELP istio_agent_xds_connects_total Connections made to pilot.\n# TYPE istio_agent_xds_connects_total counter\nistio_agent_xds_connects_total 1\n",
        "# TYPE istio_agent_xds_connections gauge\nistio_agent_xds_connections 1\n",
        "# TYPE lateen_build_info gauge\nlateen_build_info{",
        "istio_agent_cert_expiry_seconds 0\n",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("# EOF"));
}
