//! Headers that proxies add on their own.

use super::proxy::ForwardClientCertDetails;
use crate::declare::{message, names};

message! {
    /// Headers that proxies add on their own, and whether they do.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig-ProxyHeaders>
    pub struct ProxyHeaders {
        /// What sidecars do with `x-forwarded-client-cert`.
        pub forwarded_client_cert: ForwardClientCertDetails,
        /// What that header says about the client's certificate.
        pub set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
        /// `x-request-id`.
        pub request_id: Option<SwitchedHeader>,
        /// `server`.
        pub server: Option<ServerHeader>,
        /// `x-envoy-attempt-count`.
        pub attempt_count: Option<SwitchedHeader>,
        /// `x-envoy-upstream-service-time` and the like.
        pub envoy_debug_headers: Option<SwitchedHeader>,
        /// `x-envoy-peer-metadata` and `x-envoy-peer-metadata-id`.
        pub metadata_exchange_headers: Option<MetadataExchangeHeaders>,
        /// HTTP/1.1 headers keep the case of their letters.
        #[serde(rename = "preserveHttp1HeaderCase")]
        pub preserve_http1_header_case: Option<bool>,
    }

    /// What `x-forwarded-client-cert` says about the client's certificate.
    pub struct SetCurrentClientCertDetails {
        /// Its subject; yes when absent.
        pub subject: Option<bool>,
        /// All of it; no when absent.
        pub cert: Option<bool>,
        /// And its chain; no when absent.
        pub chain: Option<bool>,
        /// Its DNS names; yes when absent.
        pub dns: Option<bool>,
        /// Its URIs; yes when absent.
        pub uri: Option<bool>,
    }

    /// A header that can be switched off.
    pub struct SwitchedHeader {
        /// Whether it is off.
        pub disabled: Option<bool>,
    }

    /// `server`.
    pub struct ServerHeader {
        /// Whether it is off.
        pub disabled: Option<bool>,
        /// Its value.
        pub value: String,
    }

    /// Headers by which proxies tell each other who they are.
    pub struct MetadataExchangeHeaders {
        /// Who gets them.
        pub mode: MetadataExchangeMode,
    }
}

names! {
    /// Who gets the headers by which proxies tell each other who they are.
    pub enum MetadataExchangeMode {
        /// Everybody.
        Undefined = 0 "UNDEFINED",
        /// Services of the mesh.
        InMesh = 1 "IN_MESH",
    }
}
