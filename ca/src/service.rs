//! The certificate service: `istio.v1.auth.IstioCertificateService/CreateCertificate`.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use mesh_bootstrap::causes;
use mesh_pki::IssueError;
use mesh_proto::{
    ca::{CertificateRequest, CertificateResponse},
    envoy::google::protobuf::value::Kind,
};
use mesh_tls::peer_identity;
use tonic::{Request, Response, Status, body::Body, server::NamedService};
use tonic_prost::ProstCodec;

use crate::{Authenticator, CaMetrics, Refusal, SignError, Signer};

/// What a caller that is nobody is told; the reason is in the log. Istio's agents know this text.
const NOBODY: &str = "request authenticate failure";

/// The one call. Clones serve the same.
#[derive(Clone)]
pub struct Service {
    authenticator: Authenticator,
    signer: Signer,
    metrics: CaMetrics,
}

impl Service {
    /// Puts the parts together.
    pub fn new(authenticator: Authenticator, signer: Signer, metrics: CaMetrics) -> Self {
        Self { authenticator, signer, metrics }
    }

    async fn create(&self, request: Request<CertificateRequest>) -> Result<Response<CertificateResponse>, Status> {
        self.metrics.requests.inc();
        let header = request.metadata().get("authorization").map(|value| value.to_str().unwrap_or_default());
        let peer = request.peer_certs().and_then(|certificates| peer_identity(certificates.iter()));
        let caller = self.authenticator.authenticate(header, peer).await.map_err(|refusal| {
            self.metrics.unauthenticated.inc();
            let from = request.remote_addr();
            tracing::warn!(reason = causes(&refusal), ?from, "a caller was not authenticated");
            match refusal {
                Refusal::Review(_) => Status::unavailable("the Kubernetes API could not be asked about the token"),
                _ => Status::unauthenticated(NOBODY),
            }
        })?;
        let request = request.into_inner();
        refuse_wishes(&request)?;
        let (csr, seconds) = (&request.csr, request.validity_duration);
        let issued = self.signer.sign(&caller.id, csr, seconds, SystemTime::now()).map_err(|error| {
            tracing::warn!(caller = %caller.id, reason = causes(&error), "a signing request was refused");
            self.refusal(&error)
        })?;
        self.metrics.issued.inc();
        tracing::info!(id = %caller.id, proof = caller.proof, "a certificate was issued");
        Ok(Response::new(CertificateResponse { cert_chain: issued.chain.into_iter().chain([issued.roots]).collect() }))
    }

    fn refusal(&self, error: &SignError) -> Status {
        let told = causes(error);
        match error {
            SignError::Csr(_) => {
                self.metrics.unparsed.inc();
                Status::invalid_argument(told)
            }
            SignError::Lifetime { .. } => {
                self.metrics.refused.inc();
                Status::invalid_argument(told)
            }
            SignError::Issue(IssueError::OtherName { .. }) => {
                self.metrics.refused.inc();
                Status::permission_denied(told)
            }
            SignError::Issue(_) => {
                self.metrics.refused.inc();
                Status::internal(told)
            }
        }
    }
}

/// Wishes that Istio's ca knows and this one does not grant. Agents send the keys with empty values.
fn refuse_wishes(request: &CertificateRequest) -> Result<(), Status> {
    let fields = request.metadata.iter().flat_map(|metadata| &metadata.fields);
    for (key, value) in fields {
        let empty = match &value.kind {
            None | Some(Kind::NullValue(_)) => true,
            Some(Kind::StringValue(text)) => text.is_empty(),
            _ => false,
        };
        match key.as_str() {
            "ImpersonatedIdentity" if !empty => {
                return Err(Status::permission_denied("nobody may ask for another's certificate here"));
            }
            "CertSigner" if !empty => {
                return Err(Status::invalid_argument("there is one signer here; ask without `CertSigner`"));
            }
            _ => {}
        }
    }
    Ok(())
}

impl NamedService for Service {
    const NAME: &'static str = "istio.v1.auth.IstioCertificateService";
}

impl tower::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            // tonic routes by the service's name only; the name of the method is ours to check.
            if request.uri().path() != mesh_proto::ca::CREATE_CERTIFICATE {
                return Ok(Status::unimplemented("the one method is CreateCertificate").into_http());
            }
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<CertificateResponse, CertificateRequest>::new());
            let create = tower::service_fn(move |request| {
                let service = service.clone();
                async move { service.create(request).await }
            });
            Ok(grpc.unary(create, request).await)
        })
    }
}

#[cfg(test)]
mod tests;
