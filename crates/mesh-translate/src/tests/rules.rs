//! The rules of Istio that implementers get wrong, as tables: objects, a call, and what becomes of it.
//!
//! Each case goes the whole way that production goes: YAML, mesh-model, mesh-translate, xDS, mesh-snapshot, decision
//! ([`decide`]). Numbers such as V4 name the rule. A case is read like this:
//!
//! ```yaml
//! - rule: V4 routes are tried in written order
//!   given: |                       # beside bookinfo (bookinfo.yaml)
//!     kind: VirtualService
//!     ...
//!   calls:
//!   - {call: GET http://reviews:9080/a, headers: {end-user: jason}, cluster: outbound|9080|v2|reviews.default}
//! ```
//!
//! A call comes `from` a pod (ratings, if it does not say) or goes `into` one (of a gateway, to its Service's port); `at` is
//! the address that is dialled where the URL's host has none in this mesh, `on` the listener whose socket is dialled. Verbs
//! `TLS` and `TCP` open connections of bytes. All other keys are facts
//! ([`FACTS`]) of the decision; what is not named is not compared, but for `answer`, which is `none` then.
//! `.svc.cluster.local` is left out of names. `refused` quotes the webhook, `nacks` our proxy, `issues` the status.

mod decide;

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Deserialize;
use serde_json::Value;

use self::decide::{FACTS, Proxy};
use super::fixture::Mesh;

const TABLES: [(&str, &str); 13] = [
    ("matches", include_str!("rules/matches.yaml")),
    ("virtual_services", include_str!("rules/virtual_services.yaml")),
    ("actions", include_str!("rules/actions.yaml")),
    ("bytes", include_str!("rules/bytes.yaml")),
    ("scopes", include_str!("rules/scopes.yaml")),
    ("destination_rules", include_str!("rules/destination_rules.yaml")),
    ("service_entries", include_str!("rules/service_entries.yaml")),
    ("protocols", include_str!("rules/protocols.yaml")),
    ("validation", include_str!("rules/validation.yaml")),
    ("gateways", include_str!("rules/gateways.yaml")),
    ("egress", include_str!("rules/egress.yaml")),
    ("gateway_api_mesh", include_str!("rules/gateway_api_mesh.yaml")),
    ("gateway_api", include_str!("rules/gateway_api.yaml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    rule: String,
    #[serde(default)]
    given: String,
    #[serde(default)]
    calls: Vec<Call>,
    #[serde(default)]
    nacks: Vec<String>,
    #[serde(default)]
    refused: Vec<String>,
    #[serde(default)]
    issues: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Call {
    /// `METHOD URL`, `TLS NAME:PORT`, `TCP HOST:PORT`.
    pub(super) call: String,
    #[serde(default = "ratings")]
    pub(super) from: String,
    pub(super) into: Option<String>,
    pub(super) at: Option<SocketAddr>,
    pub(super) on: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(flatten)]
    gives: BTreeMap<String, Value>,
}

fn ratings() -> String {
    "default/ratings-v1".to_owned()
}

impl Rule {
    /// What is not as it should be.
    fn failures(&self, table: &str) -> Vec<String> {
        let given = match table {
            "gateways" | "egress" => format!("{}\n---\n{}", include_str!("rules/gateway_pods.yaml"), self.given),
            _ => self.given.clone(),
        };
        let mesh = match Mesh::try_bookinfo(&given) {
            Ok(mesh) if self.refused.is_empty() => mesh,
            Ok(_) => return vec!["it is accepted".to_owned()],
            Err(said) => return missing("refused", &self.refused, &[said]),
        };
        let issues: Vec<String> = mesh.push.issues().iter().map(ToString::to_string).collect();
        let mut failures = missing("issue", &self.issues, &issues);
        let mut proxies: BTreeMap<&str, Proxy> = BTreeMap::new();
        for call in &self.calls {
            let pod = call.into.as_deref().unwrap_or(&call.from);
            let proxy = proxies.entry(pod).or_insert_with(|| Proxy::of(&mesh, pod));
            failures.extend(call.failures(&proxy.decide(&mesh, call)));
        }
        for (pod, proxy) in proxies {
            let unexpected = proxy.refused.iter().filter(|line| !self.nacks.iter().any(|known| line.contains(known)));
            failures.extend(unexpected.map(|line| format!("the proxy of {pod} refuses {line}")));
            failures.extend(missing("refusal", &self.nacks, &proxy.refused));
        }
        failures
    }
}

impl Call {
    fn failures(&self, decided: &BTreeMap<&'static str, String>) -> Vec<String> {
        let none = Value::from("none");
        let unsaid = (!self.gives.contains_key("answer")).then_some(("answer", &none));
        let said = self.gives.iter().map(|(fact, wanted)| (fact.as_str(), wanted));
        let wrong = said.chain(unsaid).filter_map(|(fact, wanted)| {
            let wanted = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
            let got = decided.get(fact).map_or("none", String::as_str);
            let known = FACTS.contains(&fact);
            (!known || got != wanted).then(|| format!("{fact} should be\n    {wanted}\n  and is\n    {got}"))
        });
        let wrong: Vec<String> = wrong.collect();
        if wrong.is_empty() {
            return Vec::new();
        }
        let all: Vec<String> = decided.iter().map(|(fact, value)| format!("    {fact}: {value}")).collect();
        vec![format!("{} {:?}: {}\n  of\n{}", self.call, self.headers, wrong.join("; "), all.join("\n"))]
    }
}

fn missing(what: &str, wanted: &[String], said: &[String]) -> Vec<String> {
    let absent = wanted.iter().filter(|text| !said.iter().any(|line| line.contains(*text)));
    absent.map(|text| format!("no {what} holds\n    {text}\n  of\n    {}", said.join("\n    "))).collect()
}

fn read(table: &str, text: &str) -> Vec<Rule> {
    let list: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{table}: {error}"));
    serde_json::from_value(list).unwrap_or_else(|error| panic!("{table}: {error}"))
}

#[test]
fn every_rule_holds() {
    let mut failures = Vec::new();
    for (table, text) in TABLES {
        for rule in read(table, text) {
            failures.extend(rule.failures(table).iter().map(|failure| format!("{table}: {}\n  {failure}", rule.rule)));
        }
    }
    assert!(failures.is_empty(), "{} cases fail\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn there_are_enough_cases_and_each_rule_is_there_once() {
    let mut rules: Vec<Rule> = TABLES.iter().flat_map(|(table, text)| read(table, text)).collect();
    let cases: usize = rules.iter().map(|rule| rule.calls.len().max(1)).sum();
    assert!(cases >= 150, "{cases} cases");
    assert!(rules.iter().all(|r| !(r.calls.is_empty() && r.refused.is_empty() && r.issues.is_empty())));
    rules.sort_by(|a, b| a.rule.cmp(&b.rule));
    rules.windows(2).for_each(|pair| assert_ne!(pair[0].rule, pair[1].rule));
}
