//! Egress by one label: what it takes to send the traffic of a ServiceEntry through a gateway.
//!
//! ```text
//!   ServiceEntry, labelled ──plan──► Gateway: the gateway listens for the entry's hosts
//!                                    VirtualService: sidecars ► gateway's Service, gateway ► the hosts themselves
//! ```
//!
//! They are the objects that a user would write, as JSON, and go through [`crate::parse`] like a user's; so they can be
//! shown, and taken over by applying them and removing the label. There is no DestinationRule among them: a subset
//! without labels or policy is one more name for the gateway's Service, and one that callers of other namespaces may not
//! find.
//!
//! Whatever is missing, the sidecars' half is made: traffic that is to leave by the gateway fails rather than leave
//! directly.
//!
//! <https://istio.io/latest/docs/tasks/traffic-management/egress/egress-gateway/>

mod doors;
mod objects;

use std::{collections::BTreeSet, sync::Arc};

use mesh_types::Hostname;
use serde_json::Value;

use self::doors::doors;
use crate::{
    config::{Config, Derived, Kind, Meta, Object, Resolution, ServiceEntry},
    issue::{FieldPath, Issue, Severity},
    parse::{ParseContext, parse},
    registry::Service,
    store::{Change, Store},
};

/// Label of a ServiceEntry: the name of the Service of the gateway that its traffic leaves by.
pub const GATEWAY: &str = "lateen.io/use-egress-gateway";
/// Label beside it: the namespace of that Service; without it, the mesh's root namespace.
pub const NAMESPACE: &str = "lateen.io/use-egress-gateway-namespace";

/// What follows from one ServiceEntry.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The entry.
    pub entry: Arc<Object<ServiceEntry>>,
    /// What a user would write in place of the label.
    pub objects: Vec<Value>,
    /// The label, as those are told of it whose calls it decides on.
    pub decider: String,
    /// What is in the way of its traffic.
    pub issues: Vec<Issue>,
}

/// In place of a name that no Service can have.
const NOWHERE: &str = "no-such-gateway.invalid";

/// The gateway that a label names.
struct Gateway {
    /// `NAME.NAMESPACE`, as the labels have it.
    name: String,
    namespace: String,
    /// Of its Service.
    host: String,
    /// Absent: there is no such Service, or it selects no pods.
    service: Option<Arc<Service>>,
}

/// What is given to one entry only.
#[derive(Debug, Default)]
struct Taken {
    /// Names of Gateways and VirtualServices, by namespace.
    names: BTreeSet<(Kind, String)>,
    /// Ports of gateways that pass bytes on, which say nothing of where they go.
    bytes: BTreeSet<(String, u16)>,
}

/// Adds what follows from labels.
pub(super) fn step(store: &Store) -> Vec<Change> {
    let adopted = |plan: Plan| {
        let read = plan.objects.iter().filter_map(|object| read(object).ok());
        read.map(|config| Change::config(adopt(config, &plan))).collect::<Vec<_>>()
    };
    plans(store).into_iter().flat_map(adopted).collect()
}

/// What follows from each labelled entry; older entries come first.
pub fn plans(store: &Store) -> Vec<Plan> {
    let labelled =
        |config: &&Config| matches!(config, Config::ServiceEntry(o) if o.meta.labels.0.contains_key(GATEWAY));
    if !store.configs().any(|config| labelled(&config)) {
        return Vec::new();
    }
    let entries = store.service_entries().into_iter().filter(|entry| entry.meta.labels.0.contains_key(GATEWAY));
    let mut taken = Taken::of(store);
    entries.map(|entry| plan(store, entry, &mut taken)).collect()
}

fn plan(store: &Store, entry: Arc<Object<ServiceEntry>>, taken: &mut Taken) -> Plan {
    let mut issues = Issues { meta: &entry.meta, found: Vec::new() };
    let gateway = Gateway::of(store, &entry.meta);
    check(store, &entry, &gateway, &mut issues);
    // With resolution NONE the gateway would call whatever it was called by itself.
    let reachable = gateway.service.as_deref().filter(|_| entry.spec.resolution != Resolution::None);
    let doors = doors(&entry.spec, &gateway.host, reachable, taken, &mut issues);
    let objects = objects::of(&entry, &gateway, &doors, taken);
    for object in &objects {
        if let Err(refused) = read(object) {
            issues.say(label(), refused, "rename the ServiceEntry, or write the objects by hand");
        }
    }
    let issues = issues.found;
    Plan { entry, objects, decider: gateway.decider(), issues }
}

