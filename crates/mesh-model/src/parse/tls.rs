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
    let cipher_suites = cipher_suites(&given.cipher_suites, &at.field("cipherSuites"));
    check_hashes(given, at);
    check_secret_name(&given.credential_name, &at.field("credentialName"));
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
            at.field("mode").warn(
                "this version has no mutual TLS between workloads, nobody can connect to the server",
                "set mode to MUTUAL, with certificates of your own",
            );
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
        cipher_suites,
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

/// Suites that Istio lets through, by OpenSSL's words.
const CIPHER_SUITES: [&str; 15] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

/// Each suite once. One that no proxy knows would cost the whole listener.
fn cipher_suites(given: &[String], at: &At<'_>) -> Vec<String> {
    let mut suites: Vec<String> = Vec::new();
    for (index, suite) in given.iter().enumerate() {
        if !CIPHER_SUITES.contains(&suite.as_str()) {
            at.index(index).warn(format!("`{suite}` is no cipher suite, it is left out"), "use a word of OpenSSL");
        } else if !suites.contains(suite) {
            suites.push(suite.clone());
        }
    }
    suites
}

/// Envoy refuses a listener for a hash that is none.
fn check_hashes(given: &server::ServerTlsSettings, at: &At<'_>) {
    let is_base64 = |hash: &str| {
        let body = hash.strip_suffix('=').unwrap_or_default();
        body.len() == 43 && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
    };
    let is_hex = |hash: &str| {
        let digits: Vec<u8> = hash.bytes().filter(|b| *b != b':').collect();
        digits.len() == 64 && [64, 95].contains(&hash.len()) && digits.iter().all(u8::is_ascii_hexdigit)
    };
    let spki = at.field("verifyCertificateSpki");
    for (index, hash) in given.verify_certificate_spki.iter().enumerate().filter(|(_, hash)| !is_base64(hash)) {
        spki.index(index).error(format!("`{hash}` is no SHA-256 hash in base64"), "write 44 characters of base64");
    }
    let whole = at.field("verifyCertificateHash");
    for (index, hash) in given.verify_certificate_hash.iter().enumerate().filter(|(_, hash)| !is_hex(hash)) {
        whole.index(index).error(format!("`{hash}` is no SHA-256 hash in hex"), "write 64 digits, perhaps with colons");
    }
}

/// The name of a Secret, or one with a namespace as references of the Gateway API become.
fn check_secret_name(name: &str, at: &At<'_>) {
    let path =
        name.strip_prefix("kubernetes-gateway://").or_else(|| name.strip_prefix("kubernetes://")).unwrap_or(name);
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let is_name = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    let fits = match path.split_once('/') {
        Some((namespace, secret)) => path.len() < name.len() && is_name(namespace) && is_name(secret),
        None => is_name(path),
    };
    if !name.is_empty() && !fits {
        at.error(format!("`{name}` is no name of a Secret"), "write the name of a Secret in the gateway's namespace");
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
