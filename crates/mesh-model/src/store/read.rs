//! Resources of galley, read into changes of the store.

use mesh_proto::{Any, UnpackError, mcp, registry as wire, type_url, unpack};

use super::{Change, Record, RecordKind};
use crate::{
    config::Kind,
    issue::Issue,
    parse::{ParseContext, parse, parse_mesh},
    registry::{Endpoints, RecordError, Service, Workload},
};

/// Why a resource could not be read. The sender's fault; the record that was there before stays.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A type URL that the store has no shelf for.
    #[error("nothing of type `{0}` is kept here")]
    Type(String),
    /// The body is another message, or none.
    #[error("`{name}` does not hold what its type says")]
    Body {
        /// Of the resource.
        name: String,
        /// What is wrong with it.
        source: UnpackError,
    },
    /// The message makes no sense.
    #[error("the record `{name}` makes no sense")]
    Record {
        /// Of the resource.
        name: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// An object's text is no JSON.
    #[error("`{name}` is no JSON")]
    Json {
        /// Of the resource.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An object that galley would have refused.
    #[error("`{name}` is refused: {}", issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused {
        /// Of the resource.
        name: String,
        /// Everything that is wrong with it.
        issues: Vec<Issue>,
    },
}

/// The sort of record of each type URL of the registry.
const REGISTRY: [(&str, RecordKind); 6] = [
    (type_url::SERVICE, RecordKind::Service),
    (type_url::ENDPOINTS, RecordKind::Endpoints),
    (type_url::WORKLOAD, RecordKind::Workload),
    (type_url::NAMESPACE, RecordKind::Namespace),
    (type_url::REGISTRY_SECRET, RecordKind::Secret),
    (type_url::MESH_CONFIG, RecordKind::Mesh),
];

/// The kinds of configuration that pilot asks for.
const CONFIG: [Kind; 15] = [
    Kind::VirtualService,
    Kind::DestinationRule,
    Kind::Gateway,
    Kind::ServiceEntry,
    Kind::Sidecar,
    Kind::WorkloadEntry,
    Kind::WorkloadGroup,
    Kind::PeerAuthentication,
    Kind::Telemetry,
    Kind::GatewayClass,
    Kind::KubernetesGateway,
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::ReferenceGrant,
];

/// Every type that pilot subscribes to at galley, in the order to ask for them.
pub fn type_urls() -> Vec<String> {
    let config = CONFIG.iter().map(|kind| type_url::config(kind.group(), kind.version(), kind.word()));
    REGISTRY.iter().map(|(url, _)| (*url).to_owned()).chain(config).collect()
}

/// What a type URL names.
fn kind_of(type_url: &str) -> Result<RecordKind, ReadError> {
    let registry = REGISTRY.iter().find(|(url, _)| *url == type_url).map(|(_, kind)| *kind);
    let config = || {
        let mut parts = type_url.split('/');
        let (group, _version, word) = (parts.next()?, parts.next()?, parts.next()?);
        Kind::find(group, word).map(RecordKind::Config)
    };
    registry.or_else(config).ok_or_else(|| ReadError::Type(type_url.to_owned()))
}

/// The step that a discovered resource means; `None` as its body: it is no more.
///
/// # Errors
/// The type is unknown, or the body is not what its type says.
pub fn read(type_url: &str, name: &str, body: Option<&Any>) -> Result<Change, ReadError> {
    let kind = kind_of(type_url)?;
    let Some(body) = body else { return Ok(Change::Remove { kind, name: name.into() }) };
    let wrong_body = |source| ReadError::Body { name: name.to_owned(), source };
    let wrong_record = |source| ReadError::Record { name: name.to_owned(), source };
    let json =
        |text: &str| serde_json::from_str(text).map_err(|source| ReadError::Json { name: name.to_owned(), source });
    let refused = |issues| ReadError::Refused { name: name.to_owned(), issues };
    let context = ParseContext::default();
    let record = match kind {
        RecordKind::Service => {
            let record = unpack::<wire::Service>(body).map_err(wrong_body)?;
            Record::Service(Service::try_from(&record).map_err(wrong_record)?)
        }
        RecordKind::Endpoints => {
            let record = unpack::<wire::Endpoints>(body).map_err(wrong_body)?;
            Record::Endpoints(Endpoints::try_from(&record).map_err(wrong_record)?)
        }
        RecordKind::Workload => {
            let record = unpack::<wire::Workload>(body).map_err(wrong_body)?;
            Record::Workload(Workload::try_from(&record).map_err(wrong_record)?)
        }
        RecordKind::Namespace => Record::Namespace((&unpack::<wire::Namespace>(body).map_err(wrong_body)?).into()),
        RecordKind::Secret => Record::Secret(unpack::<wire::Secret>(body).map_err(wrong_body)?.into()),
        RecordKind::Mesh => {
            let text = unpack::<wire::MeshConfig>(body).map_err(wrong_body)?.json;
            Record::Mesh(Box::new(parse_mesh(&json(&text)?, &context).map_err(refused)?.config))
        }
        RecordKind::Config(_) => {
            let text = unpack::<mcp::ConfigObject>(body).map_err(wrong_body)?.json;
            Record::Config(parse(&json(&text)?, &context).map_err(refused)?.config)
        }
    };
    Ok(Change::put(name, record))
}
