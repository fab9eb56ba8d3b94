use super::*;

fn text(path: &str, text: impl Into<String>) -> Text {
    Text { path: path.to_owned(), text: text.into() }
}

fn lines(n: usize) -> String {
    "x\n".repeat(n)
}

#[test]
fn forbidden_words_are_found_with_their_line() {
    let found = words(&text("a/src/b.rs", format!("fn a() {{\n    {}\"later\")\n}}\n", concat!("to", "do!("))));
    assert_eq!(found.iter().map(|f| (f.line, f.what.as_str())).collect::<Vec<_>>(), [(2, "an unwritten part")]);
}

#[test]
fn ignored_and_inline_tests_are_found() {
    let found = words(&text("a.rs", [concat!("#[ig", "nore]"), concat!("mod te", "sts {")].join("\n")));
    assert_eq!(found.iter().map(|f| f.what.as_str()).collect::<Vec<_>>(), ["an ignored test", "inline tests"]);
}

#[test]
fn paths_of_a_machine_are_found_in_any_file_but_rust_words_only_in_rust() {
    let folders = machine_folders(Path::new("/srv/me/lateen"), Some(Path::new("/home/me")));
    assert_eq!(folders, ["/srv/me/lateen/", "/home/me/"]);
    let page = text("docs/a.md", ["see", "/srv/me/lateen/x", "and /home/me/.cargo", concat!("to", "do!(")].join("\n"));
    let found = machine_paths(&page, &folders);
    assert_eq!(
        found.iter().map(|f| (f.line, f.what.as_str())).collect::<Vec<_>>(),
        [(2, "a path of one machine"), (3, "a path of one machine"),]
    );
    assert_eq!(words(&page), []);
    assert_eq!(machine_folders(Path::new("/"), None), Vec::<String>::new());
}

#[test]
fn length_asks_above_500_and_fails_above_600() {
    let listed = [("long.rs", "a table")];
    assert_eq!(length(&text("a.rs", lines(500)), &[]), None);
    assert!(length(&text("a.rs", lines(501)), &[]).is_some());
    assert_eq!(length(&text("long.rs", lines(600)), &listed), None);
    assert!(length(&text("long.rs", lines(601)), &listed).is_some());
    assert!(length(&text("long.rs", lines(500)), &listed).is_some(), "an exception that is not needed is found");
}

#[test]
fn odd_names_are_found() {
    for odd in ["a/src/b/mod.rs", "a/src/b_test.rs", "a/src/tests_b.rs"] {
        assert!(name(&text(odd, "")).is_some(), "{odd}");
    }
    for usual in ["a/src/b/tests.rs", "a/tests/pods_test.rs", "a/src/b/tests/c.rs", "a/src/attest.rs"] {
        assert_eq!(name(&text(usual, "")), None, "{usual}");
    }
}

#[test]
fn a_silenced_lint_needs_a_reason() {
    let silent = "fn a() {}\n#[allow(unsafe_code)]\nfn b() {}\n";
    let said = "#![allow(\n    unsafe_code,\n    reason = \"one syscall\"\n)]\n";
    assert_eq!(reasons(&text("a.rs", silent)).iter().map(|f| f.line).collect::<Vec<_>>(), [2]);
    assert_eq!(reasons(&text("a.rs", said)), []);
}

#[test]
fn a_crate_without_a_page_is_found() {
    let member = Member { name: "a".to_owned(), manifest: "a/Cargo.toml".to_owned(), ..Member::default() };
    let thin = [text("a/src/lib.rs", "//! a\n\nfn f() {}\n")];
    let full = [text("a/src/lib.rs", "//! a\n//!\n".to_owned() + &"//! words\n".repeat(2))];
    assert!(page(&thin, &member).is_some_and(|f| f.what.contains("has 1 lines")));
    assert_eq!(page(&full, &member), None);
    assert!(page(&[], &member).is_some());
}

#[test]
fn the_budget_counts_code_and_not_tests() {
    let texts = [text("c/src/a.rs", lines(6)), text("c/src/a/tests.rs", lines(90)), text("c/src/b.rs", lines(5))];
    assert_eq!(budget(&texts, "c/src/", 11), None);
    assert!(budget(&texts, "c/src/", 10).is_some_and(|f| f.what.starts_with("11 lines")));
}
