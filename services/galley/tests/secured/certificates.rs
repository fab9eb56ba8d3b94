//! Certificates of a mesh that exists for one test.

use std::time::{Duration, SystemTime};

use mesh_pki::{Authority, Csr, Grant, Key, KeyKind, WorkloadCert, csr};
use mesh_tls::Credentials;

/// The name that the API server and pilot call galley by.
pub(crate) const HOST: &str = "istiod.istio-system.svc";

pub(crate) fn authority() -> Authority {
    Authority::generate("cluster.local", SystemTime::now()).unwrap()
}

/// A certificate for an account of `istio-system`, also for [`HOST`].
pub(crate) fn certificate(authority: &Authority, account: &str) -> WorkloadCert {
    let id = format!("spiffe://cluster.local/ns/istio-system/sa/{account}").parse().unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let request = Csr::parse(&csr::request(&key, &id).unwrap()).unwrap();
    let grant = Grant { id: id.clone(), dns_names: vec![HOST.to_owned()], lifetime: Duration::from_secs(3600) };
    let issued = authority.issue(&request, &grant, SystemTime::now()).unwrap();
    WorkloadCert::parse(&issued.chain.concat(), &key, &id, authority.roots(), SystemTime::now()).unwrap()
}

pub(crate) fn credentials(authority: &Authority, account: &str) -> Credentials {
    Credentials::fixed(Some(certificate(authority, account)), authority.roots().clone())
}
