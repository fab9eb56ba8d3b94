//! Secrets that configuration names: these go to pilot, and no others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::Secret;
use mesh_kube::Key;
use mesh_model::{
    config::{Credentials, Kind, Readers},
    expand::gateway_api::{ObjectName, status::SecretState},
};
use mesh_proto::registry;
use mesh_types::Labels;

/// What a Secret may hold that a proxy could use. Only these keys are kept, of Secrets that have one of them.
const KEYS: [&str; 9] = ["tls.crt", "tls.key", "ca.crt", "ca.crl", "tls.ocsp-staple", "cert", "key", "cacert", "crl"];
/// What the name of a Secret of roots alone ends in.
const ROOTS: &str = "-cacert";
/// Names with a namespace begin with one of these.
const SCHEMES: [&str; 2] = ["kubernetes-gateway://", "kubernetes://"];

/// Namespace and labels.
type Pod<'a> = (&'a str, &'a BTreeMap<String, String>);

/// Secrets, and who names them.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    all: BTreeMap<Key, registry::Secret>,
    named: BTreeMap<(Kind, Key), Credentials>,
    sent: BTreeSet<Key>,
    changed: BTreeSet<Key>,
    is_stale: bool,
}

impl Secrets {
    pub(super) fn apply(&mut self, secret: Secret) {
        let key = Key::of(&secret);
        let data = secret.data.unwrap_or_default();
        let data: BTreeMap<String, Vec<u8>> = data
            .into_iter()
            .filter(|(name, _)| KEYS.contains(&name.as_str()))
            .map(|(name, value)| (name, value.0))
            .collect();
        if data.is_empty() {
            return self.delete(&key);
        }
        let record = registry::Secret {
            name: key.name.clone(),
            namespace: key.namespace.clone(),
            kind: secret.type_.unwrap_or_default(),
            data,
        };
        if self.all.get(&key) != Some(&record) {
            self.all.insert(key.clone(), record);
            self.changed.insert(key);
        }
    }

    pub(super) fn delete(&mut self, key: &Key) {
        if self.all.remove(key).is_some() {
            self.changed.insert(key.clone());
        }
    }

    /// Whether a listener of the Gateway API can show what a Secret holds.
    pub(super) fn state(&self, (namespace, name): &ObjectName) -> SecretState {
        let key = Key { namespace: namespace.to_string(), name: name.to_string() };
        let Some(secret) = self.all.get(&key) else { return SecretState::Missing };
        let holds = |key: &str, mark: &str| {
            secret.data.get(key).is_some_and(|value| String::from_utf8_lossy(value).contains(mark))
        };
        let pair =
            |(chain, key): (&str, &str)| holds(chain, "-----BEGIN CERTIFICATE-----") && holds(key, "PRIVATE KEY-----");
        let is_usable = [("tls.crt", "tls.key"), ("cert", "key")].into_iter().any(pair);
        if is_usable { SecretState::Usable } else { SecretState::Malformed }
    }

    /// Notes what an object says of Secrets; none: nothing any more.
    pub(super) fn name(&mut self, kind: Kind, key: &Key, credentials: Option<Credentials>) {
        let place = (kind, key.clone());
        if self.named.get(&place) == credentials.as_ref() {
            return;
        }
        match credentials {
            Some(credentials) => drop(self.named.insert(place, credentials)),
            None => drop(self.named.remove(&place)),
        }
        self.is_stale = true;
    }

    /// Pods came, went or changed.
    pub(super) fn pods_changed(&mut self) {
        self.is_stale |= self.named.values().any(|credentials| !credentials.names.is_empty());
    }

    /// What changed of what is sent; none: it is to be sent no more. `pods` are namespaces and labels.
    pub(super) fn take_changed<'a>(
        &mut self,
        pods: impl Iterator<Item = Pod<'a>> + Clone,
    ) -> Vec<(Key, Option<registry::Secret>)> {
        let mut touched = std::mem::take(&mut self.changed);
        if std::mem::take(&mut self.is_stale) {
            let wanted = self.wanted(pods);
            touched.extend(wanted.symmetric_difference(&self.sent).cloned());
            self.sent = wanted;
        }
        let sent = |key: &Key| self.all.get(key).filter(|_| self.sent.contains(key)).cloned();
        touched.into_iter().map(|key| (key.clone(), sent(&key))).collect()
    }

    fn wanted<'a>(&self, pods: impl Iterator<Item = Pod<'a>> + Clone) -> BTreeSet<Key> {
        let selected = |namespace: &Option<Arc<str>>, selector: &Labels| -> BTreeSet<String> {
            let chosen = pods.clone().filter(|(own, labels)| {
                namespace.as_ref().is_none_or(|only| **only == **own)
                    && selector.0.iter().all(|(key, value)| labels.get(key) == Some(value))
            });
            chosen.map(|(own, _)| own.to_owned()).collect()
        };
        let has_names = self.named.values().any(|c| !c.names.is_empty());
        if !has_names {
            return BTreeSet::new();
        }
        let mut gateways = BTreeSet::new();
        let mut wanted = BTreeSet::new();
        for credentials in self.named.values() {
            if let Readers::Pods { namespace, selector } = &credentials.readers {
                let namespaces = selected(namespace, selector);
                wanted.extend(keys(credentials, &namespaces));
                gateways.extend(namespaces);
            }
        }
        for credentials in self.named.values().filter(|c| !c.names.is_empty()) {
            if let Readers::Callers(own) = &credentials.readers {
                let mut namespaces = gateways.clone();
                namespaces.insert(own.to_string());
                wanted.extend(keys(credentials, &namespaces));
            }
        }
        wanted
    }
}

/// The Secrets that an object means, for readers in these namespaces: each by its name, and the roots beside it.
fn keys(credentials: &Credentials, namespaces: &BTreeSet<String>) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for written in &credentials.names {
        let path = SCHEMES.iter().find_map(|scheme| written.strip_prefix(scheme)).unwrap_or(written);
        let (only, name) = path.split_once('/').map_or((None, path), |(namespace, name)| (Some(namespace), name));
        let places: Vec<&str> = only.map_or_else(|| namespaces.iter().map(String::as_str).collect(), |ns| vec![ns]);
        for namespace in places {
            for name in [name.to_owned(), format!("{name}{ROOTS}")] {
                keys.insert(Key { namespace: namespace.to_owned(), name });
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests;
