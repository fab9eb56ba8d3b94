//! TLS: what is shown to the other end of a connection, and who may be there.
//!
//! ```text
//!   transport_socket ─ parse ─► ServerRules | ClientRules ─┐
//!   Secret (SDS), file, machine's roots ─► Vault ──────────┴─ Store::build ─► ServerTls | ClientTls, ready to shake hands
//! ```
//!
//! Rules are read once. What they speak of by name may come later, and may change: then they are made ready anew, and
//! the next handshake uses that. Until all of it is there, handshakes fail, and nothing else does.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto>

mod client;
mod material;
mod parameters;
mod peer;
mod server;
mod validation;
mod verify;

use std::fmt;

use mesh_proto::envoy::envoy::{
    config::core::v3::{self as core, transport_socket::ConfigType},
    extensions::transport_sockets::tls::v3 as pb,
};
use prost::Name;

pub(crate) use self::{
    client::ClientRules,
    material::{Materials, Vault, parse_secret},
    server::ServerRules,
};
pub use self::{
    client::{ClientTls, Speaks},
    material::Origin,
    peer::PeerFacts,
    server::ServerTls,
    verify::Distrust,
};
use self::{
    material::{CertificateSource, secret_name},
    parameters::Parameters,
    validation::ValidationSource,
};
use crate::{
    refusal::{At, Bad},
    take::{ensure, nothing_left, type_name, typed},
};

/// Why no handshake can begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(String);

impl NotReady {
    fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// What both ends are told.
#[derive(Debug)]
struct Common {
    parameters: Parameters,
    certificates: Vec<CertificateSource>,
    validation: Option<ValidationSource>,
    protocols: Vec<Vec<u8>>,
}

impl Common {
    fn parse(message: Option<pb::CommonTlsContext>) -> Result<Self, Bad> {
        use pb::common_tls_context::ValidationContextType as V;
        let mut message = message.unwrap_or_default();
        let parameters = Parameters::parse(message.tls_params.take()).at("tls_params")?;
        let mut certificates = Vec::new();
        for (i, certificate) in std::mem::take(&mut message.tls_certificates).into_iter().enumerate() {
            certificates.push(CertificateSource::parse(certificate).at_index("tls_certificates", i)?);
        }
        for (i, config) in std::mem::take(&mut message.tls_certificate_sds_secret_configs).into_iter().enumerate() {
            let name = secret_name(config).at_index("tls_certificate_sds_secret_configs", i)?;
            certificates.push(CertificateSource::Named(name));
        }
        let validation = match message.validation_context_type.take() {
            None => None,
            Some(V::ValidationContext(context)) => {
                Some(ValidationSource::parse(Some(context), None).at("validation_context")?)
            }
            Some(V::ValidationContextSdsSecretConfig(config)) => {
                Some(ValidationSource::parse(None, Some(config)).at("validation_context_sds_secret_config")?)
            }
            Some(V::CombinedValidationContext(mut combined)) => {
                let parts =
                    (combined.default_validation_context.take(), combined.validation_context_sds_secret_config.take());
                nothing_left(&combined).at("combined_validation_context")?;
                Some(ValidationSource::parse(parts.0, parts.1).at("combined_validation_context")?)
            }
            Some(_) => return Err(Bad::new("validation_context_type", "is of a kind that is not supported")),
        };
        let protocols = std::mem::take(&mut message.alpn_protocols).into_iter().map(String::into_bytes).collect();
        nothing_left(&message)?;
        Ok(Self { parameters, certificates, validation, protocols })
    }

    /// Everything outside of the resource that it speaks of.
    fn origins(&self) -> impl Iterator<Item = &Origin> {
        let certificates = self.certificates.iter().flat_map(CertificateSource::origins);
        certificates.chain(self.validation.iter().flat_map(ValidationSource::origins))
    }
}

/// The TLS context of a transport socket; none is plain bytes. Anything else is refused, never sent in the clear.
pub(crate) fn context<M: Name + Default>(socket: Option<core::TransportSocket>) -> Result<Option<M>, Bad> {
    const RAW: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    let Some(socket) = socket else { return Ok(None) };
    match &socket.config_type {
        None => {
            ensure(socket.name == "envoy.transport_sockets.raw_buffer", "typed_config", "is missing")?;
            Ok(None)
        }
        Some(ConfigType::TypedConfig(any)) if type_name(any) == RAW => Ok(None),
        Some(ConfigType::TypedConfig(any)) if type_name(any) == M::full_name() => typed(any).map(Some),
        Some(ConfigType::TypedConfig(any)) => {
            Err(Bad::new("typed_config", format!("`{}` is not supported", type_name(any))))
        }
    }
}

#[cfg(test)]
mod tests;
