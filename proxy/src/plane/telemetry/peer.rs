//! How workloads tell each other who they are: in two headers of requests and responses, as Istio's proxies do.
//!
//! `x-envoy-peer-metadata` is a protobuf `Struct` in base64; `x-envoy-peer-metadata-id` is the id of the node. The headers
//! come from whoever calls, so that everything about them is bounded.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use mesh_proto::envoy::google::protobuf::{Struct, Value, value::Kind};
use prost::Message;
use rustc_hash::FxHashSet;

use super::Workload;
use crate::plane::stats::Counter;

pub(super) const METADATA: HeaderName = HeaderName::from_static("x-envoy-peer-metadata");
pub(super) const ID: HeaderName = HeaderName::from_static("x-envoy-peer-metadata-id");

const CANONICAL_SERVICE: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";

/// How long the header may be.
pub(super) const LONGEST: usize = 16 << 10;

/// How long a name may be; Kubernetes has none above 253.
const LONGEST_NAME: usize = 256;

/// How many workloads get series of their own.
const MOST_PEERS: usize = 1_000;

/// Others leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What this proxy says of its workload, ready to be sent.
#[derive(Debug)]
pub(super) struct Introduction {
    id: Option<HeaderValue>,
    metadata: Option<HeaderValue>,
}

impl Introduction {
    pub(super) fn new(own: &Workload, id: &str) -> Self {
        let metadata = BASE64.encode(describe(own, instance(id)).encode_to_vec());
        Self { id: HeaderValue::from_str(id).ok(), metadata: HeaderValue::from_str(&metadata).ok() }
    }

    pub(super) fn set(&self, headers: &mut HeaderMap) {
        for (name, value) in [(ID, &self.id), (METADATA, &self.metadata)] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// The name of the pod: `sidecar~ADDRESS~NAME.NAMESPACE~DOMAIN`.
fn instance(id: &str) -> &str {
    let name = id.split('~').nth(2).unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(name, _)| name)
}

fn describe(own: &Workload, instance: &str) -> Struct {
    let labels = texts(&[
        (CANONICAL_SERVICE, &own.canonical_service),
        (CANONICAL_REVISION, &own.canonical_revision),
        ("app", &own.app),
        ("version", &own.version),
    ]);
    let mut described = texts(&[
        ("NAME", instance),
        ("NAMESPACE", &own.namespace),
        ("WORKLOAD_NAME", &own.name),
        ("CLUSTER_ID", &own.cluster),
    ]);
    described.fields.insert("LABELS".to_owned(), Value { kind: Some(Kind::StructValue(labels)) });
    described
}

/// Those that are not empty.
fn texts(fields: &[(&str, &str)]) -> Struct {
    let known = fields.iter().filter(|(_, text)| !text.is_empty());
    let field =
        |(key, text): &(&str, &str)| ((*key).to_owned(), Value { kind: Some(Kind::StringValue((*text).to_owned())) });
    Struct { fields: known.map(field).collect() }
}

/// Reads the header; none if it is malformed, or says nothing.
pub(super) fn decode(header: &[u8]) -> Option<Workload> {
    let bytes = BASE64.decode(header).ok()?;
    let described = Struct::decode(bytes.as_slice()).ok()?;
    let none = HashMap::new();
    let labels = match described.fields.get("LABELS").and_then(|value| value.kind.as_ref()) {
        Some(Kind::StructValue(labels)) => &labels.fields,
        _ => &none,
    };
    // Owners end in the workload's name: `kubernetes://apis/apps/v1/namespaces/NAMESPACE/deployments/NAME`.
    let owner = text(&described.fields, "OWNER").rsplit('/').next().unwrap_or_default();
    let name = Some(text(&described.fields, "WORKLOAD_NAME")).filter(|name| !name.is_empty()).unwrap_or(owner);
    let workload = Workload {
        name: name.into(),
        namespace: text(&described.fields, "NAMESPACE").into(),
        app: text(labels, "app").into(),
        version: text(labels, "version").into(),
        canonical_service: text(labels, CANONICAL_SERVICE).into(),
        canonical_revision: text(labels, CANONICAL_REVISION).into(),
        cluster: text(&described.fields, "CLUSTER_ID").into(),
    };
    Some(workload).filter(|workload| *workload != Workload::default() && is_short(workload))
}

fn text<'a>(fields: &'a HashMap<String, Value>, key: &str) -> &'a str {
    match fields.get(key).and_then(|value| value.kind.as_ref()) {
        Some(Kind::StringValue(text)) => text,
        _ => "",
    }
}

fn is_short(workload: &Workload) -> bool {
    let Workload { name, namespace, app, version, canonical_service, canonical_revision, cluster } = workload;
    let all = [name, namespace, app, version, canonical_service, canonical_revision, cluster];
    all.iter().all(|text| text.len() <= LONGEST_NAME)
}

/// `WORKLOAD;NAMESPACE;CANONICAL-SERVICE;CANONICAL-REVISION;CLUSTER`, as the control plane describes an endpoint.
pub(super) fn of_endpoint(text: &str) -> Option<Workload> {
    let mut parts = text.split(';');
    let mut part = || parts.next().map(Into::into);
    Some(Workload {
        name: part()?,
        namespace: part()?,
        canonical_service: part()?,
        canonical_revision: part()?,
        cluster: part()?,
        ..Workload::default()
    })
}

/// The workloads that were heard of, by all workers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    admitted: Mutex<FxHashSet<Arc<Workload>>>,
    overflow: Counter,
}

impl Peers {
    /// One `Arc` for the same workload, whoever asks. None: there are too many already.
    pub(super) fn admit(&self, workload: Workload) -> Option<Arc<Workload>> {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = admitted.get(&workload) {
            return Some(known.clone());
        }
        if admitted.len() >= MOST_PEERS {
            return None;
        }
        let workload = Arc::new(workload);
        admitted.insert(workload.clone());
        Some(workload)
    }

    /// Somebody had to be called unknown.
    pub(super) fn overflowed(&self) {
        self.overflow.inc();
    }

    pub(super) fn overflow(&self) -> u64 {
        self.overflow.get()
    }
}

#[cfg(test)]
mod tests;
