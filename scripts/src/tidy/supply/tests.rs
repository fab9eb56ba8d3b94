use super::*;

const POLICY: &str = r#"
[licenses]
allow = ["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"]
[bans]
deny = [{ crate = "openssl-sys" }]
"#;

fn package(name: &str, licence: &str) -> Package {
    Package {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        license: Some(licence.to_owned()),
        source: Some(CRATES_IO.to_owned()),
        ..Package::default()
    }
}

fn whats(package: &Package) -> Vec<String> {
    check(&Policy::parse(POLICY).unwrap(), &[package]).into_iter().map(|f| f.what).collect()
}

#[test]
fn expressions_are_met_by_allowed_licences() {
    for good in
        ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "ISC AND (Apache-2.0 OR X)", "Apache-2.0 WITH LLVM-exception"]
    {
        assert_eq!(whats(&package("a", good)), [""; 0], "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND X", "(X OR Y) AND MIT", "MIT WITH Y", "", "MIT )", "MIT Z"] {
        assert_eq!(whats(&package("a", bad)), [format!("a 1.0.0 has the licence `{bad}`")], "{bad}");
    }
}

#[test]
fn banned_packages_are_found() {
    assert_eq!(whats(&package("openssl-sys", "MIT")), ["openssl-sys 1.0.0 is banned"]);
}

#[test]
fn other_sources_are_found() {
    let forked = Package { source: Some("git+https://example.com/a".to_owned()), ..package("a", "MIT") };
    assert_eq!(whats(&forked), ["a 1.0.0 is not from crates.io"]);
    let lock = format!("source = \"{CRATES_IO}\"\nsource = \"registry+https://mirror.example/index\"\n");
    assert_eq!(check_lock(&lock).iter().map(|f| f.line).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_policy_without_licences_is_refused() {
    assert!(Policy::parse("[bans]\n").is_err());
}
