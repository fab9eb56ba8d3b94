//! Links in Markdown pages lead somewhere: files exist, anchors are headings.

use std::collections::BTreeSet;

use super::{Finding, Text, finding};

/// All links of all pages.
pub(super) fn check(texts: &[Text]) -> Vec<Finding> {
    let pages = texts.iter().filter(|t| t.path.ends_with(".md"));
    pages
        .flat_map(|page| links(&page.text).into_iter().filter_map(|(line, link)| broken(texts, page, line, &link)))
        .collect()
}

fn broken(texts: &[Text], page: &Text, line: usize, link: &str) -> Option<Finding> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { page.path.clone() } else { resolve(&page.path, file) };
    let folder = format!("{}/", path.trim_end_matches('/'));
    let target = texts.iter().find(|t| t.path == path);
    if target.is_none() && !texts.iter().any(|t| t.path.starts_with(&folder)) {
        return Some(finding(
            &page.path,
            line,
            format!("the link `{link}` leads nowhere"),
            format!("there is no `{path}`"),
        ));
    }
    let anchor = anchor?;
    let known = target.map(|t| anchors(&t.text)).unwrap_or_default();
    (!known.contains(anchor)).then(|| {
        let way_out = format!("headings of `{path}`: {}", known.into_iter().collect::<Vec<_>>().join(", "));
        finding(&page.path, line, format!("the link `{link}` names no heading"), way_out)
    })
}

/// `link` as seen from the page at `from`, relative to the root.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The lines outside code blocks, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(n, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!fence && !code).then_some((n + 1, line))
    })
}

/// The targets of `[text](target)`, each with its line. Inline code is no link.
fn links(text: &str) -> Vec<(usize, String)> {
    let in_line = |(n, line): (usize, &str)| {
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let targets = plain.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        targets.map(|t| (n, t.to_owned())).collect::<Vec<_>>()
    };
    prose(text).flat_map(in_line).collect()
}

/// The anchors that a renderer gives to the headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).map(|(_, line)| line).filter(|line| line.starts_with('#'));
    headings.map(|line| slug(line.trim_start_matches('#').trim())).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests;
