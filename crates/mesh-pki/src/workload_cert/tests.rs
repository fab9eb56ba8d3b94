use std::time::{Duration, SystemTime};

use super::{WorkloadCert, WorkloadCertError};
use crate::{Authority, Csr, Grant, Issued, Key, KeyKind, TrustBundle, csr};

struct Case {
    authority: Authority,
    key: Key,
    issued: Issued,
    now: SystemTime,
}

fn id() -> mesh_types::SpiffeId {
    "spiffe://cluster.local/ns/a/sa/b".parse().unwrap()
}

fn case() -> Case {
    let now = SystemTime::now();
    let authority = Authority::generate("cluster.local", now).unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let csr = Csr::parse(&csr::request(&key, &id()).unwrap()).unwrap();
    let grant = Grant { id: id(), dns_names: vec!["a.b".to_owned()], lifetime: Duration::from_secs(3600) };
    let issued = authority.issue(&csr, &grant, now).unwrap();
    Case { authority, key, issued, now }
}

#[test]
fn everything_is_proven() {
    let Case { authority, key, issued, now } = case();
    let chain = issued.chain.concat();
    let roots = TrustBundle::parse(&issued.roots).unwrap();
    let cert = WorkloadCert::parse(&chain, &key, &id(), &roots, now).unwrap();
    assert_eq!((cert.id(), cert.dns_names()), (&id(), &["a.b".to_owned()][..]));
    assert_eq!(cert.chain_pem(), chain);
    assert_eq!(cert.key_pem(), key.to_pem());
    assert!(!format!("{cert:?}").contains("PRIVATE"));
    assert_eq!(&roots, authority.roots());
}

#[test]
fn each_missing_proof_has_its_reason() {
    let Case { key, issued, now, .. } = case();
    let chain = issued.chain.concat();
    let roots = TrustBundle::parse(&issued.roots).unwrap();
    let parse = |chain: &str, key: &Key, id: &str, roots: &TrustBundle, now| {
        WorkloadCert::parse(chain, key, &id.parse().unwrap(), roots, now).unwrap_err()
    };
    let me = "spiffe://cluster.local/ns/a/sa/b";
    let other_key = Key::generate(KeyKind::P256).unwrap();
    let strangers = Authority::generate("cluster.local", now).unwrap();
    assert!(matches!(parse("", &key, me, &roots, now), WorkloadCertError::Empty));
    assert!(matches!(parse(&chain, &other_key, me, &roots, now), WorkloadCertError::Key(_)));
    let theirs = parse(&chain, &key, "spiffe://cluster.local/ns/a/sa/c", &roots, now);
    assert!(matches!(theirs, WorkloadCertError::Identity { .. }));
    assert!(matches!(parse(&chain, &key, me, strangers.roots(), now), WorkloadCertError::Chain(_)));
    assert!(matches!(parse(&chain, &key, me, &TrustBundle::default(), now), WorkloadCertError::Chain(_)));
    for minutes in [-3, 61] {
        let then = if minutes < 0 { now - Duration::from_secs(180) } else { now + Duration::from_secs(61 * 60) };
        assert!(matches!(parse(&chain, &key, me, &roots, then), WorkloadCertError::Chain(_)), "{minutes}");
    }
    assert!(matches!(parse(&issued.roots, &key, me, &roots, now), WorkloadCertError::Names(_)));
}
