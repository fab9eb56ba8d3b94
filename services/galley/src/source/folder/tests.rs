use std::fs;

use mesh_kube::Key;

use super::*;

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec: {}\n";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team\n";

/// Objects in short: `Services default/a`.
fn short(scan: &Scan) -> Vec<String> {
    scan.objects.keys().map(|(collection, key)| format!("{collection:?} {key}")).collect()
}

fn scanner(folder: &tempfile::TempDir) -> Scanner {
    Scanner::new(folder.path().to_owned(), "istio-system".to_owned())
}

#[test]
fn files_of_several_documents_and_lists() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "# comment\n---\n{SERVICE}---\n{NAMESPACE}---\n\n---\nkind: Deployment\napiVersion: apps/v1\nmetadata: {{name: d}}\n"
    );
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "networking.istio.io/v1alpha3", "kind": "Gateway", "metadata": {"name": "g", "namespace": "x"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "elsewhere"}}]}"#;
    fs::write(folder.path().join("sub/b.json"), list).unwrap();
    fs::write(folder.path().join(".hidden.yaml"), "{").unwrap();
    fs::write(folder.path().join("notes.txt"), "{").unwrap();
    let scan = scanner(&folder).look().expect("a first look");
    assert_eq!(
        short(&scan),
        ["Services default/a", "Namespaces team", "Mesh istio-system/istio", "Config(Gateway) x/g"]
    );
    assert!(scan.faults.is_empty(), "{:?}", scan.faults);
}

#[test]
fn a_document_that_breaks_keeps_what_it_said_and_the_others_flow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, format!("{SERVICE}---\n{NAMESPACE}")).unwrap();
    let mut scanner = scanner(&folder);
    let first = scanner.look().expect("a first look");
    assert_eq!(scanner.look(), None, "nothing changed");
    fs::write(&path, format!("apiVersion: [\n---\n{}", NAMESPACE.replace("team", "crew"))).unwrap();
    let second = scanner.look().expect("the file changed");
    assert_eq!(short(&second), ["Services default/a", "Namespaces crew"]);
    let faults = second.faults.values().next().expect("a fault");
    assert!(faults[0].starts_with("document 1: "), "{faults:?}");
    let changes = difference(&first, &second);
    let key = Key { namespace: String::new(), name: "team".to_owned() };
    assert_eq!(changes[0], Input::Deleted(Collection::Namespaces, key));
    assert!(matches!(changes[1], Input::Applied(_)) && matches!(changes[2], Input::Noted(..)), "{changes:?}");
    fs::remove_file(&path).unwrap();
    let third = scanner.look().expect("the file went");
    assert!(third.objects.is_empty() && third.faults.is_empty());
}

#[test]
fn what_is_no_object_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "just: text\n").unwrap();
    fs::write(folder.path().join("b.yaml"), SERVICE).unwrap();
    let scan = scanner(&folder).look().expect("a first look");
    assert_eq!(short(&scan), ["Services default/a"]);
    assert_eq!(scan.faults.len(), 1);
}
