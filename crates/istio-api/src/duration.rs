//! Lengths of time as users write them: `1.5s`, `250ms`, `1h30m`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, zero or longer.
///
/// Read: numbers with a unit (`h`, `m`, `s`, `ms`, `us`, `ns`), one after the other. Written: as protobuf's JSON, in
/// seconds. <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute> (field `timeout`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

/// A text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDuration {
    text: String,
    why: &'static str,
}

impl fmt::Display for BadDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a duration: {}; write for example 5s, 250ms or 1m30s", self.text, self.why)
    }
}

impl std::error::Error for BadDuration {}

/// Units and how many nanoseconds they hold.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Protobuf's limit: about ten thousand years.
const MAX_SECONDS: u64 = 315_576_000_000;

impl Duration {
    /// The value for computing.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// Reads `1.5s`, `1h30m`, `0`.
    ///
    /// # Errors
    /// The text is empty, negative, too long a time, or has a number without a unit.
    pub fn parse(text: &str) -> Result<Self, BadDuration> {
        let bad = |why| Err(BadDuration { text: text.to_owned(), why });
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.starts_with('-') {
            return bad("it is negative");
        }
        if rest.is_empty() {
            return bad("it is empty");
        }
        let mut nanos: u128 = 0;
        while !rest.is_empty() {
            let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(number_end);
            let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            if unit.is_empty() {
                return bad("a number has no unit");
            }
            let Some(&(_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return bad("its unit is none of h, m, s, ms, us, ns");
            };
            let Some(part) = scaled(number, scale) else {
                return bad("its number is malformed or too large");
            };
            nanos += part;
            rest = tail;
        }
        if nanos > u128::from(MAX_SECONDS) * 1_000_000_000 {
            return bad("it is longer than ten thousand years");
        }
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(MAX_SECONDS);
        let below = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
        Ok(Self(std::time::Duration::new(seconds, below)))
    }
}

/// `number` (digits with at most one dot) times `scale`, in nanoseconds; what is below one is cut off.
fn scaled(number: &str, scale: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole * u128::from(scale);
    let mut place = u128::from(scale);
    let mut below: u128 = 0;
    let mut divisor: u128 = 1;
    for digit in fraction.chars().take(18) {
        below = below * 10 + u128::from(digit.to_digit(10)?);
        divisor *= 10;
    }
    place *= below;
    nanos += place / divisor;
    Some(nanos)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if nanos == 0 {
            return write!(f, "{seconds}s");
        }
        let fraction = format!("{nanos:09}");
        write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'))
    }
}

impl FromStr for Duration {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl From<std::time::Duration> for Duration {
    fn from(value: std::time::Duration) -> Self {
        Self(value)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(value: Duration) -> Self {
        value.0
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The mark is for this crate's own checks; it is taken out of what a cluster sees.
        json_schema!({ "type": "string", "x-lateen-duration": true })
    }
}

#[cfg(test)]
mod tests;
