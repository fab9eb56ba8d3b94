//! Envoy's messages under short names.

pub(crate) use mesh_proto::envoy::{
    envoy::{
        config::{
            accesslog::v3 as accesslog, cluster::v3 as cluster, core::v3 as core, endpoint::v3 as endpoint,
            listener::v3 as listener, route::v3 as route,
        },
        extensions::{
            access_loggers::file::v3 as file_log,
            clusters::dynamic_forward_proxy::v3 as dynamic_cluster,
            common::dynamic_forward_proxy::v3 as names,
            filters::{
                common::fault::v3 as fault_common,
                http::{
                    cors::v3 as cors, dynamic_forward_proxy::v3 as dynamic_http, fault::v3 as fault,
                    grpc_web::v3 as grpc_web, router::v3 as router,
                },
                listener::{
                    http_inspector::v3 as http_inspector, original_dst::v3 as original_dst,
                    tls_inspector::v3 as tls_inspector,
                },
                network::{
                    http_connection_manager::v3 as hcm, sni_dynamic_forward_proxy::v3 as dynamic_sni,
                    tcp_proxy::v3 as tcp_proxy,
                },
            },
            retry::host::previous_hosts::v3 as previous_hosts,
            transport_sockets::tls::v3 as tls,
            upstreams::http::v3 as upstream_http,
        },
        r#type::{matcher::v3 as matcher, v3 as kind},
    },
    google::protobuf::{Any, BoolValue, Duration, Struct, UInt32Value, UInt64Value, Value, value::Kind},
};
