//! Bodies in Kubernetes' protobuf format, read as the JSON that they stand for.
//!
//! kubectl sends its own kinds (`kubectl create namespace`, `create token`, `auth can-i`) in this format and has no
//! other way. Answers are always JSON, which every client accepts. The format: four magic bytes, then a
//! `runtime.Unknown` with the kind's name and the object (`k8s.io/apimachinery/pkg/runtime/serializer/protobuf`).
//! Which number is which field is data: `protobuf/messages.txt`.

use std::{collections::HashMap, sync::OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::status::Status;

mod wire;

use wire::{Field, Piece};

const MAGIC: &[u8] = b"k8s\0";
const MESSAGES: &str = include_str!("protobuf/messages.txt");

/// The messages by name; the second level is by field number.
type Messages = HashMap<&'static str, HashMap<u64, Entry>>;

/// One field of a message.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: &'static str,
    shape: Shape,
    /// Members belong to the outer object.
    inline: bool,
    /// A zero value was set on purpose.
    pointer: bool,
    /// Written even when zero.
    always: bool,
    kind: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    One,
    List,
    Map,
}

/// Reads a whole body.
pub(super) fn decode(body: &[u8]) -> Result<Value, Status> {
    let unknown = body.strip_prefix(MAGIC).ok_or_else(|| broken("the body does not begin with the magic bytes"))?;
    let (mut api_version, mut kind, mut raw): (&str, &str, &[u8]) = ("", "", &[]);
    for field in wire::fields(unknown) {
        match field? {
            Field { number: 1, piece: Piece::Bytes(type_meta) } => {
                for field in wire::fields(type_meta) {
                    match field? {
                        Field { number: 1, piece: Piece::Bytes(text) } => api_version = utf8(text)?,
                        Field { number: 2, piece: Piece::Bytes(text) } => kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            Field { number: 2, piece: Piece::Bytes(bytes) } => raw = bytes,
            _ => {}
        }
    }
    let name = message_name(api_version, kind);
    let mut object = message(&name, raw)?;
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(object))
}

/// `apps/v1` and `Deployment` give `apps.v1.Deployment`; options belong to every group.
fn message_name(api_version: &str, kind: &str) -> String {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    match kind {
        "DeleteOptions" => "meta.v1.DeleteOptions".to_owned(),
        _ => format!("{}.{version}.{kind}", group.split('.').next().unwrap_or(group)),
    }
}

fn message(name: &str, bytes: &[u8]) -> Result<Map<String, Value>, Status> {
    let Some(entries) = messages().get(name) else {
        return Err(Status::new(415, "UnsupportedMediaType", format!("{name} is not read as protobuf; send JSON")));
    };
    let mut object = Map::new();
    for field in wire::fields(bytes) {
        let Field { number, piece } = field?;
        let Some(entry) = entries.get(&number) else {
            return Err(broken(&format!("field {number} of {name} is unknown; send JSON")));
        };
        match entry.shape {
            Shape::One if entry.inline => object.extend(message(entry.kind, piece.bytes()?)?),
            Shape::One => {
                if let Some(value) = one(entry, piece)? {
                    object.insert(entry.name.to_owned(), value);
                }
            }
            Shape::List => {
                let item = element(entry.kind, piece)?;
                if let Value::Array(list) = object.entry(entry.name).or_insert_with(|| json!([])) {
                    list.push(item);
                }
            }
            Shape::Map => {
                let (key, value) = pair(entry.kind, piece.bytes()?)?;
                object.entry(entry.name).or_insert_with(|| json!({}))[key] = value;
            }
        }
    }
    Ok(object)
}

/// A single value; None when it is a zero that Go's JSON would leave out.
fn one(entry: &Entry, piece: Piece<'_>) -> Result<Option<Value>, Status> {
    let value = element(entry.kind, piece)?;
    let is_zero = match &value {
        Value::Null => return Ok(None),
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Array(list) => list.is_empty(),
    };
    Ok((!is_zero || entry.pointer || entry.always).then_some(value))
}

fn element(kind: &str, piece: Piece<'_>) -> Result<Value, Status> {
    Ok(match kind {
        "s" => json!(utf8(piece.bytes()?)?),
        // Negative numbers travel as the 64-bit two's complement.
        "i" => json!(piece.varint()?.cast_signed()),
        "b" => json!(piece.varint()? != 0),
        "d" => json!(f64::from_bits(piece.fixed()?)),
        "y" => json!(STANDARD.encode(piece.bytes()?)),
        "t" => time(piece.bytes()?)?,
        "q" => json!(text_field(piece.bytes()?, 1)?),
        "x" => int_or_string(piece.bytes()?)?,
        "f" => serde_json::from_str(text_field(piece.bytes()?, 1)?).map_err(|e| broken(&e.to_string()))?,
        name => Value::Object(message(name, piece.bytes()?)?),
    })
}

fn pair(kind: &str, bytes: &[u8]) -> Result<(String, Value), Status> {
    let (mut key, mut value) = (String::new(), None);
    for field in wire::fields(bytes) {
        match field? {
            Field { number: 1, piece } => key = utf8(piece.bytes()?)?.to_owned(),
            Field { piece, .. } => value = Some(element(kind, piece)?),
        }
    }
    // An absent value is the type's zero.
    Ok((key, value.map_or_else(|| element(kind, Piece::Bytes(&[])), Ok)?))
}

/// Seconds and nanoseconds as RFC 3339; the zero time as null.
fn time(bytes: &[u8]) -> Result<Value, Status> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in wire::fields(bytes) {
        match field? {
            Field { number: 1, piece } => seconds = piece.varint()?.cast_signed(),
            Field { number: 2, piece } => nanos = i32::try_from(piece.varint()?).unwrap_or(0),
            _ => {}
        }
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let time = Timestamp::new(seconds, nanos).map_err(|e| broken(&e.to_string()))?;
    Ok(json!(time.to_string()))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, Status> {
    let (mut is_text, mut number, mut text) = (false, 0, "");
    for field in wire::fields(bytes) {
        match field? {
            Field { number: 1, piece } => is_text = piece.varint()? == 1,
            Field { number: 2, piece } => number = piece.varint()?.cast_signed(),
            Field { number: 3, piece } => text = utf8(piece.bytes()?)?,
            _ => {}
        }
    }
    Ok(if is_text { json!(text) } else { json!(number) })
}

fn text_field(bytes: &[u8], wanted: u64) -> Result<&str, Status> {
    for field in wire::fields(bytes) {
        if let Field { number, piece: Piece::Bytes(text) } = field?
            && number == wanted
        {
            return utf8(text);
        }
    }
    Ok("")
}

fn utf8(bytes: &[u8]) -> Result<&str, Status> {
    std::str::from_utf8(bytes).map_err(|e| broken(&e.to_string()))
}

fn broken(why: &str) -> Status {
    Status::bad_request(format!("the protobuf body cannot be read: {why}"))
}

fn messages() -> &'static Messages {
    static PARSED: OnceLock<Messages> = OnceLock::new();
    PARSED.get_or_init(|| {
        let lines = MESSAGES.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once(' ')).map(|(name, fields)| (name, entries(fields))).collect()
    })
}

fn entries(fields: &'static str) -> HashMap<u64, Entry> {
    let read = |field: &'static str| {
        let (name, rest) = field.split_once('=')?;
        let (number, kind) = rest.split_once(':')?;
        let (shape, kind) = match (kind.strip_prefix("[]"), kind.strip_prefix("{}")) {
            (Some(kind), _) => (Shape::List, kind),
            (_, Some(kind)) => (Shape::Map, kind),
            _ => (Shape::One, kind),
        };
        let bare = kind.trim_start_matches(['~', '*', '!']);
        let marks = &kind[..kind.len() - bare.len()];
        let has = |mark: char| marks.contains(mark);
        let entry = Entry { name, shape, inline: has('~'), pointer: has('*'), always: has('!'), kind: bare };
        Some((number.parse().ok()?, entry))
    };
    fields.split(' ').filter_map(read).collect()
}

#[cfg(test)]
mod tests;
