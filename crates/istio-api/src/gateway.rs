//! Gateway: the ports that a gateway pod opens, and for which hosts.

use std::collections::BTreeMap;

use crate::declare::{message, names};

message! {
    /// Ports of gateway pods.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/gateway/>
    pub struct Gateway {
        /// What is opened.
        pub servers: Vec<Server>,
        /// Labels of the gateway's pods, which may be in any namespace. Empty: every gateway.
        pub selector: BTreeMap<String, String>,
    }

    /// A port, its hosts, and its TLS.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/gateway/#Server>
    #[schemars(extend("required" = ["port", "hosts"]))]
    pub struct Server {
        /// The port.
        pub port: Option<ServerPort>,
        /// The address or `unix://` path that is opened; every address when empty.
        pub bind: String,
        /// Hosts: `name` or `namespace/name`; the namespace (`.`, `*`, or a name) limits whose VirtualServices may bind.
        pub hosts: Vec<String>,
        /// TLS for clients of this port.
        pub tls: Option<ServerTlsSettings>,
        /// Not supported by Istio.
        pub default_endpoint: String,
        /// Shown in statistics; must be unique among the servers.
        pub name: String,
    }

    /// A port of a gateway.
    #[schemars(extend("required" = ["number", "protocol", "name"]))]
    pub struct ServerPort {
        /// The port's number, 1 to 65535.
        pub number: u32,
        /// HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, TCP or TLS.
        pub protocol: String,
        /// The port's name.
        pub name: String,
        /// Must not be set here.
        pub target_port: u32,
    }

    /// TLS for clients.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings>
    pub struct ServerTlsSettings {
        /// Clients that come without TLS are sent to `https`.
        pub https_redirect: bool,
        /// Who ends TLS, and whether clients need a certificate.
        pub mode: ServerTlsMode,
        /// File with the server's certificate chain.
        pub server_certificate: String,
        /// File with the server's key.
        pub private_key: String,
        /// File with the authorities that client certificates are checked against.
        pub ca_certificates: String,
        /// File with the list of revoked certificates.
        pub ca_crl: String,
        /// Secret with certificate and key (and authorities), instead of files.
        pub credential_name: String,
        /// One of these names must be in the client's certificate.
        pub subject_alt_names: Vec<String>,
        /// Base64 SHA-256 hashes of client public keys that are allowed.
        pub verify_certificate_spki: Vec<String>,
        /// Hex SHA-256 hashes of client certificates that are allowed.
        pub verify_certificate_hash: Vec<String>,
        /// Lowest version; TLS 1.2 when absent.
        pub min_protocol_version: TlsProtocol,
        /// Highest version; TLS 1.3 when absent.
        pub max_protocol_version: TlsProtocol,
        /// Cipher suites, by OpenSSL's names.
        pub cipher_suites: Vec<String>,
    }
}

names! {
    /// Who ends TLS, and whether clients need a certificate.
    pub enum ServerTlsMode {
        /// The service ends it; the server name chooses the route.
        Passthrough = 0 "PASSTHROUGH",
        /// This port ends it.
        Simple = 1 "SIMPLE",
        /// This port ends it and asks for a client certificate.
        Mutual = 2 "MUTUAL",
        /// The service ends it; the server name itself says which service.
        AutoPassthrough = 3 "AUTO_PASSTHROUGH",
        /// This port ends it with certificates of the mesh on both sides.
        IstioMutual = 4 "ISTIO_MUTUAL",
        /// This port ends it; a client certificate is checked when there is one.
        OptionalMutual = 5 "OPTIONAL_MUTUAL",
    }

    /// Versions of TLS.
    pub enum TlsProtocol {
        /// The default.
        TlsAuto = 0 "TLS_AUTO",
        /// 1.0.
        TlsV1_0 = 1 "TLSV1_0",
        /// 1.1.
        TlsV1_1 = 2 "TLSV1_1",
        /// 1.2.
        TlsV1_2 = 3 "TLSV1_2",
        /// 1.3.
        TlsV1_3 = 4 "TLSV1_3",
    }
}
