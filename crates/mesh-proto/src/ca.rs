//! The certificate service (`istio.v1.auth.IstioCertificateService/CreateCertificate`).
//!
//! <https://github.com/istio/api/blob/master/security/v1alpha1/ca.proto>

use envoy_types::pb::google::protobuf::Struct;

/// Path of the one method.
pub const CREATE_CERTIFICATE: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

/// Asks for a certificate.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CertificateRequest {
    /// PEM text of the signing request. Its names may only agree with the caller's identity.
    #[prost(string, tag = "1")]
    pub csr: String,
    /// Wished lifetime in seconds.
    #[prost(int64, tag = "3")]
    pub validity_duration: i64,
    /// Keys `CertSigner`, `ImpersonatedIdentity`.
    #[prost(message, optional, tag = "4")]
    pub metadata: Option<Struct>,
}

/// The chain: leaf first, then each intermediate, last the bundle of all roots. At least two elements.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CertificateResponse {
    /// PEM texts.
    #[prost(string, repeated, tag = "1")]
    pub cert_chain: Vec<String>,
}
