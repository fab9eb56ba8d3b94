//! TLS of clients and of servers.

use istio_api::{gateway as server, traffic_policy as client};

use super::{at::At, words::said};
use crate::config::{
    ClientCertificate, ClientTls, ServerCertificate, ServerTls, ServerTlsMode, TlsOrigination, TlsVersion,
};

pub(super) fn client_tls(given: &client::ClientTlsSettings, at: &At<'_>) -> Option<ClientTls> {
    use client::ClientTlsMode as Mode;
    let files = [
        ("clientCertificate", &given.client_certificate),
        ("privateKey", &given.private_key),
        ("caCertificates", &given.ca_certificates),
    ];
    let refuse = |fields: &[(&str, &String)], why: &str, way_out: &str| {
        for (field, _) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            at.field(field).error(format!("{field} {why}"), way_out);
        }
    };
    if !given.credential_name.is_empty() {
        refuse(&files, "and credentialName both say where certificates are", "keep the files or the secret");
        if !given.ca_crl.is_empty() {
            at.field("caCrl").error("the secret holds the list of revoked certificates", "put it there as ca.crl");
        }
    }
    let skips = given.insecure_skip_verify.unwrap_or(false);
    if skips && (!given.ca_certificates.is_empty() || !given.subject_alt_names.is_empty()) {
        at.field("insecureSkipVerify").error(
            "the server's certificate is both looked at and not",
            "remove insecureSkipVerify, or caCertificates and subjectAltNames",
        );
    }
    let origination = || TlsOrigination {
        credential: said(&given.credential_name),
        ca_certificates: said(&given.ca_certificates),
        ca_crl: said(&given.ca_crl),
        subject_alt_names: given.subject_alt_names.clone(),
        sni: said(&given.sni),
        insecure_skip_verify: skips,
    };
    match given.mode {
        Mode::Disable => Some(ClientTls::Disable),
        Mode::Simple => {
            let own = &files[..2];
            refuse(own, "is not used: the client shows no certificate", "set mode to MUTUAL, or remove it");
            Some(ClientTls::Simple(origination()))
        }
        Mode::Mutual if !given.credential_name.is_empty() => {
            Some(ClientTls::Mutual(ClientCertificate::Credential, origination()))
        }
        Mode::Mutual => {
            for (field, _) in files[..2].iter().filter(|(_, value)| value.is_empty()) {
                at.field(field).error(format!("mutual TLS needs {field}"), "set it, or credentialName");
            }
            let certificate = ClientCertificate::Files {
                certificate: given.client_certificate.clone(),
                private_key: given.private_key.clone(),
            };
            Some(ClientTls::Mutual(certificate, origination()))
        }
        Mode::IstioMutual => {
            refuse(&files, "is not used: the mesh has its own certificates", "remove it, or set mode to MUTUAL");
            at.field("mode").warn(
                "this version has no mutual TLS between workloads, calls of this host will fail",
                "remove the tls block until it has",
            );
            Some(ClientTls::IstioMutual { sni: said(&given.sni), subject_alt_names: given.subject_alt_names.clone() })
        }
    }
}

pub(super) fn server_tls(given: &server::ServerTlsSettings, at: &At<'_>) -> ServerTls {
    check_versions(given, at);
    let mode = mode(given.mode);
    let names = [
        ("serverCertificate", &given.server_certificate),
        ("privateKey", &given.private_key),
        ("caCertificates", &given.ca_certificates),
        ("credentialName", &given.credential_name),
        ("caCrl", &given.ca_crl),
    ];
    let set = || names.iter().filter(|(_, value)| !value.is_empty());
    match mode {
        ServerTlsMode::IstioMutual => {
            for (field, _) in set() {
                at.field(field).error(format!("{field} is not used: the mesh has its own certificates"), "remove it");
            }
        }
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough => {
            for (field, _) in set() {
                at.field(field).warn(format!("{field} is not used: the connection is not opened"), "remove it");
            }
        }
        ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual => {
            check_certificates(given, mode, at);
        }
    }
    let certificate = match (said(&given.credential_name), given.server_certificate.is_empty()) {
        (Some(secret), _) => Some(ServerCertificate::Credential(secret)),
        (None, true) => None,
        (None, false) => Some(ServerCertificate::Files {
            certificate: given.server_certificate.clone(),
            private_key: given.private_key.clone(),
        }),
    };
    ServerTls {
        https_redirect: given.https_redirect,
        mode,
        certificate,
        ca_certificates: said(&given.ca_certificates),
        ca_crl: said(&given.ca_crl),
        subject_alt_names: given.subject_alt_names.clone(),
        verify_spki: given.verify_certificate_spki.clone(),
        verify_hash: given.verify_certificate_hash.clone(),
        min_version: version(given.min_protocol_version),
        max_version: version(given.max_protocol_version),
        cipher_suites: given.cipher_suites.clone(),
    }
}

fn check_certificates(given: &server::ServerTlsSettings, mode: ServerTlsMode, at: &At<'_>) {
    if !given.credential_name.is_empty() {
        if !given.ca_crl.is_empty() {
            at.field("caCrl").error("the secret holds the list of revoked certificates", "put it there as ca.crl");
        }
        return;
    }
    let simple = mode == ServerTlsMode::Simple;
    let needed = [
        ("serverCertificate", given.server_certificate.is_empty()),
        ("privateKey", given.private_key.is_empty()),
        ("caCertificates", !simple && given.ca_certificates.is_empty()),
    ];
    for (field, _) in needed.iter().filter(|(_, missing)| *missing) {
        at.field(field).error(format!("this mode needs {field}"), "set it, or credentialName");
    }
    if simple && !given.ca_crl.is_empty() {
        at.field("caCrl")
            .error("clients show no certificate that could be revoked", "set mode to MUTUAL, or remove it");
    }
}

fn check_versions(given: &server::ServerTlsSettings, at: &At<'_>) {
    use server::TlsProtocol as Version;
    if matches!(given.min_protocol_version, Version::TlsV1_0 | Version::TlsV1_1) && given.cipher_suites.is_empty() {
        at.field("minProtocolVersion")
            .warn("versions below 1.2 share no cipher suite of the default", "set cipherSuites");
    }
    let (min, max) = (version(given.min_protocol_version), version(given.max_protocol_version));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        at.field("maxProtocolVersion").error("it lies below minProtocolVersion", "exchange the two");
    }
}

fn mode(mode: server::ServerTlsMode) -> ServerTlsMode {
    match mode {
        server::ServerTlsMode::Passthrough => ServerTlsMode::Passthrough,
        server::ServerTlsMode::Simple => ServerTlsMode::Simple,
        server::ServerTlsMode::Mutual => ServerTlsMode::Mutual,
        server::ServerTlsMode::AutoPassthrough => ServerTlsMode::AutoPassthrough,
        server::ServerTlsMode::IstioMutual => ServerTlsMode::IstioMutual,
        server::ServerTlsMode::OptionalMutual => ServerTlsMode::OptionalMutual,
    }
}

fn version(version: server::TlsProtocol) -> Option<TlsVersion> {
    match version {
        server::TlsProtocol::TlsAuto => None,
        server::TlsProtocol::TlsV1_0 => Some(TlsVersion::V1_0),
        server::TlsProtocol::TlsV1_1 => Some(TlsVersion::V1_1),
        server::TlsProtocol::TlsV1_2 => Some(TlsVersion::V1_2),
        server::TlsProtocol::TlsV1_3 => Some(TlsVersion::V1_3),
    }
}
