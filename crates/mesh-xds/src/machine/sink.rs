//! The client's half of one stream after another, delta flavour.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use mesh_proto::envoy::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as WireResource},
    google::rpc::Status,
};

use super::{
    order::{is_by_name_only, rank},
    resource::{Resource, Wanted},
};

/// `google.rpc.Code.INVALID_ARGUMENT`, as Envoy puts it into a refusal.
const INVALID_ARGUMENT: i32 = 3;

/// A resource that its receiver did not take, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Name of the resource.
    pub name: String,
    /// For whoever wrote the configuration.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// What is wanted, and what of it was accepted; it outlives streams.
#[derive(Debug, Default)]
pub struct Sink {
    types: BTreeMap<(usize, String), Wish>,
}

#[derive(Debug, Default)]
struct Wish {
    wanted: Wanted,
    held: BTreeMap<Arc<str>, Arc<str>>,
}

impl Sink {
    /// Wants nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The requests that open a stream: one for each type that is wanted, with what is held already.
    pub fn opening(&self) -> Vec<DeltaDiscoveryRequest> {
        self.types.iter().map(|((_, type_url), wish)| wish.opening(type_url)).collect()
    }

    /// Changes what is wanted of a type; gives the request that says so on a stream that is open.
    pub fn want(&mut self, type_url: &str, wanted: Wanted) -> Option<DeltaDiscoveryRequest> {
        let key = (rank(type_url), type_url.to_owned());
        let Some(wish) = self.types.get_mut(&key) else {
            let wish = Wish { wanted, held: BTreeMap::new() };
            let request = wish.opening(type_url);
            self.types.insert(key, wish);
            return Some(request);
        };
        let before = std::mem::replace(&mut wish.wanted, wanted);
        wish.held.retain(|name, _| wish.wanted.admits(name));
        let star = |on: bool| on.then(|| "*".to_owned());
        let difference = |a: &BTreeSet<Arc<str>>, b: &BTreeSet<Arc<str>>| -> Vec<String> {
            a.difference(b).map(ToString::to_string).collect()
        };
        let mut subscribe = difference(&wish.wanted.names, &before.names);
        let mut unsubscribe = difference(&before.names, &wish.wanted.names);
        subscribe.extend(star(wish.wanted.all && !before.all));
        unsubscribe.extend(star(before.all && !wish.wanted.all));
        (!subscribe.is_empty() || !unsubscribe.is_empty()).then(|| DeltaDiscoveryRequest {
            type_url: type_url.to_owned(),
            resource_names_subscribe: subscribe,
            resource_names_unsubscribe: unsubscribe,
            ..DeltaDiscoveryRequest::default()
        })
    }

    /// Takes a response apart: what of it is wanted, and a receipt to settle it by.
    pub fn read(&self, response: DeltaDiscoveryResponse) -> (Vec<Resource>, Receipt) {
        let wish = self.types.get(&(rank(&response.type_url), response.type_url.clone()));
        let wanted = response.resources.into_iter().filter(|r| wish.is_some_and(|w| w.wanted.admits(&r.name)));
        let read = |r: WireResource| Some(Resource::with_version(r.name, r.version, r.resource?));
        let changed: Vec<Resource> = wanted.filter_map(read).collect();
        let receipt = Receipt {
            type_url: response.type_url,
            nonce: response.nonce,
            offered: changed.iter().map(|r| (r.name.clone(), r.version.clone())).collect(),
            removed: response.removed_resources,
        };
        (changed, receipt)
    }

    /// Takes in what became of a response, and gives the answer to it.
    ///
    /// Refused resources are not held in their new version; `fault` refuses the response as a whole.
    pub fn settle(&mut self, receipt: &Receipt, refused: &[Refused], fault: Option<&str>) -> DeltaDiscoveryRequest {
        let wish = self.types.get_mut(&(rank(&receipt.type_url), receipt.type_url.clone()));
        if let Some(wish) = wish.filter(|_| fault.is_none()) {
            wish.hold(receipt, refused);
        }
        let reasons = fault.map(ToOwned::to_owned).into_iter().chain(refused.iter().map(ToString::to_string));
        let message = reasons.collect::<Vec<_>>().join("; ");
        let error = (!message.is_empty()).then(|| Status { code: INVALID_ARGUMENT, message, details: Vec::new() });
        DeltaDiscoveryRequest {
            type_url: receipt.type_url.clone(),
            response_nonce: receipt.nonce.clone(),
            error_detail: error,
            ..DeltaDiscoveryRequest::default()
        }
    }
}

/// What a response offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Of the response.
    pub type_url: String,
    /// Of the response.
    pub nonce: String,
    /// Names and versions.
    pub offered: Vec<(Arc<str>, Arc<str>)>,
    /// Names of what is no more.
    pub removed: Vec<String>,
}

impl Wish {
    fn opening(&self, type_url: &str) -> DeltaDiscoveryRequest {
        let mut subscribe: Vec<String> = self.wanted.names.iter().map(ToString::to_string).collect();
        // Saying nothing means all, where it can.
        if self.wanted.all && (!subscribe.is_empty() || is_by_name_only(type_url)) {
            subscribe.push("*".to_owned());
        }
        let held = self.held.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        DeltaDiscoveryRequest {
            type_url: type_url.to_owned(),
            resource_names_subscribe: subscribe,
            initial_resource_versions: held,
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn hold(&mut self, receipt: &Receipt, refused: &[Refused]) {
        for name in &receipt.removed {
            self.held.remove(name.as_str());
        }
        for (name, version) in &receipt.offered {
            if self.wanted.admits(name) && !refused.iter().any(|r| r.name == **name) {
                self.held.insert(name.clone(), version.clone());
            }
        }
    }
}
