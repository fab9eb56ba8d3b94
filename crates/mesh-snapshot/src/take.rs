//! Reading Envoy's messages by taking what is known out of them.
//!
//! Each decoder takes (`std::mem::take`) the fields that it understands and then calls [`nothing_left`]: whatever is
//! still set is refused by its name. So no field is ever silently ignored, also none that a later Envoy adds.

use std::{fmt::Debug, time::Duration};

use mesh_proto::{Any, envoy::google::protobuf};

use crate::refusal::Bad;

/// Refuses the first field of `rest` that still holds something.
pub(crate) fn nothing_left<M: Default + PartialEq + Debug>(rest: &M) -> Result<(), Bad> {
    let empty = M::default();
    if *rest == empty {
        return Ok(());
    }
    Err(Bad::new(first_difference(&format!("{rest:#?}"), &format!("{empty:#?}")), "is not supported"))
}

/// The name of the first field that differs, read from what `derive(Debug)` prints; only ever used to word an error.
fn first_difference(full: &str, empty: &str) -> String {
    let field = |line: &str| {
        let name = line.strip_prefix("    ").filter(|l| !l.starts_with(' '))?.split(':').next()?;
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then(|| name.to_owned())
    };
    let known: Vec<&str> = empty.lines().collect();
    full.lines().filter(|line| !known.contains(line)).find_map(field).unwrap_or_else(|| "(a field)".to_owned())
}

/// Unpacks a packed message; the type must be the expected one.
pub(crate) fn typed<M: prost::Name + Default>(any: &Any) -> Result<M, Bad> {
    mesh_proto::unpack(any).map_err(|e| Bad::new("typed_config", e))
}

/// The last part of a packed message's type.
pub(crate) fn type_name(any: &Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

/// A duration that is not negative.
pub(crate) fn duration(value: Option<protobuf::Duration>) -> Result<Option<Duration>, Bad> {
    let Some(value) = value else { return Ok(None) };
    let parts = (u64::try_from(value.seconds), u32::try_from(value.nanos));
    match parts {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Ok(Some(Duration::new(seconds, nanos))),
        _ => Err(Bad::new("", "is no duration from zero up")),
    }
}

/// A duration of which zero means `none`.
pub(crate) fn limit(value: Option<protobuf::Duration>) -> Result<Option<Duration>, Bad> {
    Ok(duration(value)?.filter(|d| !d.is_zero()))
}

/// A wrapped number.
pub(crate) fn number(value: Option<protobuf::UInt32Value>) -> Option<u32> {
    value.map(|v| v.value)
}

/// A wrapped boolean.
pub(crate) fn flag(value: Option<protobuf::BoolValue>) -> Option<bool> {
    value.map(|v| v.value)
}

/// The text under a key of a struct.
pub(crate) fn text_of<'a>(of: &'a protobuf::Struct, key: &str) -> Option<&'a str> {
    match of.fields.get(key)?.kind.as_ref()? {
        protobuf::value::Kind::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Refuses a condition.
pub(crate) fn ensure(holds: bool, field: &str, why: &str) -> Result<(), Bad> {
    if holds { Ok(()) } else { Err(Bad::new(field, why)) }
}
