//! TLS as a client and as a server.

/// How a client speaks TLS.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientTls {
    /// Plaintext.
    Disable,
    /// The server shows a certificate.
    Simple(TlsOrigination),
    /// Both show certificates, of files or a secret.
    Mutual(ClientCertificate, TlsOrigination),
    /// Both show certificates of the mesh.
    IstioMutual {
        /// Absent: Istio's name of the cluster.
        sni: Option<String>,
        /// Instead of the service's identities; may be empty.
        subject_alt_names: Vec<String>,
    },
}

impl ClientTls {
    /// The Secret that it names.
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::Simple(origination) | Self::Mutual(_, origination) => origination.credential.as_deref(),
            Self::Disable | Self::IstioMutual { .. } => None,
        }
    }
}

/// Whom a client believes, and what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsOrigination {
    /// Secret with the roots (and for MUTUAL the certificate); excludes the files.
    pub credential: Option<String>,
    /// File of roots. Absent, without a credential: the system's.
    pub ca_certificates: Option<String>,
    /// File of revoked certificates.
    pub ca_crl: Option<String>,
    /// Names of which the certificate has one; empty: not looked at.
    pub subject_alt_names: Vec<String>,
    /// Absent: from the host.
    pub sni: Option<String>,
    /// Any certificate will do.
    pub insecure_skip_verify: bool,
}

/// A client's own certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientCertificate {
    /// In files of the proxy.
    Files {
        /// Chain, PEM.
        certificate: String,
        /// Key, PEM.
        private_key: String,
    },
    /// In the secret [`TlsOrigination::credential`].
    Credential,
}

/// How a server speaks TLS.
///
/// <https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerTls {
    /// Answer plaintext HTTP with 301 to https.
    pub https_redirect: bool,
    /// Who shows certificates.
    pub mode: ServerTlsMode,
    /// Where the server's is. Absent for modes that need none.
    pub certificate: Option<ServerCertificate>,
    /// File of roots for clients' certificates.
    pub ca_certificates: Option<String>,
    /// File of revoked certificates.
    pub ca_crl: Option<String>,
    /// Names of which a client's certificate has one; empty: not looked at.
    pub subject_alt_names: Vec<String>,
    /// Base64 SHA-256 hashes of clients' keys; empty: not looked at.
    pub verify_spki: Vec<String>,
    /// Hex SHA-256 hashes of clients' certificates; empty: not looked at.
    pub verify_hash: Vec<String>,
    /// Absent: 1.2 on gateways.
    pub min_version: Option<TlsVersion>,
    /// Absent: the newest.
    pub max_version: Option<TlsVersion>,
    /// OpenSSL's words; empty: Istio's list.
    pub cipher_suites: Vec<String>,
}

/// Who shows certificates to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServerTlsMode {
    /// The connection is not opened; routed by server name. What a `tls` block without a mode means.
    #[default]
    Passthrough,
    /// The server.
    Simple,
    /// Both.
    Mutual,
    /// The connection is not opened; its server name says service and port.
    AutoPassthrough,
    /// Both, of the mesh.
    IstioMutual,
    /// The server, and clients that have one.
    OptionalMutual,
}

/// Where a server's certificate is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerCertificate {
    /// A secret.
    Credential(String),
    /// Files of the proxy.
    Files {
        /// Chain, PEM.
        certificate: String,
        /// Key, PEM.
        private_key: String,
    },
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.0.
    V1_0,
    /// 1.1.
    V1_1,
    /// 1.2.
    V1_2,
    /// 1.3.
    V1_3,
}
