//! `cargo xtask descriptors`: what the admin pages need to know about Envoy's messages, cut out of envoy-types.
//!
//! envoy-types ships descriptors of all its messages (3.4 MB) and exports none of them. Those that can be in what a proxy
//! is sent, and nothing but names, numbers and types of their fields, are written to `crates/mesh-proto`, compressed.
//! Run it when envoy-types gets another version or [`ROOTS`] another line; `cargo xtask tidy` says when that was
//! forgotten.

mod prune;

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use prost::Message;
use prost_types::FileDescriptorSet;
use xshell::Shell;

use crate::{
    metadata::Metadata,
    tidy::{Finding, finding},
};

/// Where the result is kept.
const FILE: &str = "crates/mesh-proto/src/json/descriptors.zlib";

/// Where it comes from, within the package envoy-types.
const SOURCE: &str = "src/generated/types.bin";

/// Messages that are sent, or packed into those. A packed message that is missing here is shown without its fields.
const ROOTS: &[&str] = &[
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "envoy.config.listener.v3.Listener",
    "envoy.config.route.v3.RouteConfiguration",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
    "envoy.extensions.filters.http.cors.v3.Cors",
    "envoy.extensions.filters.http.cors.v3.CorsPolicy",
    "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
    "envoy.extensions.filters.http.fault.v3.HTTPFault",
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
    "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    "envoy.extensions.filters.http.router.v3.Router",
    "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
    "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
    "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.extensions.filters.network.rbac.v3.RBAC",
    "envoy.extensions.filters.network.sni_cluster.v3.SniCluster",
    "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
    "envoy.extensions.load_balancing_policies.maglev.v3.Maglev",
    "envoy.extensions.load_balancing_policies.random.v3.Random",
    "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash",
    "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
    "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
    "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "envoy.extensions.transport_sockets.tls.v3.Secret",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "google.protobuf.Any",
    "google.protobuf.BoolValue",
    "google.protobuf.Empty",
    "google.protobuf.MessageOptions",
    "google.protobuf.StringValue",
    "google.protobuf.Struct",
];

/// Writes the file anew.
#[derive(clap::Args)]
pub(crate) struct Descriptors {}

pub(crate) fn run(sh: &Shell, _args: &Descriptors) -> Result<()> {
    let set = pruned(&Metadata::read(sh)?)?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&set.encode_to_vec())?;
    let bytes = encoder.finish()?;
    fs::write(sh.current_dir().join(FILE), &bytes).with_context(|| format!("{FILE} cannot be written"))?;
    println!("{FILE}: {} files, {} bytes, {} when unpacked", set.file.len(), bytes.len(), set.encoded_len());
    Ok(())
}

/// Says when the file is not what [`run`] would write.
pub(crate) fn check(root: &Path, metadata: &Metadata) -> Vec<Finding> {
    match (pruned(metadata), kept(root)) {
        (Ok(made), Ok(kept)) if made.encode_to_vec() == kept => Vec::new(),
        (Err(error), _) | (_, Err(error)) => {
            vec![finding(FILE, 0, format!("{error:#}"), "run `cargo xtask descriptors`")]
        }
        _ => vec![finding(FILE, 0, "is not made from this envoy-types", "run `cargo xtask descriptors`")],
    }
}

fn kept(root: &Path) -> Result<Vec<u8>> {
    let packed = fs::read(root.join(FILE)).with_context(|| format!("{FILE} cannot be read"))?;
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut bytes)
        .with_context(|| format!("{FILE} cannot be unpacked"))?;
    Ok(bytes)
}

fn pruned(metadata: &Metadata) -> Result<FileDescriptorSet> {
    let package = metadata.packages.iter().find(|package| package.name == "envoy-types");
    let manifest = PathBuf::from(&package.context("envoy-types is no dependency any more")?.manifest_path);
    let source = manifest.with_file_name(SOURCE);
    let bytes = fs::read(&source).with_context(|| format!("{} cannot be read", source.display()))?;
    let all = FileDescriptorSet::decode(bytes.as_slice()).context("envoy-types' descriptors are broken")?;
    prune::prune(&all, ROOTS)
}
