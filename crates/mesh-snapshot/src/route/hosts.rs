//! Which virtual host a host name belongs to: exact names, then the longest `*suffix`, the longest `prefix*`, then `*`.

use std::{borrow::Cow, collections::BTreeMap};

use rustc_hash::FxHashMap;

use crate::refusal::Bad;

/// Names by what they say; the values are indexes of virtual hosts.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: FxHashMap<Box<str>, usize>,
    /// By length: what follows a `*`.
    suffixes: BTreeMap<usize, FxHashMap<Box<str>, usize>>,
    /// By length: what stands before a `*`.
    prefixes: BTreeMap<usize, FxHashMap<Box<str>, usize>>,
    any: Option<usize>,
}

impl Hosts {
    pub(super) fn add(&mut self, domain: &str, index: usize) -> Result<(), Bad> {
        let domain = domain.to_ascii_lowercase();
        let old = match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
            (Some(""), _) => self.any.replace(index),
            (Some(suffix), _) => self.suffixes.entry(suffix.len()).or_default().insert(suffix.into(), index),
            (None, Some(prefix)) => self.prefixes.entry(prefix.len()).or_default().insert(prefix.into(), index),
            (None, None) => self.exact.insert(domain.as_str().into(), index),
        };
        match old {
            Some(_) => Err(Bad::new("", format!("`{domain}` is there twice"))),
            None if domain.is_empty() => Err(Bad::new("", "one is empty")),
            None => Ok(()),
        }
    }

    pub(super) fn find(&self, host: &str) -> Option<usize> {
        let host = if host.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        self.exact
            .get(host.as_ref())
            // A wildcard stands for at least one character.
            .or_else(|| {
                let shorter = self.suffixes.range(..host.len()).rev();
                shorter.filter_map(|(length, names)| names.get(host.get(host.len() - length..)?)).next()
            })
            .or_else(|| {
                let shorter = self.prefixes.range(..host.len()).rev();
                shorter.filter_map(|(length, names)| names.get(host.get(..*length)?)).next()
            })
            .copied()
            .or(self.any)
    }
}
