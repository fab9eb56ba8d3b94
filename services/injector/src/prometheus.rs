//! Metrics: Prometheus asks the agent, which answers for itself, the proxy and the application.

use serde::Serialize;

use crate::{Context, draft::Draft};

const SCRAPE: &str = "prometheus.io/scrape";
const PORT: &str = "prometheus.io/port";
const PATH: &str = "prometheus.io/path";

/// Where the application's own metrics are, for the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Scrape {
    scrape: String,
    path: String,
    port: String,
}

/// Points Prometheus at the agent, and gives what pointed to the application before.
pub(crate) fn merge(context: &Context<'_>, draft: &mut Draft) -> Option<Scrape> {
    let wanted = context.request.mesh.enable_prometheus_merge.unwrap_or(true);
    let port = context.status_port.to_string();
    let refused = draft.annotation(SCRAPE).is_some_and(|scrape| scrape != "true");
    if !wanted || context.wishes.merge_metrics == Some(false) || context.status_port == 0 || refused {
        return None;
    }
    // Already the agent: asking it to ask itself would never end.
    if draft.annotation(PORT) == Some(port.as_str()) {
        return None;
    }
    let text = |key: &str| draft.annotation(key).unwrap_or_default().to_owned();
    let before = Scrape { scrape: text(SCRAPE), path: text(PATH), port: text(PORT) };
    // In a gateway's pod nobody but the proxy has metrics: what its author wrote is meant.
    if context.is_gateway() && before != Scrape::default() {
        return None;
    }
    draft.set("annotations", SCRAPE, "true");
    draft.set("annotations", PORT, &port);
    draft.set("annotations", PATH, "/stats/prometheus");
    (before != Scrape::default()).then_some(before)
}
