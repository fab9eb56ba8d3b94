//! TLS that a proxy opens towards a server, as a DestinationRule asks for it.

use mesh_model::{
    config::{ClientCertificate, ClientTls, TlsOrigination},
    registry::Service,
};

use crate::{
    names,
    pb::{
        cluster::{Cluster, cluster},
        core::{self, UpstreamHttpProtocolOptions},
        tls::{
            CertificateValidationContext, CommonTlsContext, TlsCertificate, UpstreamTlsContext,
            certificate_validation_context::{SystemRootCerts, TrustChainVerification},
            common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
        },
    },
    wire::{any, file, names_of_peers, sds},
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
///
/// `secrets` tells whether pilot may send the proxy what a `credentialName` means.
pub(super) fn decide(tls: Option<&ClientTls>, service: &Service, http2: bool, secrets: bool) -> Outcome {
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
        Some(ClientTls::Mutual(ClientCertificate::Credential, origination)) => (None, origination),
    };
    if origination.credential.is_some() && !secrets {
        return Outcome::Refused(
            "credentialName is for gateways, and for sidecars that a DestinationRule selects by workloadSelector; name \
             files of the proxy instead"
                .into(),
        );
    }
    let is_mutual = matches!(tls, Some(ClientTls::Mutual(..)));
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
            tls_certificate_sds_secret_configs: origination
                .credential
                .iter()
                .filter(|_| is_mutual)
                .map(|name| sds(&names::secret(name)))
                .collect(),
            alpn_protocols: if http2 { vec!["h2".to_owned()] } else { Vec::new() },
            validation_context_type: Some(validation(origination, names)),
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

fn validation(origination: &TlsOrigination, names: &[String]) -> ValidationContextType {
    if origination.insecure_skip_verify {
        return ValidationContextType::ValidationContext(CertificateValidationContext {
            trust_chain_verification: TrustChainVerification::AcceptUntrusted as i32,
            ..Default::default()
        });
    }
    let matchers = names_of_peers(names);
    if let Some(name) = &origination.credential {
        return ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
            default_validation_context: Some(CertificateValidationContext {
                match_typed_subject_alt_names: matchers,
                ..Default::default()
            }),
            validation_context_sds_secret_config: Some(sds(&names::secret_of_roots(name))),
            ..Default::default()
        });
    }
    let roots = origination.ca_certificates.as_deref().filter(|path| *path != "system");
    ValidationContextType::ValidationContext(CertificateValidationContext {
        trusted_ca: roots.map(file),
        system_root_certs: roots.is_none().then(SystemRootCerts::default),
        crl: origination.ca_crl.as_deref().map(file),
        match_typed_subject_alt_names: matchers,
        ..Default::default()
    })
}

/// Makes a cluster that cannot connect: known, so that routes to it hold, but with nothing behind it.
pub(super) fn refuse(cluster: &mut Cluster) {
    cluster.cluster_discovery_type = Some(cluster::ClusterDiscoveryType::Type(cluster::DiscoveryType::Static as i32));
    cluster.lb_policy = cluster::LbPolicy::RoundRobin as i32;
    cluster.lb_config = None;
    cluster.eds_cluster_config = None;
    cluster.load_assignment = None;
}
