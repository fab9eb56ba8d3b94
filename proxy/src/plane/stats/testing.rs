//! What the text format 0.0.4 asks for, as far as a test can see it without Prometheus.

use std::collections::BTreeSet;

/// A family of samples.
#[derive(Debug, PartialEq)]
pub(in crate::plane) struct Family {
    pub(in crate::plane) name: String,
    pub(in crate::plane) kind: String,
    /// Name and labels, and the value.
    pub(in crate::plane) samples: Vec<(String, f64)>,
}

/// Reads a text; it has to announce each family once, and to keep its samples together.
pub(in crate::plane) fn families(text: &str) -> Vec<Family> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
    let mut families: Vec<Family> = Vec::new();
    let (mut seen, mut helped) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(helped.insert(name.to_owned()) && !words.is_empty(), "{line}");
            assert!(families.iter().all(|family| family.name != name), "help comes after its family: {line}");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(is_name(name) && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(families.iter().all(|family| family.name != name), "a second time: {line}");
            families.push(Family { name: name.to_owned(), kind: kind.to_owned(), samples: Vec::new() });
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(sample.to_owned()), "twice: {line}");
        let name = sample.split_once('{').map_or(sample, |(name, labels)| {
            check_labels(labels.strip_suffix('}').unwrap_or_else(|| panic!("labels have no end: {line}")));
            name
        });
        let family = families.last_mut().unwrap();
        let suffixes: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        let suffix = name.strip_prefix(&family.name);
        assert!(suffix.is_some_and(|suffix| suffixes.contains(&suffix)), "not in its family: {line}");
        family.samples.push((sample.to_owned(), value.parse().unwrap()));
    }
    families
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn check_labels(labels: &str) {
    let (mut rest, mut names) = (labels, BTreeSet::new());
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(is_name(name) && names.insert(name), "label `{name}` in {labels}");
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &value[end.unwrap() + 1..];
        rest = if rest.is_empty() { rest } else { rest.strip_prefix(',').unwrap() };
    }
}
