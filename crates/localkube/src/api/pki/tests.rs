use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{Authority, TokenKey};

#[test]
fn server_certificate_covers_the_usual_names_and_those_given() {
    let authority = Authority::generate("kubernetes").unwrap();
    let extra = "192.0.2.7".parse().unwrap();
    let identity = authority.server(&["api.example".to_owned()], &[extra]).unwrap();
    authority.server_config(&identity).unwrap();
    let der = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let names = &certificate.subject_alternative_name().unwrap().unwrap().value.general_names;
    for name in ["kubernetes.default.svc.cluster.local", "localhost", "api.example"] {
        assert!(names.contains(&GeneralName::DNSName(name)), "{name} missing in {names:?}");
    }
    for address in [[127, 0, 0, 1], [10, 96, 0, 1], [172, 18, 0, 2], [192, 0, 2, 7]] {
        assert!(names.contains(&GeneralName::IPAddress(&address)), "{address:?} missing in {names:?}");
    }
}

#[test]
fn token_key_coordinates_are_32_bytes_each() {
    let (x, y) = TokenKey::generate().unwrap().coordinates();
    assert_eq!((x.len(), y.len()), (43, 43));
    assert_ne!(x, y);
}
