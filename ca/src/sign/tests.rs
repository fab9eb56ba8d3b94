use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::Parser;
use mesh_pki::{Authority, Key, KeyKind, WorkloadCert, csr};

use super::{SignError, Signer};
use crate::Config;

fn signer() -> Signer {
    let authority = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    Signer::new(Arc::new(authority), &Config::parse_from(["ca", "--namespace", "istio-system"]))
}

#[test]
fn only_the_control_plane_has_dns_names() {
    let table: &[(&str, &[&str])] = &[
        (
            "istio-system/sa/pilot",
            &[
                "pilot.istio-system.svc.cluster.local",
                "pilot.istio-system.svc",
                "istiod.istio-system.svc.cluster.local",
                "istiod.istio-system.svc",
            ],
        ),
        ("istio-system/sa/ca", &["ca.istio-system.svc.cluster.local", "ca.istio-system.svc"]),
        ("istio-system/sa/istio-ingressgateway", &[]),
        ("default/sa/pilot", &[]),
    ];
    for (id, names) in table {
        let id = format!("spiffe://cluster.local/ns/{id}").parse().unwrap();
        assert_eq!(signer().dns_names(&id), *names, "{id}");
    }
}

#[test]
fn a_lifetime_is_defaulted_and_limited() {
    let id = "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let csr = csr::request(&key, &id).unwrap();
    let now = SystemTime::UNIX_EPOCH
        + Duration::from_secs(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
    let signer = signer();
    let day = 24 * 3600;
    for (wished, granted) in [(0, day), (-1, day), (600, 600), (90 * day, 90 * day)] {
        let issued = signer.sign(&id, &csr, wished, now).unwrap();
        let cert = WorkloadCert::parse(&issued.chain.concat(), &key, &id, signer.authority().roots(), now).unwrap();
        assert_eq!(cert.not_after(), now + Duration::from_secs(granted.try_into().unwrap()), "{wished}");
    }
    assert!(matches!(signer.sign(&id, &csr, 90 * day + 1, now), Err(SignError::Lifetime { .. })));
    assert!(matches!(signer.sign(&id, "no request", 0, now), Err(SignError::Csr(_))));
    let other = "spiffe://cluster.local/ns/shop/sa/other".parse().unwrap();
    assert!(matches!(signer.sign(&other, &csr, 0, now), Err(SignError::Issue(_))));
}
