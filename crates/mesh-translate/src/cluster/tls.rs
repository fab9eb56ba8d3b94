//! TLS that a proxy opens towards a server, as a DestinationRule asks for it.

use mesh_model::{
    config::{ClientCertificate, ClientTls, StringMatch, TlsOrigination},
    registry::Service,
};

use crate::{
    pb::{
        cluster::{Cluster, cluster},
        core::{self, UpstreamHttpProtocolOptions},
        tls::{
            CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsCertificate, UpstreamTlsContext,
            certificate_validation_context::{SystemRootCerts, TrustChainVerification},
            common_tls_context::ValidationContextType,
            subject_alt_name_matcher::SanType,
        },
    },
    wire::{any, file, string_matcher},
};

/// What TLS makes of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// As it is.
    Plain,
    /// With TLS; and how the server's name is found for each request.
    Tls(Box<core::TransportSocket>, Option<UpstreamHttpProtocolOptions>),
    /// It must not connect, for this reason.
    Refused(String),
}

/// Decides what a policy's TLS makes of a service's cluster.
pub(super) fn decide(tls: Option<&ClientTls>, service: &Service, http2: bool) -> Outcome {
    let (own, origination) = match tls {
        None | Some(ClientTls::Disable) => return Outcome::Plain,
        Some(ClientTls::IstioMutual { .. }) => {
            return Outcome::Refused(
                "ISTIO_MUTUAL is not available yet, and plaintext is not what was asked for".into(),
            );
        }
        Some(ClientTls::Simple(origination)) => (None, origination),
        Some(ClientTls::Mutual(ClientCertificate::Files { certificate, private_key }, origination)) => {
            (Some((certificate, private_key)), origination)
        }
        Some(ClientTls::Mutual(ClientCertificate::Credential, _)) => return no_secrets(),
    };
    if origination.credential.is_some() {
        return no_secrets();
    }
    let certificates = own.map(|(certificate, key)| TlsCertificate {
        certificate_chain: Some(file(certificate)),
        private_key: Some(file(key)),
        ..Default::default()
    });
    let names = match origination.subject_alt_names.is_empty() {
        true => &service.subject_alt_names,
        false => &origination.subject_alt_names,
    };
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificates: certificates.into_iter().collect(),
            alpn_protocols: if http2 { vec!["h2".to_owned()] } else { Vec::new() },
            validation_context_type: Some(ValidationContextType::ValidationContext(validation(origination, names))),
            ..Default::default()
        }),
        sni: origination.sni.clone().unwrap_or_default(),
        ..Default::default()
    };
    let socket = core::TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(&context))),
    };
    let auto = origination.sni.is_none().then(|| UpstreamHttpProtocolOptions {
        auto_sni: true,
        auto_san_validation: names.is_empty() && !origination.insecure_skip_verify,
        ..Default::default()
    });
    Outcome::Tls(Box::new(socket), auto)
}

fn no_secrets() -> Outcome {
    Outcome::Refused("credentialName is not available to sidecars; name files of the proxy instead".into())
}

fn validation(origination: &TlsOrigination, names: &[String]) -> CertificateValidationContext {
    if origination.insecure_skip_verify {
        return CertificateValidationContext {
            trust_chain_verification: TrustChainVerification::AcceptUntrusted as i32,
            ..Default::default()
        };
    }
    let roots = origination.ca_certificates.as_deref().filter(|path| *path != "system");
    let matchers = names.iter().flat_map(|name| {
        // Istio does not say which sort of name is meant; each sort that it issues is tried.
        [SanType::Dns, SanType::Uri, SanType::IpAddress].map(|kind| SubjectAltNameMatcher {
            san_type: kind as i32,
            matcher: Some(string_matcher(&StringMatch::Exact(name.clone()))),
            ..Default::default()
        })
    });
    CertificateValidationContext {
        trusted_ca: roots.map(file),
        system_root_certs: roots.is_none().then(SystemRootCerts::default),
        crl: origination.ca_crl.as_deref().map(file),
        match_typed_subject_alt_names: matchers.collect(),
        ..Default::default()
    }
}

/// Makes a cluster that cannot connect: known, so that routes to it hold, but with nothing behind it.
pub(super) fn refuse(cluster: &mut Cluster) {
    cluster.cluster_discovery_type = Some(cluster::ClusterDiscoveryType::Type(cluster::DiscoveryType::Static as i32));
    cluster.lb_policy = cluster::LbPolicy::RoundRobin as i32;
    cluster.lb_config = None;
    cluster.eds_cluster_config = None;
    cluster.load_assignment = None;
}
