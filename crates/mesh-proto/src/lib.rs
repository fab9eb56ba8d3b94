//! The wire: every message that one Lateen process sends to another.
//!
//! Envoy's own messages are re-exported from `envoy-types`; what Envoy has no message for is written here, by hand, as
//! prost structs. Plain data: no behaviour but type URLs and packing, no transport.
//!
//! ```text
//!   Kubernetes ─ galley ──[mcp::Resource{ConfigObject | registry::*}]──► pilot ──[envoy v3]──► proxy
//!                                                     proxy ──[ca::CertificateRequest]──► ca
//! ```
//!
//! Start reading at [`registry`], the records that galley makes from a cluster.

pub mod ca;
pub mod json;
pub mod mcp;
pub mod nds;
pub mod registry;
pub mod type_url;

pub use envoy_types::pb as envoy;
pub use envoy_types::pb::google::protobuf::Any;

/// Packs a message under the type URL of its full name.
pub fn pack<M: prost::Name>(message: &M) -> Any {
    Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}

/// Why a packed message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Another message is in there.
    #[error("a `{found}` was sent where `{expected}` belongs")]
    Type {
        /// Full name of the message that was asked for.
        expected: String,
        /// The type URL that came.
        found: String,
    },
    /// The bytes are none of its encoding.
    #[error("the bytes are no `{expected}`")]
    Bytes {
        /// Full name of the message that was asked for.
        expected: String,
        /// What the decoder says.
        source: prost::DecodeError,
    },
}

/// Unpacks a message if the type URL is its own.
///
/// # Errors
/// The type URL is another message's, or the bytes are none of its encoding.
pub fn unpack<M: prost::Name + Default>(any: &Any) -> Result<M, UnpackError> {
    let expected = M::full_name();
    if any.type_url.rsplit('/').next() != Some(expected.as_str()) {
        return Err(UnpackError::Type { expected, found: any.type_url.clone() });
    }
    M::decode(any.value.as_slice()).map_err(|source| UnpackError::Bytes { expected, source })
}
