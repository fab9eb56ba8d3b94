use std::{
    fs,
    process::Command,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;

use super::{Authority, AuthorityError, AuthorityParts, Grant, IssueError};
use crate::{Csr, Key, KeyKind, TrustBundle, WorkloadCert, csr};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> SystemTime {
    SystemTime::now()
}

fn id() -> mesh_types::SpiffeId {
    "spiffe://cluster.local/ns/a/sa/b".parse().unwrap()
}

fn grant() -> Grant {
    Grant { id: id(), dns_names: Vec::new(), lifetime: DAY }
}

#[test]
fn a_generated_root_is_loaded_again_from_its_texts() {
    let made = Authority::generate("cluster.local", now()).unwrap();
    let (certificate, key) = (made.certificate_pem(), made.key_pem().to_owned());
    let parts = AuthorityParts { certificate: &certificate, key: &key, ..Default::default() };
    let loaded = Authority::load(parts, now()).unwrap();
    assert_eq!(loaded.roots(), made.roots());
    assert_eq!(loaded.not_after(), made.not_after());
    let other = Authority::generate("cluster.local", now()).unwrap();
    let wrong = AuthorityParts { key: other.key_pem(), ..parts };
    assert!(matches!(Authority::load(wrong, now()), Err(AuthorityError::KeyMismatch(_))));
    assert!(matches!(Authority::load(parts, made.not_after()), Err(AuthorityError::Expired)));
}

#[test]
fn a_workloads_certificate_is_no_authority() {
    let authority = Authority::generate("cluster.local", now()).unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let csr = Csr::parse(&csr::request(&key, &id()).unwrap()).unwrap();
    let issued = authority.issue(&csr, &grant(), now()).unwrap();
    let parts = AuthorityParts { certificate: &issued.chain[0], key: &key.to_pem(), ..Default::default() };
    assert!(matches!(Authority::load(parts, now()), Err(AuthorityError::NotAuthority)));
}

#[test]
fn the_requests_names_may_only_agree() {
    let authority = Authority::generate("cluster.local", now()).unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let other = "spiffe://cluster.local/ns/a/sa/other".parse().unwrap();
    let theirs = Csr::parse(&csr::request(&key, &other).unwrap()).unwrap();
    let error = authority.issue(&theirs, &grant(), now()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the signing request asks for `spiffe://cluster.local/ns/a/sa/other`, the caller is \
         `spiffe://cluster.local/ns/a/sa/b`"
    );
    let dns = rcgen::CertificateParams::new(vec!["istiod.istio-system.svc".to_owned()]).unwrap();
    let text = dns.serialize_request(&key.pair).unwrap().pem().unwrap();
    let dns = Csr::parse(&text).unwrap();
    assert!(matches!(authority.issue(&dns, &grant(), now()), Err(IssueError::OtherName { .. })));
    let granted = Grant { dns_names: vec!["istiod.istio-system.svc".to_owned()], ..grant() };
    authority.issue(&dns, &granted, now()).unwrap();
}

#[test]
fn nothing_outlives_its_authority() {
    let authority = Authority::generate("cluster.local", now()).unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let csr = Csr::parse(&csr::request(&key, &id()).unwrap()).unwrap();
    let late = authority.not_after() - Duration::from_secs(60);
    let issued = authority.issue(&csr, &grant(), late).unwrap();
    let cert = WorkloadCert::parse(&issued.chain.concat(), &key, &id(), authority.roots(), late).unwrap();
    assert_eq!(cert.not_after(), authority.not_after());
    let after = authority.issue(&csr, &grant(), authority.not_after());
    assert!(matches!(after, Err(IssueError::AuthorityExpired)));
}

/// Everything that openssl says about a chain is said by a program that shares no code with us.
#[test]
fn openssl_agrees() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let authority = Authority::generate("cluster.local", now()).unwrap();
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let key = Key::generate(kind).unwrap();
        let csr = Csr::parse(&csr::request(&key, &id()).unwrap()).unwrap();
        let granted = Grant { dns_names: vec!["pilot.istio-system.svc".to_owned()], ..grant() };
        let issued = authority.issue(&csr, &granted, now()).unwrap();
        fs::write(path("root.pem"), &issued.roots).unwrap();
        fs::write(path("leaf.pem"), &issued.chain[0]).unwrap();
        for purpose in ["sslserver", "sslclient"] {
            let verify = Command::new("openssl")
                .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"])
                .args([path("root.pem"), path("leaf.pem")])
                .output();
            let Ok(verify) = verify else {
                eprintln!("not run: openssl is not installed");
                return;
            };
            assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
        }
        let text = Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(path("leaf.pem")).output();
        let text = String::from_utf8(text.unwrap().stdout).unwrap();
        for expected in [
            "Subject: \n",
            "X509v3 Subject Alternative Name: critical",
            "URI:spiffe://cluster.local/ns/a/sa/b",
            "DNS:pilot.istio-system.svc",
            "Digital Signature, Key Encipherment",
            "TLS Web Server Authentication, TLS Web Client Authentication",
            "CA:FALSE",
            "X509v3 Authority Key Identifier",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}

/// A plugged-in authority (`cacerts`): a root of openssl's vouches for an intermediate of openssl's.
#[test]
fn an_intermediate_authority_sends_its_chain() {
    let directory = tempfile::tempdir().unwrap();
    let script = "set -e; \
        openssl ecparam -name prime256v1 -genkey -noout -out root.key; \
        openssl req -x509 -new -key root.key -subj /O=Root -days 30 -out root.pem; \
        openssl genrsa -traditional -out ca.key 2048; \
        openssl req -new -key ca.key -subj /O=Intermediate -out ca.csr; \
        printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign\\nsubjectKeyIdentifier=hash\\n' > e; \
        openssl x509 -req -in ca.csr -CA root.pem -CAkey root.key -CAcreateserial -days 20 -extfile e -out ca.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(directory.path()).output().unwrap();
    if !made.status.success() {
        eprintln!("not run: openssl is not installed: {}", String::from_utf8_lossy(&made.stderr));
        return;
    }
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let (certificate, key_text, roots) = (read("ca.pem"), read("ca.key"), read("root.pem"));
    let parts = AuthorityParts { certificate: &certificate, key: &key_text, chain: "", roots: &roots };
    let authority = Authority::load(parts, now()).unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let csr = Csr::parse(&csr::request(&key, &id()).unwrap()).unwrap();
    let issued = authority.issue(&csr, &grant(), now()).unwrap();
    assert_eq!(issued.chain.len(), 2);
    let bundle = TrustBundle::parse(&issued.roots).unwrap();
    WorkloadCert::parse(&issued.chain.concat(), &key, &id(), &bundle, now()).unwrap();
    WorkloadCert::parse(&issued.chain[0], &key, &id(), &bundle, now()).unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_issued_is_what_was_granted(
        namespace in "[a-z][a-z0-9-]{0,20}", account in "[a-z][a-z0-9.-]{0,20}", seconds in 300u64..10_000_000,
    ) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let authority = Authority::generate("td", at).unwrap();
        let id = mesh_types::SpiffeId::new("td", &namespace, &account).unwrap();
        let key = Key::generate(KeyKind::P256).unwrap();
        let csr = Csr::parse(&csr::request(&key, &id).unwrap()).unwrap();
        let grant = Grant { id: id.clone(), dns_names: vec!["x.y".to_owned()], lifetime: Duration::from_secs(seconds) };
        let issued = authority.issue(&csr, &grant, at).unwrap();
        let cert = WorkloadCert::parse(&issued.chain.concat(), &key, &id, authority.roots(), at).unwrap();
        prop_assert_eq!(cert.id(), &id);
        prop_assert_eq!(cert.dns_names(), &grant.dns_names[..]);
        prop_assert_eq!(cert.not_after(), at + grant.lifetime);
        prop_assert!(cert.not_before() < at);
        let late = WorkloadCert::parse(&issued.chain.concat(), &key, &id, authority.roots(), cert.not_after() + grant.lifetime);
        prop_assert!(late.is_err());
    }
}
