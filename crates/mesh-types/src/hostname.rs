//! Host names, exact or with a leading wildcard.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A DNS name in lower case, `*`, or `*.` followed by a DNS name (`*-a.b` is accepted as Envoy accepts `*suffix`).
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#VirtualService> (field `hosts`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname(Arc<str>);

/// A text that is no host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a host name: {why}")]
pub struct BadHostname {
    text: String,
    why: &'static str,
}

impl Hostname {
    /// The longest name that DNS carries.
    pub const MAX: usize = 253;

    /// Reads a name; upper case is lowered, a final dot dropped.
    ///
    /// # Errors
    /// The text is empty, too long, holds a character that no name has, or a `*` that is not at its start.
    pub fn parse(text: &str) -> Result<Self, BadHostname> {
        let bad = |why| Err(BadHostname { text: text.to_owned(), why });
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let body = name.strip_prefix('*').unwrap_or(&name);
        if name.is_empty() {
            return bad("it is empty");
        }
        if name.len() > Self::MAX {
            return bad("it is longer than 253 characters");
        }
        if body.contains('*') {
            return bad("`*` may only be its first character");
        }
        if !body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return bad("a name holds letters, digits, `-`, `_` and `.`");
        }
        let labels = body.strip_prefix('.').unwrap_or(body);
        if !body.is_empty() && labels.split('.').any(|l| l.is_empty() || l.len() > 63) {
            return bad("each part between dots has 1 to 63 characters");
        }
        Ok(Self(name.into()))
    }

    /// `*`, which stands for every name.
    pub fn everything() -> Self {
        Self("*".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name stands for many.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// Whether some name belongs to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Whether each name of `other` is one of ours: `*.a.b` holds `c.a.b` and `*.c.a.b`, not `a.b`.
    pub fn contains(&self, other: &Self) -> bool {
        match self.0.strip_prefix('*') {
            None => self == other,
            Some(suffix) => match other.0.strip_prefix('*') {
                Some(narrower) => narrower.ends_with(suffix),
                None => other.0.len() > suffix.len() && other.0.ends_with(suffix) || suffix.is_empty(),
            },
        }
    }

    /// Orders by how much a name says: exact names first, then longer wildcards, `*` last; equals by the alphabet.
    pub fn specificity(&self, other: &Self) -> std::cmp::Ordering {
        let key = |h: &Self| (h.is_wildcard(), std::cmp::Reverse(h.0.len()));
        key(self).cmp(&key(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Hostname {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Hostname {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hostname {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
