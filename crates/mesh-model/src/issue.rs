//! What is wrong with an object: where, why, and what to do about it.

use std::fmt;

use crate::config::ObjectRef;

/// The way to a field as users write it: `spec.http[0].route[1].weight`, `metadata.annotations["a.b/c"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(String);

impl FieldPath {
    /// A path that starts at a field of the object.
    pub fn root(field: &str) -> Self {
        Self(field.to_owned())
    }

    /// A field of what stands here.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        if self.0.is_empty() { Self::root(name) } else { Self(format!("{}.{name}", self.0)) }
    }

    /// An element of the list that stands here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// A value of the map that stands here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        Self(if plain { format!("{}[{key}]", self.0) } else { format!("{}[{key:?}]", self.0) })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for FieldPath {
    fn from(path: &str) -> Self {
        Self::root(path)
    }
}

/// How bad an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The object works, though perhaps not as its writer thinks.
    Warning,
    /// The object is refused.
    Error,
}

/// One thing to say about an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issue {
    /// The object it is about.
    pub object: ObjectRef,
    /// The field it is about.
    pub path: FieldPath,
    /// Why, without a full stop at its end.
    pub reason: String,
    /// What its writer can do, without a full stop at its end.
    pub way_out: String,
    /// Whether it keeps the object out.
    pub severity: Severity,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, path, reason, way_out, .. } = self;
        write!(f, "{object}: {path}: {reason}; {way_out}")
    }
}
