//! What a new cluster has before anything runs: its namespaces, and the API server as a Service.

use std::net::SocketAddrV4;

use k8s_openapi::{
    api::{
        core::v1::{
            EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Namespace, NamespaceSpec, Service, ServicePort,
            ServiceSpec,
        },
        discovery::v1::{Endpoint, EndpointConditions, EndpointPort as SlicePort, EndpointSlice},
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use super::{mirroring::SKIP, namespace::unless_present, slices::SERVICE_NAME};
use crate::{client::Client, status::Status};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// The Service by which pods reach the API server.
const SERVICE: &str = "kubernetes";
const SERVICE_ADDRESS: &str = "10.96.0.1";

/// Creates the namespaces, and Service `kubernetes` with `server` behind it. Again is harmless.
pub async fn bootstrap(client: &Client, server: SocketAddrV4) -> Result<(), Status> {
    for name in NAMESPACES {
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec: Some(NamespaceSpec { finalizers: Some(vec!["kubernetes".to_owned()]) }),
            status: None,
        };
        unless_present(client.create(&namespace).await)?;
    }
    unless_present(client.create(&service(server.port())).await)?;
    unless_present(client.create(&endpoints(server)).await)?;
    unless_present(client.create(&slice(server)).await)
}

fn metadata(labels: &[(&str, &str)]) -> ObjectMeta {
    ObjectMeta {
        name: Some(SERVICE.to_owned()),
        namespace: Some("default".to_owned()),
        labels: Some(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()),
        ..ObjectMeta::default()
    }
}

fn service(port: u16) -> Service {
    let https = ServicePort {
        name: Some("https".to_owned()),
        port: 443,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(i32::from(port))),
        ..ServicePort::default()
    };
    let spec = ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        cluster_ip: Some(SERVICE_ADDRESS.to_owned()),
        cluster_ips: Some(vec![SERVICE_ADDRESS.to_owned()]),
        ip_families: Some(vec!["IPv4".to_owned()]),
        ip_family_policy: Some("SingleStack".to_owned()),
        session_affinity: Some("None".to_owned()),
        internal_traffic_policy: Some("Cluster".to_owned()),
        ports: Some(vec![https]),
        ..ServiceSpec::default()
    };
    Service {
        metadata: metadata(&[("component", "apiserver"), ("provider", "kubernetes")]),
        spec: Some(spec),
        status: None,
    }
}

fn endpoints(server: SocketAddrV4) -> Endpoints {
    let port = EndpointPort {
        name: Some("https".to_owned()),
        port: i32::from(server.port()),
        protocol: Some("TCP".to_owned()),
        app_protocol: None,
    };
    let address = EndpointAddress { ip: server.ip().to_string(), ..EndpointAddress::default() };
    let subset = EndpointSubset { addresses: Some(vec![address]), not_ready_addresses: None, ports: Some(vec![port]) };
    Endpoints { metadata: metadata(&[(SKIP, "true")]), subsets: Some(vec![subset]) }
}

fn slice(server: SocketAddrV4) -> EndpointSlice {
    let conditions = EndpointConditions { ready: Some(true), ..EndpointConditions::default() };
    EndpointSlice {
        metadata: metadata(&[(SERVICE_NAME, SERVICE)]),
        address_type: "IPv4".to_owned(),
        endpoints: vec![Endpoint {
            addresses: vec![server.ip().to_string()],
            conditions: Some(conditions),
            ..Endpoint::default()
        }],
        ports: Some(vec![SlicePort {
            name: Some("https".to_owned()),
            port: Some(i32::from(server.port())),
            protocol: Some("TCP".to_owned()),
            app_protocol: None,
        }]),
    }
}
