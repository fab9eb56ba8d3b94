//! Every manifest takes its lints, its fields and its dependencies from the workspace.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Finding, Text, finding, text};
use crate::metadata::Member;

/// Fields of `[package]` that the workspace sets.
const FIELDS: &[&str] = &["edition", "license", "publish", "rust-version", "version"];
/// Tables of dependencies, in a manifest or below one of its `target`s.
const TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Dependencies that no line of code names: (package, dependency, why it is there).
const SILENT: &[(&str, &str, &str)] = &[("mesh-snapshot", "rustls-webpki", "its library is called webpki")];

/// All manifests; an error when one cannot be read.
pub(super) fn check(texts: &[Text], members: &[Member]) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let mut used = Vec::new();
    for member in members {
        let manifest = parse(&member.manifest, text(texts, &member.manifest)?)?;
        found.extend(check_member(member, &manifest));
        found.extend(unnamed(member, &manifest, texts));
        used.extend(dependencies(&manifest).into_iter().map(|(name, _)| name.to_owned()));
    }
    found.extend(unused(text(texts, "Cargo.toml")?, &used)?);
    Ok(found)
}

fn parse(path: &str, text: &str) -> Result<Value> {
    basic_toml::from_str(text).with_context(|| format!("{path} is not TOML"))
}

fn check_member(member: &Member, manifest: &Value) -> Vec<Finding> {
    let path = &member.manifest;
    let mut found = Vec::new();
    if !inherits(&manifest["lints"]) {
        found.push(finding(path, 0, "its lints are its own", "add `[lints]` with `workspace = true`"));
    }
    for field in FIELDS.iter().filter(|f| !inherits(&manifest["package"][**f])) {
        found.push(finding(path, 0, format!("`{field}` is its own"), format!("write `{field}.workspace = true`")));
    }
    for (name, _) in dependencies(manifest).into_iter().filter(|(_, value)| !inherits(value)) {
        let way_out =
            format!("write `{name}.workspace = true`, with the version in the root's [workspace.dependencies]");
        found.push(finding(path, 0, format!("the dependency `{name}` is not the workspace's"), way_out));
    }
    let folder = path.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or_default();
    if folder != member.name && (folder, member.name.as_str()) != ("scripts", "xtask") {
        found.push(finding(path, 0, format!("package `{}` in folder `{folder}`", member.name), "give both one name"));
    }
    found
}

/// Dependencies that no Rust file of the package names: they cost build time and bring nothing.
fn unnamed(member: &Member, manifest: &Value, texts: &[Text]) -> Vec<Finding> {
    let folder = member.manifest.trim_end_matches("Cargo.toml");
    let code: Vec<&Text> = texts.iter().filter(|t| t.path.starts_with(folder) && t.path.ends_with(".rs")).collect();
    let is_named = |name: &str| {
        let name = name.replace('-', "_");
        let is_word = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        code.iter().any(|t| t.text.split(&name).skip(1).any(is_word))
    };
    let is_silent = |name: &str| SILENT.iter().any(|(package, silent, _)| *package == member.name && *silent == name);
    let idle =
        dependencies(manifest).into_iter().map(|(name, _)| name).filter(|name| !is_named(name) && !is_silent(name));
    let way_out = "take it out, or say in SILENT (tidy/manifests.rs) why it is there";
    idle.map(|name| finding(&member.manifest, 0, format!("no code names the dependency `{name}`"), way_out)).collect()
}

fn inherits(value: &Value) -> bool {
    value["workspace"] == Value::Bool(true)
}

/// Name and entry of each dependency.
fn dependencies(manifest: &Value) -> Vec<(&str, &Value)> {
    let targets = manifest["target"].as_object().into_iter().flat_map(serde_json::Map::values);
    let tables = targets.chain([manifest]).flat_map(|level| TABLES.iter().filter_map(|t| level[*t].as_object()));
    tables.flatten().map(|(name, value)| (name.as_str(), value)).collect()
}

fn unused(root: &str, used: &[String]) -> Result<Vec<Finding>> {
    let manifest = parse("Cargo.toml", root)?;
    let entries = manifest["workspace"]["dependencies"].as_object().into_iter().flatten();
    // Paths to our own crates may stand ready for their users.
    let idle = entries.filter(|(name, value)| value["path"].is_null() && !used.contains(name));
    let line = |name: &str| root.lines().position(|l| l.starts_with(&format!("{name} "))).map_or(0, |n| n + 1);
    let say = |name: &String| {
        finding("Cargo.toml", line(name), format!("no crate uses the dependency `{name}`"), "take it out")
    };
    Ok(idle.map(|(name, _)| say(name)).collect())
}

#[cfg(test)]
mod tests;
