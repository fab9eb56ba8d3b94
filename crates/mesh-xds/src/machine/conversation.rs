//! The server's half of one stream.

use std::{collections::BTreeMap, hash::Hasher, sync::Arc};

use mesh_proto::envoy::envoy::{
    config::core::v3::ControlPlane,
    service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse, Resource as WireResource},
};
use twox_hash::XxHash64;

use super::{
    order::{follower, is_by_name_only, rank},
    request::{Names, Request},
    resource::{Resource, Wanted},
    subscription::{Heard, Record, Subscription},
};

/// Who knows the resources of the moment.
pub trait Supply {
    /// Those of a type that `wanted` admits (more do no harm), or none when the type is not served at all.
    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>>;
}

/// One response to be sent.
#[derive(Clone, Debug)]
pub struct Push {
    /// Its type.
    pub type_url: String,
    /// Unique on its stream.
    pub nonce: String,
    /// What the client gets. In the state-of-the-world flavour, of types that are listed whole: everything there is.
    pub resources: Vec<Arc<Resource>>,
    /// What the client is to drop; the state-of-the-world flavour says so by leaving it out.
    pub removed: Vec<Arc<str>>,
    /// A hash over what the client holds of this type once it took this.
    pub version: String,
}

/// All types of one stream.
///
/// Feed it each request ([`Conversation::hear`]) and each change of the world ([`Conversation::world_changed`]); after
/// either, send what [`Conversation::pushes`] gives. A type has one response in flight, unless patience was lost
/// ([`Conversation::lose_patience`]).
#[derive(Debug, Default)]
pub struct Conversation {
    /// In the order in which they are pushed.
    types: BTreeMap<(usize, String), Subscription>,
    is_delta: bool,
    nonces: u64,
}

impl Conversation {
    /// A stream that has said nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a request in.
    pub fn hear(&mut self, request: Request) -> Heard {
        self.is_delta = matches!(request.names, Names::Change { .. });
        let key = (rank(&request.type_url), request.type_url.clone());
        self.types.entry(key).or_default().hear(request)
    }

    /// Resources of any type may have changed.
    pub fn world_changed(&mut self) {
        self.types.values_mut().for_each(Subscription::touch);
    }

    /// Waits no longer for answers that were waited for at the last call already. To be called once in a while: Envoy
    /// answers about clusters only once they are warm, which may take as long as some DNS server likes.
    pub fn lose_patience(&mut self) {
        self.types.values_mut().for_each(Subscription::lose_patience);
    }

    /// What is to be sent now, in order.
    pub fn pushes(&mut self, supply: &mut dyn Supply) -> Vec<Push> {
        let keys: Vec<_> = self.types.keys().cloned().collect();
        let mut pushes = Vec::new();
        for key in keys {
            let Some(push) = self.push(&key, supply) else { continue };
            if let Some(follower) = follower(&key.1)
                && let Some(subscription) = self.types.get_mut(&(rank(follower), follower.to_owned()))
            {
                subscription.force(push.resources.iter().map(|r| &r.name));
            }
            pushes.push(push);
        }
        pushes
    }

    fn push(&mut self, key: &(usize, String), supply: &mut dyn Supply) -> Option<Push> {
        let type_url = &key.1;
        let subscription = self.types.get_mut(key)?;
        let wanted = subscription.due()?;
        let Some(current) = supply.resources(type_url, wanted) else {
            subscription.rest();
            return None;
        };
        let is_whole = !self.is_delta && !is_by_name_only(type_url);
        let whole = if is_whole { current.clone() } else { Vec::new() };
        let admitted: Vec<_> = whole.into_iter().filter(|r| wanted.admits(&r.name)).collect();
        let difference = subscription.difference(current)?;
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        subscription.sent(&nonce);
        Some(Push {
            type_url: type_url.clone(),
            nonce,
            resources: if is_whole { admitted } else { difference.changed },
            removed: difference.removed,
            version: digest(subscription),
        })
    }

    /// How each type stands, in the order of pushes.
    pub fn records(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.types.iter().map(|((_, type_url), subscription)| (type_url.as_str(), &subscription.record))
    }

    /// How one type stands.
    pub fn record(&self, type_url: &str) -> Option<&Record> {
        self.types.get(&(rank(type_url), type_url.to_owned())).map(|s| &s.record)
    }
}

fn digest(subscription: &Subscription) -> String {
    let mut hash = XxHash64::with_seed(0);
    for (name, version) in subscription.holdings() {
        for part in [name, version] {
            hash.write(part.as_bytes());
            hash.write_u8(0);
        }
    }
    format!("{:016x}", hash.finish())
}

impl Push {
    /// As a response of the delta flavour, told by a control plane of this name.
    pub fn into_delta(self, server: &str) -> DeltaDiscoveryResponse {
        let wire = |r: Arc<Resource>| WireResource {
            name: r.name.to_string(),
            version: r.version.to_string(),
            resource: Some(r.body.clone()),
            ..WireResource::default()
        };
        DeltaDiscoveryResponse {
            system_version_info: self.version,
            resources: self.resources.into_iter().map(wire).collect(),
            type_url: self.type_url,
            removed_resources: self.removed.iter().map(ToString::to_string).collect(),
            nonce: self.nonce,
            control_plane: Some(ControlPlane { identifier: server.to_owned() }),
            ..DeltaDiscoveryResponse::default()
        }
    }

    /// As a response of the state-of-the-world flavour.
    pub fn into_whole(self, server: &str) -> DiscoveryResponse {
        DiscoveryResponse {
            version_info: self.version,
            resources: self.resources.iter().map(|r| r.body.clone()).collect(),
            type_url: self.type_url,
            nonce: self.nonce,
            control_plane: Some(ControlPlane { identifier: server.to_owned() }),
            ..DiscoveryResponse::default()
        }
    }
}
