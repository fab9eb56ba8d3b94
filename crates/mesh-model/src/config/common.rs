//! Words that several kinds share.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    sync::Arc,
};

use mesh_types::Hostname;

/// A port, 1 to 65535.
pub type PortNumber = NonZeroU16;

/// How a text is compared.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#StringMatch>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StringMatch {
    /// Equals.
    Exact(String),
    /// Begins with; never empty.
    Prefix(String),
    /// The whole text matches.
    Regex(Pattern),
}

/// A regular expression that was compiled once to see that it can be: RE2's grammar, not empty, at most 1024 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(Arc<str>);

/// A text that is no regular expression for the mesh.
#[derive(Debug, thiserror::Error)]
pub enum BadPattern {
    /// There is nothing to match.
    #[error("the regular expression is empty")]
    Empty,
    /// Envoy's limit, which Istio enforces.
    #[error("the regular expression has {0} characters, at most 1024 are allowed")]
    Long(usize),
    /// Not of the grammar.
    #[error("the regular expression cannot be read")]
    Grammar(#[source] Box<regex::Error>),
}

impl Pattern {
    /// The longest text of an expression.
    pub const MAX: usize = 1024;

    /// Checks an expression.
    ///
    /// # Errors
    /// It is empty, too long, or not of RE2's grammar.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        match text.len() {
            0 => return Err(BadPattern::Empty),
            n if n > Self::MAX => return Err(BadPattern::Long(n)),
            _ => {}
        }
        regex::Regex::new(text).map_err(|e| BadPattern::Grammar(Box::new(e)))?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A share of requests, kept in millionths as Envoy counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Percent(u32);

/// A number that is no share.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not between 0 and 100")]
pub struct BadPercent(f64);

impl Percent {
    /// None.
    pub const ZERO: Self = Self(0);
    /// One in a hundred.
    pub const ONE: Self = Self(10_000);
    /// One in ten.
    pub const TEN: Self = Self(100_000);
    /// All.
    pub const ALL: Self = Self(1_000_000);

    /// From per cent: 0.01 is one in ten thousand. What is finer than a millionth is cut off.
    ///
    /// # Errors
    /// The number is outside 0 to 100.
    pub fn parse(percent: f64) -> Result<Self, BadPercent> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(BadPercent(percent));
        }
        // In range, so that the cast keeps the value; half a unit in the last place keeps 0.29 at 2900.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0.0 to 1_000_000.0")]
        Ok(Self((percent * 10_000.0 + 1e-6) as u32))
    }

    /// Numerator over a million.
    pub fn millionths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10_000.0)
    }
}

/// Where traffic goes: a service, or a subset of it.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Complete: a short name got the namespace of the object that it stands in.
    pub host: Hostname,
    /// A subset that a DestinationRule of the host defines.
    pub subset: Option<String>,
    /// Absent: the service's only port, else the port of the request.
    pub port: Option<PortNumber>,
}

/// A destination and its share. Destinations of weight 0 are gone, a destination that stands alone has weight 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightedDestination {
    /// Where to.
    pub destination: Destination,
    /// Its part of the sum of all weights.
    pub weight: NonZeroU32,
}

/// To which namespaces an object is visible. Where an object says nothing the mesh's default holds (`Option` at the kind).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExportTo(pub Vec<ExportScope>);

/// One entry of [`ExportTo`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExportScope {
    /// `.`, the object's own namespace.
    Own,
    /// `*`, all.
    All,
    /// `~`, none.
    Nobody,
    /// The namespace of this name.
    Namespace(String),
}

impl ExportTo {
    /// Whether an object of namespace `own` is visible in namespace `client`.
    pub fn reaches(&self, own: &str, client: &str) -> bool {
        self.0.iter().any(|scope| match scope {
            ExportScope::Own => own == client,
            ExportScope::All => true,
            ExportScope::Nobody => false,
            ExportScope::Namespace(name) => name == client,
        })
    }

    /// Whether it is visible everywhere.
    pub fn is_public(&self) -> bool {
        self.0.contains(&ExportScope::All)
    }
}

#[cfg(test)]
mod tests;
