//! A request to a port of a pod that only listens on the pod's own loopback (Envoy's admin, pilot's debug pages).

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::{Cluster, ClusterError};

impl Cluster {
    /// Asks `http://localhost:PORT PATH` within a pod, by port forwarding.
    pub async fn ask(&self, pod: &PodName, port: u16, method: Method, path: &str) -> Result<Bytes, ClusterError> {
        let failed = |error: &dyn std::fmt::Display| {
            ClusterError::Port(format!("port {port} of pod {}/{} does not answer: {error}", pod.namespace, pod.name))
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace);
        let mut forward = api.portforward(&pod.name, &[port]).await.map_err(|error| failed(&error))?;
        let stream = forward.take_stream(port).ok_or_else(|| failed(&"no stream"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        let connection = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.body(Full::<Bytes>::default()).map_err(|error| failed(&error))?;
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        connection.abort();
        if status.is_success() {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body);
        Err(ClusterError::Port(format!(
            "pod {}/{} answers {path} with {status}: {}",
            pod.namespace,
            pod.name,
            text.trim()
        )))
    }
}

/// A pod's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}
