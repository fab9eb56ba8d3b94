//! WasmPlugin: WebAssembly in proxies.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    common::{LabelSelector, PolicyTargetReference},
    declare::{message, names},
};

message! {
    /// A module that proxies run as a filter.
    ///
    /// <https://istio.io/latest/docs/reference/config/proxy_extensions/wasm-plugin/>
    #[schemars(extend("required" = ["url"]))]
    pub struct WasmPlugin {
        /// The workloads that it is for. Not together with `targetRefs`.
        pub selector: Option<LabelSelector>,
        /// Older form of `targetRefs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// The objects that it is attached to.
        #[schemars(length(max = 16))]
        pub target_refs: Vec<PolicyTargetReference>,
        /// Where the module is: `oci://` (also without scheme), `http://`, `https://`, `file://`.
        #[schemars(length(min = 1))]
        pub url: String,
        /// The module's checksum, in hex.
        #[schemars(regex(pattern = "(^$|^[a-f0-9]{64}$)"))]
        pub sha256: String,
        /// When it is fetched again.
        pub image_pull_policy: WasmPullPolicy,
        /// The Secret for the registry, in the object's namespace.
        #[schemars(length(min = 1, max = 253))]
        pub image_pull_secret: String,
        /// The key that signatures are checked with; not used.
        pub verification_key: String,
        /// What the module is told.
        pub plugin_config: Option<BTreeMap<String, Value>>,
        /// The name that the module is told it has.
        #[schemars(length(min = 1, max = 256))]
        pub plugin_name: String,
        /// Where among the filters it stands.
        pub phase: WasmPhase,
        /// Where among the plugins of its phase it stands; the highest is the first.
        #[schemars(extend("nullable" = true))]
        pub priority: Option<i32>,
        /// What happens when it fails.
        pub fail_strategy: WasmFailStrategy,
        /// What it runs in.
        pub vm_config: Option<WasmVmConfig>,
        /// The traffic that it sees; all when empty.
        pub r#match: Vec<WasmTrafficSelector>,
        /// What kind of filter it is.
        pub r#type: WasmPluginType,
    }

    /// Traffic that a module sees.
    pub struct WasmTrafficSelector {
        /// Which side.
        pub mode: WasmWorkloadMode,
        /// Which ports; all when empty.
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["number"]))]
        pub ports: Vec<WasmPortSelector>,
    }

    /// A port.
    #[schemars(extend("required" = ["number"]))]
    pub struct WasmPortSelector {
        /// Its number.
        #[schemars(range(min = 1, max = 65535))]
        pub number: u32,
    }

    /// What a module runs in.
    pub struct WasmVmConfig {
        /// Variables of its environment.
        #[schemars(length(max = 256))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub env: Vec<WasmEnvVar>,
    }

    /// A variable.
    #[schemars(extend("required" = ["name"]))]
    pub struct WasmEnvVar {
        /// Its name.
        #[schemars(length(min = 1, max = 256))]
        pub name: String,
        /// Where its value comes from.
        pub value_from: WasmEnvValueSource,
        /// `INLINE`: its value.
        #[schemars(length(max = 2048))]
        pub value: String,
    }
}

names! {
    /// When a module is fetched again.
    pub enum WasmPullPolicy {
        /// Always for the tag `latest`, else once.
        Unspecified = 0 "UNSPECIFIED_POLICY",
        /// Once.
        IfNotPresent = 1 "IfNotPresent",
        /// Always.
        Always = 2 "Always",
    }

    /// Where among the filters a module stands.
    pub enum WasmPhase {
        /// At the end, before the router.
        Unspecified = 0 "UNSPECIFIED_PHASE",
        /// Before authentication.
        Authn = 1 "AUTHN",
        /// Before authorization, after authentication.
        Authz = 2 "AUTHZ",
        /// Before statistics, after authorization.
        Stats = 3 "STATS",
    }

    /// What happens when a module fails.
    pub enum WasmFailStrategy {
        /// Requests are refused.
        FailClose = 0 "FAIL_CLOSE",
        /// Requests pass without it.
        FailOpen = 1 "FAIL_OPEN",
    }

    /// Sides of traffic.
    pub enum WasmWorkloadMode {
        /// As `CLIENT_AND_SERVER`.
        Undefined = 0 "UNDEFINED",
        /// What the workload sends.
        Client = 1 "CLIENT",
        /// What the workload gets.
        Server = 2 "SERVER",
        /// Both.
        ClientAndServer = 3 "CLIENT_AND_SERVER",
    }

    /// Kinds of filters.
    pub enum WasmPluginType {
        /// As `HTTP`.
        Unspecified = 0 "UNSPECIFIED_PLUGIN_TYPE",
        /// Of requests.
        Http = 1 "HTTP",
        /// Of connections.
        Network = 2 "NETWORK",
    }

    /// Where a variable's value comes from.
    pub enum WasmEnvValueSource {
        /// It is written in the object.
        Inline = 0 "INLINE",
        /// From the proxy's environment.
        Host = 1 "HOST",
    }
}