/// An object as the mesh reads it, or why it cannot.
fn read(object: &Value) -> Result<Config, String> {
    let parsed = parse(object, &ParseContext::default());
    parsed.map(|parsed| parsed.config).map_err(|issues| {
        let reasons: Vec<String> = issues.iter().map(|issue| format!("{}: {}", issue.object, issue.reason)).collect();
        reasons.join("; ")
    })
}

/// Makes an object the entry's own: of its age, and under its name where somebody asks who decides.
fn adopt(config: Config, plan: &Plan) -> Config {
    let entry = &plan.entry.meta;
    let meta = |meta: &Meta| Meta {
        created: entry.created,
        derived: Some(Derived { object: entry.object(), path: plan.decider.clone() }),
        ..meta.clone()
    };
    match config {
        Config::Gateway(o) => Config::Gateway(Arc::new(Object { meta: meta(&o.meta), spec: o.spec.clone() })),
        Config::VirtualService(o) => {
            Config::VirtualService(Arc::new(Object { meta: meta(&o.meta), spec: o.spec.clone() }))
        }
        other => other,
    }
}

fn label() -> FieldPath {
    FieldPath::from("metadata.labels").key(GATEWAY)
}

impl Gateway {
    fn of(store: &Store, meta: &Meta) -> Self {
        let label = |key: &str| meta.labels.0.get(key).cloned().unwrap_or_default();
        let namespace = match label(NAMESPACE) {
            none if none.is_empty() => store.mesh().root_namespace.clone(),
            name => name,
        };
        let name = format!("{}.{namespace}", label(GATEWAY));
        // Label values may hold what names of hosts may not.
        let host = Hostname::parse(&format!("{name}.svc.{}", ParseContext::default().domain));
        let host = host.map_or_else(|_| NOWHERE.to_owned(), |host| host.to_string());
        let service = store.services().get(host.as_str()).filter(|service| !service.selector.is_empty()).cloned();
        Self { name, namespace, host, service }
    }

    /// The label, and the gateway that it names in vain.
    fn decider(&self) -> String {
        match self.service {
            Some(_) => label().to_string(),
            None => format!("{} (no Service {} that selects pods)", label(), self.name),
        }
    }
}

impl Taken {
    fn of(store: &Store) -> Self {
        let written = store.configs().map(Config::meta).filter(|meta| meta.derived.is_none());
        let names = written.filter(|meta| matches!(meta.kind, Kind::Gateway | Kind::VirtualService));
        let names = names.map(|meta| (meta.kind, format!("{}/{}", meta.namespace, meta.name))).collect();
        Self { names, bytes: BTreeSet::new() }
    }

    /// A name that nobody has: this one, or this one and a number.
    fn name(&mut self, kind: Kind, namespace: &str, wanted: &str) -> String {
        let numbered = (1..).map(|n| format!("{wanted}-{n}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        names.find(|name| self.names.insert((kind, format!("{namespace}/{name}")))).unwrap_or_default()
    }
}

/// What is said of an entry.
struct Issues<'a> {
    meta: &'a Meta,
    found: Vec<Issue>,
}

impl Issues<'_> {
    fn say(&mut self, path: FieldPath, reason: impl Into<String>, way_out: impl Into<String>) {
        let (object, severity) = (self.meta.object(), Severity::Warning);
        self.found.push(Issue { object, path, reason: reason.into(), way_out: way_out.into(), severity });
    }
}

/// What concerns the entry as a whole.
fn check(store: &Store, entry: &Object<ServiceEntry>, gateway: &Gateway, issues: &mut Issues<'_>) {
    let Gateway { namespace, host, service, .. } = gateway;
    if service.is_none() {
        issues.say(
            label(),
            format!("there is no Service `{host}` that selects pods; traffic of this entry fails (503) instead of leaving directly"),
            "install the egress gateway, correct the label and the namespace in the label beside it, or remove them",
        );
    }
    if entry.spec.resolution == Resolution::None {
        issues.say(
            "spec.resolution".into(),
            "with resolution NONE only the caller knows the address; a gateway cannot go there, so the traffic fails",
            "set resolution to DNS or STATIC, or to DYNAMIC_DNS for wildcard hosts",
        );
    }
    let export = entry.spec.export_to.as_ref().unwrap_or(&store.mesh().default_service_export_to);
    if !export.reaches(&entry.meta.namespace, namespace) {
        issues.say(
            "spec.exportTo".into(),
            format!("the gateway is in namespace `{namespace}`, which this entry is not exported to; its traffic fails there (503)"),
            format!("add `{namespace}` to exportTo"),
        );
    }
}

#[cfg(test)]
mod tests;
