//! What the agent's tests share: a mesh with one authority.

use std::time::{Duration, SystemTime};

use mesh_pki::{Authority, Csr, Grant, Key, KeyKind, WorkloadCert, csr};

/// A certificate of `account` in namespace `shop`, good for `localhost` too.
pub(crate) fn certificate(authority: &Authority, account: &str) -> WorkloadCert {
    let now = SystemTime::now();
    let id = mesh_types::SpiffeId::new("cluster.local", "shop", account).unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let request = Csr::parse(&csr::request(&key, &id).unwrap()).unwrap();
    let grant = Grant { id: id.clone(), dns_names: vec!["localhost".to_owned()], lifetime: Duration::from_secs(3600) };
    let issued = authority.issue(&request, &grant, now).unwrap();
    WorkloadCert::parse(&issued.chain.concat(), &key, &id, authority.roots(), now).unwrap()
}

/// An authority of `cluster.local`.
pub(crate) fn authority() -> Authority {
    Authority::generate("cluster.local", SystemTime::now()).unwrap()
}
