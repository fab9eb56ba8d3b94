//! Field masks: which parts of an answer are wanted.
//!
//! <https://protobuf.dev/reference/protobuf/google.protobuf/#field-mask>

use serde_json::{Map, Value};

/// Paths of fields; none means all fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask(Option<Vec<Vec<String>>>);

impl Mask {
    /// From the form `a.b,c`; an empty text is everything.
    pub(super) fn parse(text: &str) -> Self {
        let path = |path: &str| path.split('.').map(|part| part.trim().to_owned()).collect();
        let paths: Vec<Vec<String>> = text.split(',').filter(|part| !part.trim().is_empty()).map(path).collect();
        Self(Some(paths).filter(|paths| !paths.is_empty()))
    }

    /// Whether anything of a field is wanted.
    pub(super) fn keeps(&self, field: &str) -> bool {
        self.0.as_ref().is_none_or(|paths| paths.iter().any(|path| path.first().is_some_and(|first| first == field)))
    }

    /// What is wanted within a field.
    pub(super) fn inside(&self, field: &str) -> Self {
        let Some(paths) = &self.0 else { return Self(None) };
        let inner = paths.iter().filter(|path| path.first().is_some_and(|first| first == field));
        let inner: Vec<Vec<String>> = inner.map(|path| path.iter().skip(1).cloned().collect()).collect();
        // A path that ends here wants all of the field.
        if inner.iter().any(Vec::is_empty) { Self(None) } else { Self(Some(inner)) }
    }

    /// What is wanted of a value. Types are always told.
    pub(super) fn apply(&self, value: Value) -> Value {
        match value {
            Value::Object(fields) if self.0.is_some() => {
                let kept = fields.into_iter().filter(|(name, _)| name == "@type" || self.keeps(name));
                let inner = kept.map(|(name, value)| {
                    let value = if name == "@type" { value } else { self.inside(&name).apply(value) };
                    (name, value)
                });
                Value::Object(inner.collect::<Map<String, Value>>())
            }
            Value::Array(values) => Value::Array(values.into_iter().map(|value| self.apply(value)).collect()),
            value => value,
        }
    }
}

#[cfg(test)]
mod tests;
