//! Journey 4, made simple: one label of a ServiceEntry leads its hosts out through the egress gateway.

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster,
    ctl::lateenctl,
    eventually,
    proxy::{IS_CUT, MESH, Proxy},
};
use serde_json::Value;

use crate::beyond;

/// Every host of a domain, led out by one label.
const DOMAIN: &str = r#"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: example
  labels:
    lateen.io/use-egress-gateway: istio-egressgateway
spec:
  hosts:
  - "*.example.org"
  ports:
  - number: 80
    name: http
    protocol: HTTP
  - number: 443
    name: tls
    protocol: TLS
  resolution: DYNAMIC_DNS
"#;

#[tokio::test]
async fn journey_4_a_whole_domain_leaves_by_the_egress_gateway() -> Result<()> {
    const TEST: &str = "journey_4_a_whole_domain_leaves_by_the_egress_gateway";
    let Some((cluster, _)) = Cluster::with_public_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.opt_in().await?;
            let sleep = space.caller("sleep").await?;
            let gateway = space.cluster.gateway(MESH, "istio=egressgateway").await?;
            beyond::sees(&sleep, "https://a.example.org/ip", &sleep.proxy.address().await?).await?;
            space.apply_text(DOMAIN)?;
            let address = gateway.address().await?;
            for url in ["https://a.example.org/ip", "https://b.example.org/ip"] {
                beyond::sees(&sleep, url, &address).await?;
            }
            gateway.logged(&[" b.example.org "]).await?;
            // Of HTTP this page tells what `x-forwarded-for` says.
            let to_the_gateway = "outbound|80||istio-egressgateway.istio-system.svc.cluster.local";
            let url = "http://c.example.org/ip";
            beyond::is_logged(&sleep, url, &sleep.proxy, &["\"c.example.org\"", to_the_gateway]).await?;
            gateway.logged(&["\"c.example.org\"", " 200 "]).await?;
            // Whoever names another host at the gateway gets nowhere.
            let door = "google.com:443:istio-egressgateway.istio-system:443";
            let said = beyond::fails(&sleep, &["--connect-to", door, "https://google.com/"]).await?;
            ensure!(IS_CUT.iter().any(|words| said.contains(words)), "curl says {said}");
            sleep.proxy.accepts_all().await?;
            gateway.accepts_all().await
        })
        .await
}

const ONE_HOST: &str = r#"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: one-host
  labels:
    lateen.io/use-egress-gateway: istio-egressgateway
spec:
  hosts:
  - one.example.org
  ports:
  - number: 443
    name: tls
    protocol: TLS
  resolution: DNS
"#;

/// What the label stands for can be printed and applied in its place, and nothing changes.
#[tokio::test]
async fn journey_4_the_label_and_what_it_stands_for_are_the_same() -> Result<()> {
    const TEST: &str = "journey_4_the_label_and_what_it_stands_for_are_the_same";
    let Some((cluster, _)) = Cluster::with_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.opt_in().await?;
            let sleep = space.caller("sleep").await?;
            let gateway = space.cluster.gateway(MESH, "istio=egressgateway").await?;
            let address = gateway.address().await?;
            space.apply_text(ONE_HOST)?;
            beyond::sees(&sleep, "https://one.example.org/ip", &address).await?;
            let by_label = tokio::try_join!(parts(&sleep.proxy, true), parts(&gateway, true))?;

            let name = format!("one-host.{}", space.name);
            let objects = lateenctl(&["egress", "export", &name], "").await?;
            let label = "  labels:\n    lateen.io/use-egress-gateway: istio-egressgateway\n";
            space.apply_text(&objects)?;
            space.apply_text(&ONE_HOST.replace(label, ""))?;
            beyond::sees(&sleep, "https://one.example.org/ip", &address).await?;
            let by_objects = tokio::try_join!(parts(&sleep.proxy, false), parts(&gateway, false))?;
            ensure!(by_label == by_objects, "by label {by_label:#?}\nby objects {by_objects:#?}");
            sleep.proxy.accepts_all().await?;
            gateway.accepts_all().await
        })
        .await
}

/// The parts of a proxy's configuration that tell of the host, clusters and filter chains, once the label decides, or, where
/// it does not, a VirtualService; without the words that tell so.
async fn parts(proxy: &Proxy, by_label: bool) -> Result<Vec<Value>> {
    let what = format!("what {} has of the host comes from the label: {by_label}", proxy.pod);
    let mut parts = eventually(&what, beyond::CONVERGED, async || {
        let dump = proxy.exec(&["pilot-agent", "request", "GET", "config_dump"]).await?;
        let dump: Value = serde_json::from_str(&dump).context("config_dump is no JSON")?;
        let all = clusters_and_chains(&dump);
        let tell = |word| all.iter().any(|part| part["metadata"]["filter_metadata"].to_string().contains(word));
        let settled = tell("use-egress-gateway") == by_label && tell("VirtualService/") != by_label;
        Ok(settled.then_some(all))
    })
    .await?;
    parts.iter_mut().for_each(forget_origin);
    parts.sort_by_key(Value::to_string);
    Ok(parts)
}

fn clusters_and_chains(dump: &Value) -> Vec<Value> {
    let configs = || dump["configs"].as_array().into_iter().flatten();
    let list = |name: &'static str| configs().flat_map(move |config| config[name].as_array().into_iter().flatten());
    let clusters = list("dynamic_active_clusters").map(|entry| &entry["cluster"]);
    let listeners = list("dynamic_listeners").map(|entry| &entry["active_state"]["listener"]);
    let chains = listeners.flat_map(|listener| listener["filter_chains"].as_array().into_iter().flatten());
    clusters.chain(chains).filter(|part| part.to_string().contains("one.example.org")).cloned().collect()
}

/// Takes the provenance out, which is all that may differ.
fn forget_origin(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("metadata");
            fields.values_mut().for_each(forget_origin);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_origin),
        _ => {}
    }
}
