//! Gateway and GatewayClass: where traffic enters or leaves, and whose business that is.

use std::collections::BTreeMap;

use super::{
    AddressType, ControllerName, Group, Host, KindName, LocalRef, ParametersRef, Protocol, SecretRef, Section,
};
use crate::declare::{message, names};

message! {
    /// A sort of Gateways, and the controller that acts on them.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#gatewayclass>
    #[derive(Eq)]
    #[schemars(extend("required" = ["controllerName"]))]
    pub struct GatewayClass {
        /// The controller.
        pub controller_name: ControllerName,
        /// Settings for all Gateways of the class.
        pub parameters_ref: Option<ParametersRef>,
        /// For people.
        #[schemars(length(max = 64))]
        pub description: String,
    }

    /// Listeners, and the proxies that they are on.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#gateway>
    #[derive(Eq)]
    #[schemars(extend("required" = ["gatewayClassName", "listeners"]))]
    pub struct Gateway {
        /// Its GatewayClass.
        #[schemars(length(min = 1, max = 253))]
        pub gateway_class_name: String,
        /// What is listened on.
        #[schemars(length(min = 1, max = 64))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub listeners: Vec<Listener>,
        /// Where it should be found; of type Hostname: the Service of proxies that are there already.
        #[schemars(length(max = 16))]
        pub addresses: Vec<Address>,
        /// What the objects carry that are made for it.
        pub infrastructure: Option<Infrastructure>,
    }

    /// What the objects carry that are made for a Gateway.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#gatewayinfrastructure>
    #[derive(Eq)]
    pub struct Infrastructure {
        /// Labels.
        #[schemars(extend("maxProperties" = 8))]
        pub labels: BTreeMap<String, LabelValue>,
        /// Annotations.
        #[schemars(extend("maxProperties" = 8))]
        pub annotations: BTreeMap<String, AnnotationValue>,
        /// An object with more settings.
        pub parameters_ref: Option<LocalRef>,
    }

    /// A port, and what is spoken there.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#listener>
    #[derive(Eq)]
    #[schemars(extend("required" = ["name", "port", "protocol"]))]
    pub struct Listener {
        /// Its name, unique in the Gateway.
        pub name: Section,
        /// The host that it answers for; all when absent.
        pub hostname: Host,
        /// The port.
        #[schemars(range(min = 1, max = 65535))]
        pub port: i32,
        /// What is spoken.
        pub protocol: Protocol,
        /// TLS.
        pub tls: Option<GatewayTls>,
        /// Routes that may attach.
        pub allowed_routes: Option<AllowedRoutes>,
    }

    /// TLS of a listener.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#gatewaytlsconfig>
    #[derive(Eq)]
    pub struct GatewayTls {
        /// Who ends it.
        pub mode: ListenerTlsMode,
        /// Certificates to show.
        #[schemars(length(max = 64))]
        pub certificate_refs: Vec<SecretRef>,
        /// Settings of single implementations.
        #[schemars(extend("maxProperties" = 16))]
        pub options: BTreeMap<String, AnnotationValue>,
    }

    /// Routes that may attach to a listener.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#allowedroutes>
    #[derive(Eq)]
    pub struct AllowedRoutes {
        /// Where they may be; the Gateway's namespace when absent.
        pub namespaces: Option<RouteNamespaces>,
        /// Their kinds; those that go with the protocol when empty.
        #[schemars(length(max = 8))]
        pub kinds: Vec<RouteGroupKind>,
    }

    /// Where routes may be.
    #[derive(Eq)]
    pub struct RouteNamespaces {
        /// Which namespaces.
        pub from: NamespacesFrom,
        /// With `Selector`: labels that they carry.
        pub selector: Option<NamespaceSelector>,
    }

    /// Labels of namespaces.
    ///
    /// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/>
    #[derive(Eq)]
    pub struct NamespaceSelector {
        /// All of them.
        pub match_labels: BTreeMap<String, String>,
        /// All of them hold.
        #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
        pub match_expressions: Vec<Requirement>,
    }

    /// What is asked of one label.
    #[derive(Eq)]
    #[schemars(extend("required" = ["key", "operator"]))]
    pub struct Requirement {
        /// The label.
        pub key: String,
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        pub operator: String,
        /// For `In` and `NotIn`.
        #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
        pub values: Vec<String>,
    }

    /// A kind of routes.
    #[derive(Eq)]
    #[schemars(extend("required" = ["kind"]))]
    pub struct RouteGroupKind {
        /// Its API group; `gateway.networking.k8s.io` when absent.
        pub group: Option<Group>,
        /// The kind.
        pub kind: KindName,
    }

    /// Where a Gateway is found.
    #[derive(Eq)]
    #[schemars(extend("required" = ["value"]))]
    pub struct Address {
        /// What it is; `IPAddress` when absent.
        pub r#type: AddressType,
        /// The address.
        #[schemars(length(min = 1, max = 253))]
        pub value: String,
    }
}

super::text::texts! {
    /// The value of a label.
    LabelValue: {
        "type": "string", "minLength": 0, "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
    },
    /// The value of an annotation.
    AnnotationValue: { "type": "string", "minLength": 0, "maxLength": 4096 },
}

names! {
    /// Who ends TLS.
    pub enum ListenerTlsMode {
        /// The listener.
        Terminate = 0 "Terminate",
        /// The backend.
        Passthrough = 1 "Passthrough",
    }

    /// Namespaces of routes.
    pub enum NamespacesFrom {
        /// The Gateway's own.
        Same = 0 "Same",
        /// All.
        All = 1 "All",
        /// Those with certain labels.
        Selector = 2 "Selector",
    }
}
