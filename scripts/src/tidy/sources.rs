//! Rules for Rust files: their length, their names, the page that opens a crate, and words that must not appear.

use std::{ops::Range, path::Path};

use super::{Finding, Text, finding};
use crate::metadata::Member;

/// Above this a file needs a line in [`LONG`].
const QUESTION: usize = 500;
/// Above this a file is split.
const SPLIT: usize = 600;
/// The least number of `//!` lines with words on them that make a page.
const PAGE: usize = 3;

/// Files that may have more than [`QUESTION`] lines, each with its reason.
const LONG: &[(&str, &str)] = &[];

/// Folders whose Rust, tests aside, has a limit of lines.
const BUDGETS: &[(&str, usize)] = &[("crates/localkube/src/", 27_600)];

/// What must not stand in a file: (needle, which files, what, way out). The needles are cut in two so that this table
/// does not find itself.
const WORDS: &[(&str, Files, &str, &str)] = &[
    (concat!("#[ig", "nore"), Files::Rust, "an ignored test", "make it pass, or delete it; long ones live in e2e"),
    (concat!("to", "do!("), Files::Rust, "an unwritten part", "write it, or leave the door out"),
    (concat!("unimple", "mented!("), Files::Rust, "an unwritten part", "write it, or return an error that says so"),
    (concat!("mod te", "sts {"), Files::Rust, "inline tests", "move them to the sibling tests.rs"),
    (
        concat!("replace", "-with ="),
        Files::All,
        "a registry of one machine",
        "keep it in your own ~/.cargo/config.toml",
    ),
    (concat!("[regis", "tries"), Files::All, "a registry of one machine", "keep it in your own ~/.cargo/config.toml"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    All,
    Rust,
}

/// All rules for sources.
pub(super) fn check(texts: &[Text], members: &[Member], folders: &[String]) -> Vec<Finding> {
    let rust = || texts.iter().filter(|t| t.path.ends_with(".rs"));
    let mut found: Vec<Finding> = texts.iter().flat_map(words).collect();
    found.extend(texts.iter().flat_map(|t| machine_paths(t, folders)));
    found.extend(rust().flat_map(|t| length(t, LONG)));
    found.extend(rust().filter_map(name));
    found.extend(rust().flat_map(reasons));
    found.extend(members.iter().filter_map(|m| page(texts, m)));
    found.extend(BUDGETS.iter().filter_map(|(folder, limit)| budget(texts, folder, *limit)));
    found
}

fn words(text: &Text) -> Vec<Finding> {
    let rust = text.path.ends_with(".rs");
    let rules = WORDS.iter().filter(|(_, files, ..)| rust || *files == Files::All);
    let hits = rules.flat_map(|(needle, _, what, way_out)| {
        let lines = text.text.lines().enumerate().filter(move |(_, line)| line.contains(needle));
        lines.map(move |(n, _)| finding(&text.path, n + 1, *what, *way_out))
    });
    hits.collect()
}

/// Folders that only the machine has on which this runs: the checkout itself, and the user's home.
pub(super) fn machine_folders(root: &Path, home: Option<&Path>) -> Vec<String> {
    let named = |folder: &Path| folder.components().nth(1).is_some().then(|| format!("{}/", folder.display()));
    [Some(root), home].into_iter().flatten().filter_map(named).collect()
}

fn machine_paths(text: &Text, folders: &[String]) -> Vec<Finding> {
    let hit = |line: &str| folders.iter().any(|folder| line.contains(folder.as_str()));
    let lines = text.text.lines().enumerate().filter(|(_, line)| hit(line));
    lines
        .map(|(n, _)| finding(&text.path, n + 1, "a path of one machine", "make it relative, or an argument"))
        .collect()
}

fn length(text: &Text, long: &[(&str, &str)]) -> Option<Finding> {
    let lines = text.text.lines().count();
    let listed = long.iter().any(|(path, _)| *path == text.path);
    let (what, way_out) = match lines {
        n if n > SPLIT => (format!("{n} lines; {SPLIT} is the most"), "split it by what changes together"),
        n if n > QUESTION && !listed => (
            format!("{n} lines; {QUESTION} is a question"),
            "split it, or answer with a reason in LONG (tidy/sources.rs)",
        ),
        n if n <= QUESTION && listed => {
            (format!("{n} lines, and listed as long"), "take it out of LONG (tidy/sources.rs)")
        }
        _ => return None,
    };
    Some(finding(&text.path, 0, what, way_out))
}

fn name(text: &Text) -> Option<Finding> {
    let (folder, file) = text.path.rsplit_once('/').unwrap_or(("", &text.path));
    let stem = file.trim_end_matches(".rs");
    let in_tests = folder.split('/').any(|f| f == "tests");
    if file == "mod.rs" {
        return Some(finding(&text.path, 0, "a mod.rs", "name it after its folder, beside the folder"));
    }
    let odd =
        ["test_", "tests_"].iter().any(|p| stem.starts_with(p)) || stem.ends_with("_test") || stem.ends_with("_tests");
    (odd && !in_tests).then(|| {
        finding(
            &text.path,
            0,
            "a test file under a name of its own",
            "tests of foo.rs are foo/tests.rs; of a crate, tests/*.rs",
        )
    })
}

/// `allow` and `expect` attributes say why.
fn reasons(text: &Text) -> Vec<Finding> {
    let attributes = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
    let lines: Vec<&str> = text.text.lines().collect();
    let hits = lines.iter().enumerate().filter(|(_, line)| attributes.iter().any(|a| line.trim_start().starts_with(a)));
    let silent = hits.filter(|(n, _)| {
        let end = lines[*n..].iter().position(|line| line.contains(")]")).map_or(lines.len(), |e| n + e + 1);
        !lines[Range { start: *n, end }].iter().any(|line| line.contains("reason ="))
    });
    silent
        .map(|(n, _)| {
            finding(&text.path, n + 1, "a lint is silenced without a reason", "add reason = \"...\", or obey it")
        })
        .collect()
}

/// A crate opens with a page: what it is, what it is not, a picture, where to start reading.
fn page(texts: &[Text], member: &Member) -> Option<Finding> {
    let folder = member.manifest.trim_end_matches("Cargo.toml");
    let at = |file: &str| texts.iter().find(|t| t.path == format!("{folder}src/{file}"));
    let Some(root) = at("lib.rs").or_else(|| at("main.rs")) else {
        return Some(finding(&member.manifest, 0, "neither src/lib.rs nor src/main.rs", "give the crate a root"));
    };
    let lines = root.text.lines().take_while(|l| l.starts_with("//!"));
    let written = lines.filter(|l| l.trim_start_matches("//!").chars().any(char::is_alphabetic)).count();
    (written < PAGE).then(|| {
        finding(
            &root.path,
            1,
            format!("the page that opens `{}` has {written} lines; {PAGE} is the least", member.name),
            "say in `//!` what the crate is, what it is not, and where to start reading",
        )
    })
}

fn budget(texts: &[Text], folder: &str, limit: usize) -> Option<Finding> {
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    let code = texts.iter().filter(|t| t.path.starts_with(folder) && t.path.ends_with(".rs") && !is_test(&t.path));
    let lines: usize = code.map(|t| t.text.lines().count()).sum();
    (lines > limit).then(|| {
        finding(
            folder,
            0,
            format!("{lines} lines without tests; the budget is {limit}"),
            "delete, or find the simpler shape",
        )
    })
}

#[cfg(test)]
mod tests;
