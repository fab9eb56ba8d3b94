use super::*;

const ROOT: &str = "[workspace.dependencies]\nserde = \"1\"\n";
const GOOD: &str = r#"
[package]
name = "a"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true
[lints]
workspace = true
[dependencies]
serde.workspace = true
"#;

fn whats(root: &str, manifest: &str) -> Vec<String> {
    let text = |path: &str, text: &str| Text { path: path.to_owned(), text: text.to_owned() };
    let member = Member { name: "a".to_owned(), manifest: "crates/a/Cargo.toml".to_owned(), ..Member::default() };
    let code = text("crates/a/src/lib.rs", "use serde::de; fn f() { libc::f() }");
    let texts = [text("Cargo.toml", root), text("crates/a/Cargo.toml", manifest), code];
    check(&texts, &[member]).unwrap().into_iter().map(|f| format!("{}: {}", f.line, f.what)).collect()
}

#[test]
fn a_manifest_of_the_workspace_passes() {
    assert_eq!(whats(ROOT, GOOD), [""; 0]);
}

#[test]
fn own_lints_and_fields_are_found() {
    assert_eq!(whats(ROOT, &GOOD.replace("[lints]\nworkspace = true", "")), ["0: its lints are its own"]);
    assert_eq!(
        whats(ROOT, &GOOD.replace("edition.workspace = true", "edition = \"2024\"")),
        ["0: `edition` is its own"]
    );
}

#[test]
fn own_dependencies_are_found_in_every_table() {
    let own = format!("{GOOD}[target.'cfg(unix)'.dev-dependencies]\nlibc = {{ version = \"1\" }}\n");
    assert_eq!(whats(ROOT, &own), ["0: the dependency `libc` is not the workspace's"]);
}

#[test]
fn a_dependency_that_no_code_names_is_found() {
    let idle = format!("{GOOD}serde_json.workspace = true\n");
    let root = format!("{ROOT}serde_json = \"1\"\n");
    assert_eq!(whats(&root, &idle), ["0: no code names the dependency `serde_json`"]);
}

#[test]
fn an_unused_entry_is_found_with_its_line() {
    assert_eq!(whats(&format!("{ROOT}rand = \"1\"\n"), GOOD), ["3: no crate uses the dependency `rand`"]);
}

#[test]
fn a_folder_of_another_name_is_found() {
    let member = Member { name: "b".to_owned(), manifest: "crates/a/Cargo.toml".to_owned(), ..Member::default() };
    let found = check_member(&member, &parse("", GOOD).unwrap());
    assert_eq!(found.iter().map(|f| f.what.as_str()).collect::<Vec<_>>(), ["package `b` in folder `a`"]);
}
