use rcgen::{CertificateParams, KeyPair, SanType};

use super::{NamesError, identity_of};

fn certificate(uris: &[&str]) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

#[test]
fn a_certificate_names_one_workload_or_none() {
    let id = "spiffe://cluster.local/ns/a/sa/b";
    assert_eq!(identity_of(&certificate(&[id])).unwrap().to_string(), id);
    assert!(matches!(identity_of(&certificate(&[])), Err(NamesError::NotOneUri(0))));
    assert!(matches!(identity_of(&certificate(&[id, id])), Err(NamesError::NotOneUri(2))));
    assert!(matches!(identity_of(&certificate(&["spiffe://a/b"])), Err(NamesError::NotSpiffe(_))));
    assert!(matches!(identity_of(b"x"), Err(NamesError::NotX509)));
    let mut longer = certificate(&[id]);
    longer.push(0);
    assert!(matches!(identity_of(&longer), Err(NamesError::NotX509)));
}
