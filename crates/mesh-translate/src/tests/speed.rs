//! A mesh of a thousand services is indexed and translated in no time that anybody would notice.

use std::{fmt::Write as _, time::Instant};

use mesh_model::{push_context::PushContext, store::ChangeSet};

use super::fixture::Mesh;

#[test]
fn a_thousand_services() {
    let mut yaml = String::new();
    for i in 0..1000 {
        let (a, b) = (i / 250, i % 250);
        write!(
            yaml,
            "kind: Service\nmetadata: {{name: s{i}, namespace: n{a}}}\nspec: {{clusterIP: 10.97.{a}.{b}, selector: {{app: s{i}}}, ports: [{{name: http, port: 80}}]}}\n---\n\
             kind: Pod\nmetadata: {{name: p{i}, namespace: n{a}, labels: {{app: s{i}}}}}\nip: 10.2.{a}.{b}\n---\n"
        )
        .unwrap();
    }
    let mesh = Mesh::of(&yaml);
    let view = mesh.view("n0/p0");
    let started = Instant::now();
    let push = PushContext::build(&mesh.store);
    let built = started.elapsed();
    let started = Instant::now();
    let again = push.next(&mesh.store, &ChangeSet::default());
    let shared = started.elapsed();
    let started = Instant::now();
    let clusters = crate::clusters(&view, &again);
    let translated = started.elapsed();
    let started = Instant::now();
    let routes = crate::routes(&view, &again, &["80"]);
    let routed = started.elapsed();
    println!("build {built:?}, next {shared:?}, clusters {translated:?}, routes {routed:?}");
    assert!(clusters.len() > 1000 && routes[0].value.len() > 100_000);
    // Generous, for machines that do other things too; the numbers above are some milliseconds.
    assert!(built.as_millis() < 500 && translated.as_millis() < 2000 && routed.as_millis() < 2000);
}
