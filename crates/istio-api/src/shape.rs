//! Looking at JSON before it is read: which fields are unknown, which values cannot be read, and where they stand.
//!
//! serde stops at the first trouble and does not say where it is. A [`Shape`] is the schema of a type; with it, a
//! document's troubles are listed all at once, each with its path.

use std::fmt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

mod canonical;
mod inspect;
mod schema;

pub use inspect::{Finding, Problem};
pub(crate) use schema::without_marks;

/// What a type looks like in JSON: a structural schema without references.
pub struct Shape {
    schema: Value,
}

/// What [`Shaped::read`] brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// Paths of fields that the type does not know, and which are lost: `spec.http[0].rout`.
    pub unknown: Vec<String>,
}

/// A type whose shape is known.
pub trait Shaped: JsonSchema + DeserializeOwned {
    /// The type's shape, made once.
    fn shape() -> &'static Shape;

    /// Reads a document that stands at `at` (`spec`, or empty for a whole document). `snake_case` names, numbers of
    /// enums, and numbers in quotes are read as protobuf's JSON allows.
    ///
    /// # Errors
    /// Every value that cannot be read, with its path.
    fn read(json: &Value, at: &str) -> Result<Read<Self>, Vec<Finding>> {
        let canonical = Self::shape().canonical(json);
        let (unknown, wrong): (Vec<Finding>, Vec<Finding>) =
            Self::shape().inspect(&canonical, at).into_iter().partition(|f| f.problem == Problem::UnknownField);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        match serde_json::from_value(canonical) {
            Ok(value) => Ok(Read { value, unknown: unknown.into_iter().map(|f| f.path).collect() }),
            Err(error) => Err(vec![Finding { path: at.to_owned(), problem: Problem::Unreadable(error.to_string()) }]),
        }
    }
}

impl Shape {
    /// The shape of a type.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        Self { schema: schema::structural::<T>() }
    }

    /// The schema as a cluster understands it (`openAPIV3Schema`).
    pub fn schema(&self) -> Value {
        let mut schema = self.schema.clone();
        without_marks(&mut schema);
        schema
    }

    /// Everything about `json` that the type does not know or cannot read. `at` is the path of `json` itself.
    pub fn inspect(&self, json: &Value, at: &str) -> Vec<Finding> {
        inspect::inspect(&self.schema, json, at)
    }

    /// Paths of fields that the type does not know.
    pub fn unknown_fields(&self, json: &Value, at: &str) -> Vec<String> {
        let found = self.inspect(&self.canonical(json), at).into_iter();
        found.filter(|f| f.problem == Problem::UnknownField).map(|f| f.path).collect()
    }

    /// The same document with `camelCase` names, names instead of numbers of enums, and plain numbers.
    pub fn canonical(&self, json: &Value) -> Value {
        canonical::canonical(&self.schema, json)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shape").finish_non_exhaustive()
    }
}

/// Gives types their [`Shape`].
macro_rules! shaped {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::shape::Shaped for $type {
            fn shape() -> &'static $crate::shape::Shape {
                static SHAPE: ::std::sync::OnceLock<$crate::shape::Shape> = ::std::sync::OnceLock::new();
                SHAPE.get_or_init($crate::shape::Shape::of::<$type>)
            }
        }
    )*};
}

pub(crate) use shaped;

shaped!(crate::mesh::MeshConfig, crate::mesh::MeshNetworks, crate::mesh::ProxyConfig);

#[cfg(test)]
mod tests;
