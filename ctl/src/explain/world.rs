//! What pilot knows, made into what one proxy has.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mesh_model::{
    push_context::{PushContext, Scope},
    registry::Health,
    store,
};
use mesh_proto::{Any, envoy::envoy::config::core::v3::Node, nds::NameTable, unpack};
use mesh_snapshot::{
    Kind, Snapshot, Store,
    names::{Asker, Names},
};
use mesh_translate::{BadNode, Built, ProxyView};
use mesh_types::{Hostname, NodeKind};
use serde::Deserialize;

use super::standing::Standing;

/// What pilot answers at `/debug/recordz?proxyID=`.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// Everything that galley told it.
    pub records: Vec<Record>,
    /// The proxy, if it is connected to this pilot.
    pub proxy: Option<Proxy>,
}

/// One record, in the encoding in which it came.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What sort of record it is.
    pub type_url: String,
    /// Its name among those.
    pub name: String,
    /// Which message it is.
    pub body_type: String,
    /// The message, in base64.
    pub body: String,
}

/// A proxy as pilot knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Proxy {
    /// `POD.NAMESPACE`
    pub name: String,
    /// Envoy's `Node`, in base64.
    pub node: String,
    /// How it stands with each type.
    pub types: BTreeMap<String, Standing>,
}

/// Why pilot's answer makes no world.
#[derive(Debug, thiserror::Error)]
pub enum BadTold {
    /// Nobody is connected.
    #[error("the proxy is not connected to pilot")]
    NotConnected,
    /// A field is not what it should be.
    #[error("pilot's answer cannot be read: {0}")]
    Unreadable(String),
    /// Pilot has a record that this program cannot read.
    #[error("a record of pilot's cannot be read; are lateenctl and pilot of one version?")]
    Record(#[from] store::ReadError),
    /// The node has no proper id.
    #[error("the proxy's node cannot be read")]
    Node(#[from] BadNode),
}

impl Told {
    /// Everything that galley told pilot.
    ///
    /// # Errors
    /// Pilot's answer cannot be read.
    pub fn store(&self) -> Result<store::Store, BadTold> {
        let mut records = store::Store::default();
        for record in &self.records {
            let body = Any { type_url: record.body_type.clone(), value: decode(&record.name, &record.body)? };
            records.apply(store::read(&record.type_url, &record.name, Some(&body))?);
        }
        Ok(records)
    }
}

/// The mesh as one proxy has it.
#[derive(Debug)]
pub struct World {
    pub(super) proxy: Proxy,
    pub(super) push: PushContext,
    pub(super) view: ProxyView,
    /// What of the mesh the proxy sees.
    pub(super) scope: Arc<Scope>,
    pub(super) snapshot: Snapshot,
    /// What the proxy answers to DNS questions, where it is asked them.
    answers: Option<Names>,
    /// Hashes of all resources, by type and name.
    pub(super) versions: BTreeMap<(&'static str, String), String>,
    /// Resources that our proxy does not take, each with why.
    pub(super) refused: BTreeMap<String, String>,
}

impl World {
    /// Does what pilot does for the proxy, then what the proxy does.
    ///
    /// # Errors
    /// Pilot's answer cannot be read, or the proxy is not in it.
    pub fn of(told: &Told) -> Result<Self, BadTold> {
        let proxy = told.proxy.clone().ok_or(BadTold::NotConnected)?;
        let push = PushContext::build(&told.store()?);
        let node = Any {
            type_url: "type.googleapis.com/envoy.config.core.v3.Node".to_owned(),
            value: decode("node", &proxy.node)?,
        };
        let node: Node = unpack(&node).map_err(|error| BadTold::Unreadable(error.to_string()))?;
        let view = ProxyView::new(&node, &push)?;
        let mut taken = Taken::default();
        taken.put(mesh_translate::clusters(&view, &push));
        taken.put(mesh_translate::listeners(&view, &push));
        let wanted = taken.store.wanted();
        taken.put(mesh_translate::endpoints(&view, &push, &wanted.endpoints));
        taken.put(mesh_translate::routes(&view, &push, &wanted.routes));
        let snapshot = taken.store.build(&Snapshot::default());
        let scope = match view.kind {
            NodeKind::Sidecar => push.scope(&view.namespace, &view.labels),
            NodeKind::Router => push.scope_of_gateway(&view.namespace),
        };
        let answers = if view.captures_dns { Some(answers(&view, &push)?) } else { None };
        Ok(Self { proxy, push, view, scope, snapshot, answers, versions: taken.versions, refused: taken.refused })
    }

    /// Where a host leads, as the pod's resolver has it.
    pub(super) fn resolve(&self, host: &str) -> Resolved {
        if let Ok(ip) = host.parse() {
            return Resolved { ip: Some(ip), how: "as written".to_owned(), known: true };
        }
        if host == "localhost" {
            return Resolved { ip: Some(Ipv4Addr::LOCALHOST.into()), how: "the pod itself".to_owned(), known: true };
        }
        let names = self.names(host);
        names.iter().find_map(|name| self.answered(name).or_else(|| self.address_of(name, 8))).unwrap_or_else(|| {
            Resolved {
                ip: None,
                how: "this cluster knows no such name: explained as if it led to 192.0.2.1".to_owned(),
                known: false,
            }
        })
    }

    /// The names that the pod's resolver asks for, in its order.
    pub(super) fn names(&self, host: &str) -> Vec<String> {
        let domain = self.view.cluster_domain();
        let search = [format!("{}.svc.{domain}", self.view.namespace), format!("svc.{domain}"), domain.to_owned()];
        // A name with five dots or more is asked for as it is first.
        let relative = search.iter().map(|suffix| format!("{host}.{suffix}"));
        if host.matches('.').count() >= 5 {
            std::iter::once(host.to_owned()).chain(relative).collect()
        } else {
            relative.chain([host.to_owned()]).collect()
        }
    }

    /// Where the pod's proxy says that a name leads; none: whoever it asks says so.
    fn answered(&self, name: &str) -> Option<Resolved> {
        let name = name.to_ascii_lowercase();
        let known = self.answers.as_ref()?.find(&name)?;
        let of_family = known.addresses.iter().find(|ip| ip.is_ipv6() == self.view.is_ipv6());
        let ip = *of_family.or(known.addresses.first())?;
        let name = known.alias.unwrap_or(&name);
        Some(Resolved { ip: Some(ip), how: format!("the pod's proxy answers this for {name}"), known: true })
    }

    fn address_of(&self, name: &str, aliases: u8) -> Option<Resolved> {
        use mesh_model::registry::{Origin, Resolution};
        let host = Hostname::parse(name).ok()?;
        let service = self.push.services_of_host(&host).first()?;
        let found = |ip, how| Some(Resolved { ip: Some(ip), how, known: true });
        let family = service.vips().find(|ip| ip.is_ipv6() == self.view.is_ipv6()).or_else(|| service.vips().next());
        match (&service.resolution, &service.origin, family) {
            (Resolution::Alias(target), ..) if aliases > 0 => {
                let mut resolved = self.address_of(target.as_str(), aliases - 1)?;
                resolved.how = format!("{name} is another name for {target}; {}", resolved.how);
                Some(resolved)
            }
            (_, Origin::Kubernetes, Some(ip)) => found(ip, format!("service {name}")),
            (_, Origin::ServiceEntry(entry), Some(ip)) => {
                found(ip, format!("ServiceEntry {}/{entry} has this address for {name}", service.namespace))
            }
            (_, Origin::Kubernetes, None) => {
                let endpoints = self.push.endpoints(service, service.ports.first()?);
                let ready = endpoints.iter().filter(|e| e.health == Health::Ready || service.publish_not_ready);
                let ips: Vec<IpAddr> = ready.filter_map(|e| e.address.ip()).collect();
                found(*ips.first()?, format!("one of {} pods of headless service {name}", ips.len()))
            }
            _ => None,
        }
    }
}

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) ip: Option<IpAddr>,
    /// For people.
    pub(super) how: String,
    pub(super) known: bool,
}

/// The names that a proxy answers, as it gets them from pilot.
fn answers(view: &ProxyView, push: &PushContext) -> Result<Names, BadTold> {
    let unreadable = |error: mesh_proto::UnpackError| BadTold::Unreadable(error.to_string());
    let asker = Asker {
        namespace: view.namespace.clone(),
        domain: view.dns_domain.clone(),
        // As kubelets write it first.
        search: Some(format!("{}.svc.{}", view.namespace, view.cluster_domain())),
    };
    let mut table = NameTable::default();
    for Built { type_url, value, .. } in mesh_translate::name_tables(view, push) {
        table = unpack(&Any { type_url: type_url.to_owned(), value }).map_err(unreadable)?;
    }
    Ok(Names::new(&table, &asker))
}

fn decode(what: &str, text: &str) -> Result<Vec<u8>, BadTold> {
    STANDARD.decode(text).map_err(|error| BadTold::Unreadable(format!("{what}: {error}")))
}

/// Resources as a proxy of ours takes them.
#[derive(Default)]
struct Taken {
    store: Store,
    versions: BTreeMap<(&'static str, String), String>,
    refused: BTreeMap<String, String>,
}

impl Taken {
    fn put(&mut self, built: Vec<Built>) {
        for Built { name, type_url, value, version } in built {
            let any = Any { type_url: type_url.to_owned(), value };
            let put = Kind::of_type_url(type_url).map(|kind| self.store.put(kind, &name, &any));
            if let Some(Err(refused)) = put {
                self.refused.insert(name.clone(), refused.line());
            }
            self.versions.insert((type_url, name), version);
        }
    }
}
