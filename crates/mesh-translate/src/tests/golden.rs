//! Whole proxies, against text that a person has read. `LATEEN_BLESS=1` writes the text anew.

use super::{fixture::Mesh, text};
use crate::{clusters, endpoints, listeners, names::Outbound, routes};

fn check(name: &str, found: &str, expected: &str) {
    if std::env::var_os("LATEEN_BLESS").is_some() {
        std::fs::write(format!("{}/src/tests/golden/{name}", env!("CARGO_MANIFEST_DIR")), found).unwrap();
        return;
    }
    assert_eq!(found, expected, "{name} differs");
}

/// Everything that a proxy gets.
fn everything(mesh: &Mesh, pod: &str) -> String {
    let view = mesh.view(pod);
    let clusters = clusters(&view, &mesh.push);
    let names: Vec<String> = clusters.iter().map(|c| c.name.clone()).filter(|n| Outbound::parse(n).is_some()).collect();
    let listeners = listeners(&view, &mesh.push);
    let listeners_text = text::listeners(&listeners);
    let tables: Vec<&str> =
        listeners_text.lines().filter_map(|line| line.split("http rds ").nth(1)).map(str::trim).collect();
    format!(
        "# clusters\n{}\n# endpoints\n{}\n# listeners\n{listeners_text}\n# routes\n{}",
        text::clusters(&clusters),
        text::endpoints(&endpoints(&view, &mesh.push, &names)),
        text::routes(&routes(&view, &mesh.push, &tables)),
    )
}

#[test]
fn bookinfo_without_configuration() {
    let mesh = Mesh::bookinfo("");
    check("bookinfo.txt", &everything(&mesh, "default/productpage-v1"), include_str!("golden/bookinfo.txt"));
}

#[test]
fn bookinfo_with_weights_and_subsets() {
    let mesh = Mesh::bookinfo(
        "
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: v3, labels: {version: v3}}
---
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 80}
    - {destination: {host: reviews, subset: v3}, weight: 20}
---
kind: MeshConfig
mesh: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, accessLogFile: /dev/stdout}
",
    );
    check("weighted.txt", &everything(&mesh, "default/reviews-v1"), include_str!("golden/weighted.txt"));
}

#[test]
fn the_same_mesh_is_the_same_bytes() {
    let bytes = || {
        let mesh = Mesh::bookinfo("");
        let view = mesh.view("default/reviews-v1");
        let mut all = clusters(&view, &mesh.push);
        all.extend(listeners(&view, &mesh.push));
        all.extend(routes(&view, &mesh.push, &["9080"]));
        all.into_iter().map(|b| (b.name, b.version)).collect::<Vec<_>>()
    };
    let first = bytes();
    for _ in 0..8 {
        assert_eq!(first, bytes());
    }
}
