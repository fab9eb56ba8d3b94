//! Envelopes: records and objects as resources on the wire.

use mesh_proto::{
    Any,
    mcp::{self, Metadata},
    pack,
};
use mesh_xds::Resource;
use prost::Name;

/// A record under its name.
pub fn record<M: Name>(name: &str, message: &M) -> Resource {
    wrap(Metadata { name: name.to_owned(), ..Metadata::default() }, pack(message))
}

/// A body with its metadata, whose version becomes a hash of both.
pub fn wrap(mut metadata: Metadata, body: Any) -> Resource {
    let name = metadata.name.clone();
    let packed =
        |metadata: &Metadata| pack(&mcp::Resource { metadata: Some(metadata.clone()), body: Some(body.clone()) });
    let unversioned = Resource::new(name.clone(), packed(&metadata));
    metadata.version = unversioned.version.to_string();
    Resource::with_version(name, unversioned.version, packed(&metadata))
}
