//! TLS that a gateway ends: whose certificate it shows, and which it asks for.
//!
//! <https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings>

use std::time::Duration;

use mesh_model::config::{ServerCertificate, ServerTls, ServerTlsMode, TlsVersion};

use crate::{
    names,
    pb::{
        core,
        listener::FilterChain,
        tls::{
            CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, TlsCertificate, TlsParameters,
            common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
            tls_parameters::TlsProtocol,
        },
    },
    wire::{any, duration, file, flag, names_of_peers, sds},
};

/// How long a client may take to open TLS; Istio's value.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// What ends TLS on a chain that carries requests.
pub(super) const HTTP: [&str; 2] = ["h2", "http/1.1"];

/// Why a server cannot open the connections that it takes.
pub(super) fn refusal(tls: &ServerTls) -> Option<&'static str> {
    (tls.mode == ServerTlsMode::IstioMutual)
        .then_some("ISTIO_MUTUAL is not available yet, and nothing less is what was asked for")
}

/// Makes a chain end TLS. `protocols` are offered to clients, the best first.
pub(super) fn end(chain: &mut FilterChain, tls: &ServerTls, protocols: &[&str]) {
    let context = DownstreamTlsContext {
        common_tls_context: Some(common(tls, protocols)),
        require_client_certificate: flag(matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::IstioMutual)),
        ..Default::default()
    };
    chain.transport_socket = Some(core::TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(&context))),
    });
    chain.transport_socket_connect_timeout = Some(duration(HANDSHAKE));
}

fn common(tls: &ServerTls, protocols: &[&str]) -> CommonTlsContext {
    let mut common = CommonTlsContext {
        tls_params: Some(TlsParameters {
            tls_minimum_protocol_version: tls.min_version.map_or(TlsProtocol::TlSv12, version) as i32,
            tls_maximum_protocol_version: tls.max_version.map_or(TlsProtocol::TlsAuto, version) as i32,
            cipher_suites: tls.cipher_suites.clone(),
            ..Default::default()
        }),
        alpn_protocols: protocols.iter().map(|&word| word.to_owned()).collect(),
        ..Default::default()
    };
    match &tls.certificate {
        _ if refusal(tls).is_some() => {
            // A secret that nobody sends: clients cannot open the connection, the rest of the listener stands.
            common.tls_certificate_sds_secret_configs = vec![sds(names::NO_SECRET)];
            return common;
        }
        Some(ServerCertificate::Credential(name)) => {
            common.tls_certificate_sds_secret_configs = vec![sds(&names::secret(name))];
        }
        Some(ServerCertificate::Files { certificate, private_key }) => {
            common.tls_certificates = vec![TlsCertificate {
                certificate_chain: Some(file(certificate)),
                private_key: Some(file(private_key)),
                ..Default::default()
            }];
        }
        None => {}
    }
    if matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual) {
        common.validation_context_type = Some(validation(tls));
    }
    common
}

fn validation(tls: &ServerTls) -> ValidationContextType {
    let own = CertificateValidationContext {
        trusted_ca: tls.ca_certificates.as_deref().map(file),
        crl: tls.ca_crl.as_deref().map(file),
        match_typed_subject_alt_names: names_of_peers(&tls.subject_alt_names),
        verify_certificate_spki: tls.verify_spki.clone(),
        verify_certificate_hash: tls.verify_hash.clone(),
        ..Default::default()
    };
    match &tls.certificate {
        Some(ServerCertificate::Credential(name)) => {
            ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
                default_validation_context: Some(own),
                validation_context_sds_secret_config: Some(sds(&names::secret_of_roots(name))),
                ..Default::default()
            })
        }
        _ => ValidationContextType::ValidationContext(own),
    }
}

fn version(version: TlsVersion) -> TlsProtocol {
    match version {
        TlsVersion::V1_0 => TlsProtocol::TlSv10,
        TlsVersion::V1_1 => TlsProtocol::TlSv11,
        TlsVersion::V1_2 => TlsProtocol::TlSv12,
        TlsVersion::V1_3 => TlsProtocol::TlSv13,
    }
}
