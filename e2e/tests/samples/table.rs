//! The files of upstream's samples, and what each does here.

/// Where the page keeps the table.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
/// The lines around it.
const MARKS: [&str; 2] = ["<!-- samples: begin -->\n", "<!-- samples: end -->\n"];

/// A file, what it is for, and what becomes of it.
pub(crate) struct Sample {
    pub(crate) file: &'static str,
    purpose: &'static str,
    pub(crate) outcome: Outcome,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is applied without a warning and does what it is for.
    Works,
    /// The same, and as in Istio a warning says that its last rule gets nothing.
    WorksAndWarns,
    /// It is applied, and its calls are refused until there is mutual TLS among workloads.
    FailsClosed,
    /// It needs a cluster with IPv6.
    NeedsIpv6,
    /// It needs a kind that is not in the standard channel of the Gateway API.
    NeedsExperimental,
    /// It is read by `lateenctl install -f`.
    Installs,
}

const fn sample(file: &'static str, purpose: &'static str, outcome: Outcome) -> Sample {
    Sample { file, purpose, outcome }
}

use Outcome::{FailsClosed, Installs, NeedsExperimental, NeedsIpv6, Works, WorksAndWarns};

#[rustfmt::skip]
pub(crate) const SAMPLES: &[Sample] = &[
    sample("bookinfo/demo-profile-no-gateways.yaml", "profile `demo` without gateways", Installs),
    sample("bookinfo/gateway-api/bookinfo-gateway.yaml", "the page behind a gateway of its own", Works),
    sample("bookinfo/gateway-api/route-all-v1.yaml", "every service's v1", Works),
    sample("bookinfo/gateway-api/route-reviews-50-v3.yaml", "half of reviews to v3", Works),
    sample("bookinfo/gateway-api/route-reviews-90-10.yaml", "a tenth of reviews to v2", Works),
    sample("bookinfo/gateway-api/route-reviews-v1.yaml", "reviews to v1", Works),
    sample("bookinfo/gateway-api/route-reviews-v3.yaml", "reviews to v3", Works),
    sample("bookinfo/networking/bookinfo-gateway.yaml", "the page behind the ingress gateway", Works),
    sample("bookinfo/networking/certmanager-gateway.yaml", "challenges of cert-manager behind the ingress gateway", Works),
    sample("bookinfo/networking/destination-rule-all-mtls.yaml", "subsets, with `ISTIO_MUTUAL`", FailsClosed),
    sample("bookinfo/networking/destination-rule-all.yaml", "subsets of every service", Works),
    sample("bookinfo/networking/destination-rule-reviews.yaml", "subsets of reviews, chosen at random", Works),
    sample("bookinfo/networking/egress-rule-google-apis.yaml", "a host beyond the mesh, HTTP made HTTPS", Works),
    sample("bookinfo/networking/fault-injection-details-v1.yaml", "555 from details", WorksAndWarns),
    sample("bookinfo/networking/virtual-service-all-v1.yaml", "every service's v1", Works),
    sample("bookinfo/networking/virtual-service-details-v2.yaml", "details to v2", Works),
    sample("bookinfo/networking/virtual-service-ratings-db.yaml", "ratings to v2", Works),
    sample("bookinfo/networking/virtual-service-ratings-mysql-vm.yaml", "ratings to v2-mysql-vm", Works),
    sample("bookinfo/networking/virtual-service-ratings-mysql.yaml", "ratings to v2-mysql", Works),
    sample("bookinfo/networking/virtual-service-ratings-test-abort.yaml", "500 from ratings for jason", Works),
    sample("bookinfo/networking/virtual-service-ratings-test-delay.yaml", "7 s for ratings for jason", Works),
    sample("bookinfo/networking/virtual-service-reviews-50-v3.yaml", "half of reviews to v3", Works),
    sample("bookinfo/networking/virtual-service-reviews-80-20.yaml", "a fifth of reviews to v2", Works),
    sample("bookinfo/networking/virtual-service-reviews-90-10.yaml", "a tenth of reviews to v2", Works),
    sample("bookinfo/networking/virtual-service-reviews-jason-v2-v3.yaml", "reviews v2 for jason, else v3", Works),
    sample("bookinfo/networking/virtual-service-reviews-test-v2.yaml", "reviews v2 for jason, else v1", Works),
    sample("bookinfo/networking/virtual-service-reviews-v2-v3.yaml", "reviews half v2, half v3", Works),
    sample("bookinfo/networking/virtual-service-reviews-v3.yaml", "reviews to v3", Works),
    sample("bookinfo/platform/kube/bookinfo-details.yaml", "details alone", Works),
    sample("bookinfo/platform/kube/bookinfo-ratings.yaml", "ratings alone", Works),
    sample("bookinfo/platform/kube/bookinfo-reviews-v2.yaml", "reviews v2 alone", Works),
    sample("bookinfo/platform/kube/bookinfo-versions.yaml", "a Service for each version", Works),
    sample("bookinfo/platform/kube/bookinfo.yaml", "the application", Works),
    sample("bookinfo/platform/kube/productpage-nodeport.yaml", "the page at a NodePort", Works),
    sample("curl/curl.yaml", "a pod to call from", Works),
    sample("helloworld/gateway-api/helloworld-gateway.yaml", "helloworld behind a gateway of its own", Works),
    sample("helloworld/gateway-api/helloworld-route.yaml", "a tenth to v2", Works),
    sample("helloworld/gateway-api/helloworld-versions.yaml", "a Service for each version", Works),
    sample("helloworld/helloworld-dual-stack.yaml", "helloworld, IPv4 and IPv6", NeedsIpv6),
    sample("helloworld/helloworld-gateway.yaml", "helloworld behind the ingress gateway", Works),
    sample("helloworld/helloworld.yaml", "the application, two versions", Works),
    sample("httpbin/gateway-api/httpbin-gateway.yaml", "httpbin behind a gateway of its own", Works),
    sample("httpbin/httpbin-gateway.yaml", "httpbin behind the ingress gateway", Works),
    sample("httpbin/httpbin-nodeport.yaml", "httpbin at a NodePort", Works),
    sample("httpbin/httpbin.yaml", "the application", Works),
    sample("sleep/sleep.yaml", "a pod to call from", Works),
    sample("tcp-echo/gateway-api/tcp-echo-20-v2.yaml", "a fifth of connections to v2", NeedsExperimental),
    sample("tcp-echo/gateway-api/tcp-echo-all-v1.yaml", "connections to v1", NeedsExperimental),
    sample("tcp-echo/tcp-echo-20-v2.yaml", "a fifth of connections to v2", Works),
    sample("tcp-echo/tcp-echo-all-v1.yaml", "connections of the ingress gateway to v1", Works),
    sample("tcp-echo/tcp-echo-dual-stack.yaml", "the application, IPv4 and IPv6", NeedsIpv6),
    sample("tcp-echo/tcp-echo-ipv4.yaml", "the application, IPv4", Works),
    sample("tcp-echo/tcp-echo-ipv6.yaml", "the application, IPv6", NeedsIpv6),
    sample("tcp-echo/tcp-echo-services.yaml", "the application, two versions", Works),
    sample("tcp-echo/tcp-echo.yaml", "the application", Works),
];

impl Outcome {
    fn words(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::WorksAndWarns => "works; as in Istio a warning says that its last rule gets nothing",
            Self::FailsClosed => "accepted; calls get 503, for there is no mutual TLS among workloads yet",
            Self::NeedsIpv6 => "needs a cluster with IPv6",
            Self::NeedsExperimental => "needs TCPRoute, of the experimental channel",
            Self::Installs => "works, with `lateenctl install -f`",
        }
    }
}

/// The table as it stands on the page.
pub(crate) fn on_the_page() -> anyhow::Result<String> {
    let page = std::fs::read_to_string(PAGE)?;
    let [begin, end] = MARKS;
    let table = page.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    Ok(table.map_or_else(String::new, |(table, _)| table.trim().to_owned()))
}

/// The table as it should stand there.
pub(crate) fn rendered() -> String {
    let row = |sample: &Sample| format!("| `{}` | {} | {} |", sample.file, sample.purpose, sample.outcome.words());
    let title = ["| file | for | here |".to_owned(), "|---|---|---|".to_owned()];
    title.into_iter().chain(SAMPLES.iter().map(row)).collect::<Vec<_>>().join("\n")
}
