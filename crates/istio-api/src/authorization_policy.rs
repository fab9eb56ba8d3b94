//! AuthorizationPolicy: who may do what.

use crate::{
    common::{LabelSelector, PolicyTargetReference},
    declare::{message, names},
};

message! {
    /// Who may do what to workloads. `CUSTOM` is asked first, then `DENY`, then `ALLOW`; once a workload has an
    /// `ALLOW` policy, what none of them allows is refused.
    ///
    /// <https://istio.io/latest/docs/reference/config/security/authorization-policy/>
    pub struct AuthorizationPolicy {
        /// The workloads that it is for. Not together with `targetRefs`.
        pub selector: Option<LabelSelector>,
        /// Older form of `targetRefs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// The objects that it is attached to.
        #[schemars(length(max = 16))]
        pub target_refs: Vec<PolicyTargetReference>,
        /// A request matches when one of these does. No rules: nothing matches. (An empty rule: everything does.)
        #[schemars(length(max = 512))]
        pub rules: Vec<Rule>,
        /// What happens to requests that match.
        pub action: AuthorizationAction,
        /// `CUSTOM`: who decides.
        pub provider: Option<AuthorizationProvider>,
    }

    /// An extension provider of MeshConfig.
    pub struct AuthorizationProvider {
        /// Its name.
        pub name: String,
    }

    /// All three parts must hold; an empty one always does.
    ///
    /// <https://istio.io/latest/docs/reference/config/security/authorization-policy/#Rule>
    pub struct Rule {
        /// One of these sent the request.
        #[schemars(length(max = 512))]
        pub from: Vec<RuleFrom>,
        /// One of these is asked for.
        pub to: Vec<RuleTo>,
        /// All of these hold.
        pub when: Vec<Condition>,
    }

    /// Who sent the request.
    pub struct RuleFrom {
        /// The sender.
        pub source: Option<Source>,
    }

    /// What is asked for.
    pub struct RuleTo {
        /// The operation.
        pub operation: Option<Operation>,
    }

    /// A sender: every field that is set must hold, each by one of its values. A value may be exact, a `prefix*`, a
    /// `*suffix`, or `*` for anything.
    ///
    /// <https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source>
    pub struct Source {
        /// Identities from certificates: `cluster.local/ns/NAMESPACE/sa/ACCOUNT`.
        pub principals: Vec<String>,
        /// None of these identities.
        pub not_principals: Vec<String>,
        /// Identities from tokens: `ISSUER/SUBJECT`.
        pub request_principals: Vec<String>,
        /// None of these identities from tokens.
        pub not_request_principals: Vec<String>,
        /// Namespaces from certificates.
        pub namespaces: Vec<String>,
        /// None of these namespaces.
        pub not_namespaces: Vec<String>,
        /// Service accounts from certificates: `ACCOUNT` or `NAMESPACE/ACCOUNT`, without `*`.
        #[schemars(length(max = 16), inner(length(max = 320)))]
        pub service_accounts: Vec<String>,
        /// None of these service accounts.
        #[schemars(length(max = 16), inner(length(max = 320)))]
        pub not_service_accounts: Vec<String>,
        /// Addresses or ranges of the connection's other end.
        pub ip_blocks: Vec<String>,
        /// None of these.
        pub not_ip_blocks: Vec<String>,
        /// Addresses or ranges of the first client, by `X-Forwarded-For` or PROXY protocol.
        pub remote_ip_blocks: Vec<String>,
        /// None of these.
        pub not_remote_ip_blocks: Vec<String>,
    }

    /// An operation: every field that is set must hold, each by one of its values.
    ///
    /// <https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation>
    pub struct Operation {
        /// Hosts, without regard to case.
        pub hosts: Vec<String>,
        /// None of these hosts.
        pub not_hosts: Vec<String>,
        /// Ports.
        pub ports: Vec<String>,
        /// None of these ports.
        pub not_ports: Vec<String>,
        /// Methods; for gRPC always `POST`.
        pub methods: Vec<String>,
        /// None of these methods.
        pub not_methods: Vec<String>,
        /// Paths; for gRPC `/package.service/method`. `{*}` stands for one part, `{**}` for any number.
        pub paths: Vec<String>,
        /// None of these paths.
        pub not_paths: Vec<String>,
    }

    /// A condition on an attribute; `values` or `notValues` is set.
    ///
    /// <https://istio.io/latest/docs/reference/config/security/conditions/>
    #[schemars(extend("required" = ["key"]))]
    pub struct Condition {
        /// The attribute, such as `request.headers[x-version]`.
        pub key: String,
        /// It has one of these values.
        pub values: Vec<String>,
        /// It has none of these values.
        pub not_values: Vec<String>,
    }
}

names! {
    /// What happens to requests that match.
    pub enum AuthorizationAction {
        /// They are allowed.
        Allow = 0 "ALLOW",
        /// They are refused.
        Deny = 1 "DENY",
        /// They are noted.
        Audit = 2 "AUDIT",
        /// The provider decides.
        Custom = 3 "CUSTOM",
    }
}
