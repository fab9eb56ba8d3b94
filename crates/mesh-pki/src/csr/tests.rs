use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension};

use super::{Csr, CsrError, request};
use crate::{Key, KeyKind};

fn id() -> mesh_types::SpiffeId {
    "spiffe://cluster.local/ns/a/sa/b".parse().unwrap()
}

#[test]
fn a_request_is_read_as_it_was_built() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let key = Key::generate(kind).unwrap();
        let csr = Csr::parse(&request(&key, &id()).unwrap()).unwrap();
        assert_eq!(csr.names.uris, [id().to_string()], "{kind:?}");
        assert!(csr.names.dns.is_empty());
    }
}

/// What other agents send: extensions that we do not know must not be in the way.
#[test]
fn an_unknown_extension_is_ignored() {
    let key = Key::generate(KeyKind::P256).unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]));
    let csr = params.serialize_request(&key.pair).unwrap().pem().unwrap();
    assert_eq!(Csr::parse(&csr).unwrap().names.dns, ["a.example"]);
}

#[test]
fn a_broken_signature_is_refused() {
    let key = Key::generate(KeyKind::P256).unwrap();
    let mut der = {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.serialize_request(&key.pair).unwrap().der().to_vec()
    };
    let last = der.len() - 1;
    der[last] ^= 1;
    let text = crate::pem_encode("CERTIFICATE REQUEST", &der);
    assert!(matches!(Csr::parse(&text), Err(CsrError::Signature)));
}

#[test]
fn weak_keys_are_refused() {
    let made = std::process::Command::new("openssl")
        .args(["req", "-new", "-newkey", "rsa:1024", "-nodes", "-subj", "/", "-keyout", "/dev/null"])
        .output();
    let Ok(made) = made else {
        eprintln!("not run: openssl is not installed");
        return;
    };
    let error = Csr::parse(&String::from_utf8(made.stdout).unwrap()).unwrap_err();
    assert!(matches!(error, CsrError::Key | CsrError::Signature), "{error}");
}

proptest! {
    #[test]
    fn noise_is_refused_without_a_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Csr::parse(&crate::pem_encode("CERTIFICATE REQUEST", &noise)).is_err());
    }
}
