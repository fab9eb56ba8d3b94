//! Messages as JSON, as Envoy's admin pages write them: field names as in the protobuf files, defaults left out, packed
//! messages unpacked under `@type`.
//!
//! What is known of Envoy's messages is kept compressed (`json/descriptors.zlib`, made by `cargo xtask descriptors`) and
//! takes megabytes once it is unpacked: make a [`Messages`] for an answer and drop it after.

use std::{
    collections::BTreeSet,
    io::{self, Read},
};

use flate2::read::ZlibDecoder;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ReflectMessage, SerializeOptions, Value as Field,
    prost_types::{DescriptorProto, FileDescriptorProto},
};
use serde_json::{Value, json, value::Serializer};

use crate::Any;

/// Unpacked descriptors of the messages that a proxy can be sent.
#[derive(Clone, Debug)]
pub struct Messages {
    pool: DescriptorPool,
}

/// Why a message cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// This program was built wrong.
    #[error("the descriptors of messages cannot be unpacked")]
    Unpack(#[from] io::Error),
    /// This program was built wrong, or a packed message has a name that is none.
    #[error("the descriptors of messages do not fit each other")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// No such message is known.
    #[error("`{0}` is not a message that is known here")]
    Unknown(String),
    /// Not of that type.
    #[error("the bytes are no `{name}`")]
    Bytes {
        /// The message that was asked for.
        name: String,
        /// What the decoder says.
        source: prost::DecodeError,
    },
    /// It has no JSON form.
    #[error("the message cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Messages {
    /// Unpacks the descriptors.
    ///
    /// # Errors
    /// This program was built wrong.
    pub fn new() -> Result<Self, JsonError> {
        // Among them are those of options: else the library would look these up in descriptors of its own, which it makes
        // when they are first wanted and keeps for good.
        let mut bytes = Vec::new();
        ZlibDecoder::new(include_bytes!("json/descriptors.zlib").as_slice()).read_to_end(&mut bytes)?;
        Ok(Self { pool: DescriptorPool::decode(bytes.as_slice())? })
    }

    /// The message that is encoded in `bytes`, with its own `@type`. Packed messages in it of which nothing is known are
    /// shown without their fields.
    ///
    /// # Errors
    /// It is unknown or broken.
    pub fn json(&mut self, type_url: &str, bytes: &[u8]) -> Result<Value, JsonError> {
        let name = name_of(type_url);
        let descriptor = self.pool.get_message_by_name(name).ok_or_else(|| JsonError::Unknown(name.to_owned()))?;
        let broken = |source| JsonError::Bytes { name: name.to_owned(), source };
        let mut message = DynamicMessage::decode(descriptor, bytes).map_err(broken)?;
        let mut unknown = BTreeSet::new();
        self.packed(&message, &mut unknown);
        if !unknown.is_empty() {
            self.pool.add_file_descriptor_protos(unknown.iter().map(|name| empty_message(name)))?;
            // The descriptor is of the pool as it was; the one that knows the rest is another.
            let descriptor = self.pool.get_message_by_name(name).ok_or_else(|| JsonError::Unknown(name.to_owned()))?;
            message = DynamicMessage::decode(descriptor, bytes).map_err(broken)?;
        }
        let options = SerializeOptions::new().use_proto_field_name(true);
        let mut value = message.serialize_with_options(Serializer, &options)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("@type".to_owned(), Value::String(type_url.to_owned()));
        }
        Ok(value)
    }

    /// The same for people: private keys and passwords are masked as Envoy masks them, wherever they stand.
    ///
    /// # Errors
    /// It is unknown or broken.
    pub fn shown(&mut self, type_url: &str, bytes: &[u8]) -> Result<Value, JsonError> {
        self.json(type_url, bytes).map(redacted)
    }

    /// The message that a JSON value with an `@type` stands for, as [`Messages::json`] writes it.
    ///
    /// # Errors
    /// The type is missing or unknown, or a field does not fit it.
    pub fn pack(&self, value: &Value) -> Result<Any, JsonError> {
        let mut fields = value.clone();
        let type_url = fields.as_object_mut().and_then(|fields| fields.remove("@type"));
        let type_url = type_url.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = name_of(&type_url);
        let descriptor = self.pool.get_message_by_name(name).ok_or_else(|| JsonError::Unknown(name.to_owned()))?;
        let message = DynamicMessage::deserialize(descriptor, fields)?;
        Ok(Any { type_url, value: message.encode_to_vec() })
    }

    /// Names of packed messages of which nothing is known, at any depth.
    fn packed(&self, message: &DynamicMessage, unknown: &mut BTreeSet<String>) {
        if message.descriptor().full_name() == "google.protobuf.Any" {
            let text = |name| message.get_field_by_name(name);
            let type_url = text("type_url").and_then(|url| url.as_str().map(str::to_owned)).unwrap_or_default();
            let value = text("value").and_then(|value| value.as_bytes().cloned()).unwrap_or_default();
            match self.pool.get_message_by_name(name_of(&type_url)) {
                Some(descriptor) => {
                    // What cannot be decoded is found where it is written.
                    if let Ok(inner) = DynamicMessage::decode(descriptor, value) {
                        self.packed(&inner, unknown);
                    }
                }
                None => drop(unknown.insert(name_of(&type_url).to_owned())),
            }
            return;
        }
        message.fields().for_each(|(_, value)| self.packed_in(value, unknown));
    }

    fn packed_in(&self, value: &Field, unknown: &mut BTreeSet<String>) {
        match value {
            Field::Message(message) => self.packed(message, unknown),
            Field::List(values) => values.iter().for_each(|value| self.packed_in(value, unknown)),
            Field::Map(values) => values.values().for_each(|value| self.packed_in(value, unknown)),
            _ => {}
        }
    }
}

fn name_of(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or_default()
}

/// A message of that name of which nothing else is known.
fn empty_message(name: &str) -> FileDescriptorProto {
    let (package, own) = name.rsplit_once('.').unwrap_or(("", name));
    FileDescriptorProto {
        name: Some(format!("unknown/{name}.proto")),
        package: Some(package.to_owned()).filter(|package| !package.is_empty()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto { name: Some(own.to_owned()), ..DescriptorProto::default() }],
        ..FileDescriptorProto::default()
    }
}

/// Private keys and passwords as Envoy shows them.
fn redacted(mut value: Value) -> Value {
    const TEXT: &str = "[redacted]";
    // The same, as JSON has bytes.
    const BYTES: &str = "W3JlZGFjdGVkXQ==";
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if matches!(name.as_str(), "private_key" | "password") {
                    for (key, masked) in [("inline_string", TEXT), ("inline_bytes", BYTES)] {
                        if let Some(secret) = field.get_mut(key) {
                            *secret = json!(masked);
                        }
                    }
                }
                *field = redacted(field.take());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = redacted(item.take())),
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests;
