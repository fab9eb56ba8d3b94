//! RequestAuthentication: which tokens requests may carry.

use crate::{
    common::{LabelSelector, PolicyTargetReference},
    declare::message,
    duration::Duration,
};

message! {
    /// Tokens that are checked. A request with a bad token is refused; one without passes, and has no identity.
    ///
    /// <https://istio.io/latest/docs/reference/config/security/request_authentication/>
    pub struct RequestAuthentication {
        /// The workloads that it is for. Not together with `targetRefs`.
        pub selector: Option<LabelSelector>,
        /// Older form of `targetRefs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// The objects that it is attached to.
        #[schemars(length(max = 16))]
        pub target_refs: Vec<PolicyTargetReference>,
        /// Who issues tokens, and how they are checked.
        #[schemars(length(max = 4096))]
        pub jwt_rules: Vec<JwtRule>,
    }

    /// An issuer of tokens. Keys are in `jwks`, or at `jwksUri`, or found by OpenID discovery of the issuer.
    ///
    /// <https://istio.io/latest/docs/reference/config/security/jwt/>
    #[schemars(extend("required" = ["issuer"]))]
    pub struct JwtRule {
        /// The claim `iss`.
        #[schemars(length(min = 1))]
        pub issuer: String,
        /// One of these is in the claim `aud`; empty: it is not looked at.
        #[schemars(inner(length(min = 1)))]
        pub audiences: Vec<String>,
        /// The URL of the keys.
        #[serde(alias = "jwks_uri")]
        #[schemars(length(min = 1, max = 2048))]
        pub jwks_uri: String,
        /// The keys themselves, as JSON.
        pub jwks: String,
        /// Headers that carry the token. With none of the `from` fields: `Authorization: Bearer`, then the query
        /// parameter `access_token`.
        pub from_headers: Vec<JwtHeader>,
        /// Query parameters that carry the token.
        #[schemars(inner(length(min = 1)))]
        pub from_params: Vec<String>,
        /// The header in which the service gets the token's payload, in base64.
        pub output_payload_to_header: String,
        /// The service gets the token itself.
        pub forward_original_token: bool,
        /// Claims that the service gets as headers.
        pub output_claim_to_headers: Vec<ClaimToHeader>,
        /// How long fetching the keys may take; 5 s when absent.
        pub timeout: Option<Duration>,
        /// Cookies that carry the token.
        #[schemars(inner(length(min = 1)))]
        pub from_cookies: Vec<String>,
    }

    /// A header that carries a token.
    #[schemars(extend("required" = ["name"]))]
    pub struct JwtHeader {
        /// Its name.
        #[schemars(length(min = 1))]
        pub name: String,
        /// What stands before the token, with its space: `Bearer `.
        pub prefix: String,
    }

    /// A claim that the service gets as a header.
    #[schemars(extend("required" = ["header", "claim"]))]
    pub struct ClaimToHeader {
        /// The header.
        #[schemars(length(min = 1), regex(pattern = "^[-_A-Za-z0-9]+$"))]
        pub header: String,
        /// The claim; dots lead into it. Strings, numbers and booleans only.
        #[schemars(length(min = 1))]
        pub claim: String,
    }
}
