//! What became of objects.

use super::{Address, ControllerName, ParentRef, RouteGroupKind, Section};
use crate::declare::message;

message! {
    /// Of a GatewayClass.
    #[derive(Eq)]
    pub struct ClassStatus {
        /// What is true of it, by type.
        #[schemars(length(max = 8))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
        pub conditions: Vec<Condition>,
    }

    /// Of a Gateway.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#gatewaystatus>
    #[derive(Eq)]
    pub struct GatewayStatus {
        /// Where it is found.
        #[schemars(length(max = 16))]
        pub addresses: Vec<Address>,
        /// What is true of it, by type.
        #[schemars(length(max = 8))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
        pub conditions: Vec<Condition>,
        /// By name.
        #[schemars(length(max = 64))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub listeners: Vec<ListenerStatus>,
    }

    /// Of a listener.
    #[derive(Eq)]
    #[schemars(extend("required" = ["attachedRoutes", "conditions", "name", "supportedKinds"]))]
    pub struct ListenerStatus {
        /// The listener.
        pub name: Section,
        /// Kinds of routes that may attach.
        #[schemars(length(max = 8))]
        pub supported_kinds: Vec<RouteGroupKind>,
        /// How many routes are attached.
        pub attached_routes: i32,
        /// What is true of it, by type.
        #[schemars(length(max = 8))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
        pub conditions: Vec<Condition>,
    }

    /// Of a route.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#routestatus>
    #[derive(Eq)]
    #[schemars(extend("required" = ["parents"]))]
    pub struct RouteStatus {
        /// By parent and controller.
        #[schemars(length(max = 32))]
        pub parents: Vec<RouteParentStatus>,
    }

    /// What one controller says of a route and one of its parents.
    #[derive(Eq)]
    #[schemars(extend("required" = ["controllerName", "parentRef"]))]
    pub struct RouteParentStatus {
        /// The parent, as the route names it.
        pub parent_ref: ParentRef,
        /// Who says so.
        pub controller_name: ControllerName,
        /// What is true, by type.
        #[schemars(length(min = 1, max = 8))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
        pub conditions: Vec<Condition>,
    }

    /// A thing that is true of an object, or not.
    ///
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/>
    #[derive(Eq)]
    #[schemars(extend("required" = ["lastTransitionTime", "message", "reason", "status", "type"]))]
    pub struct Condition {
        /// What.
        #[schemars(length(max = 316))]
        #[schemars(regex(pattern = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"))]
        pub r#type: String,
        /// `True`, `False` or `Unknown`.
        #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
        pub status: String,
        /// The generation that this is about.
        #[schemars(range(min = 0))]
        pub observed_generation: Option<i64>,
        /// When it last changed, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        pub last_transition_time: String,
        /// Why, in one word.
        #[schemars(length(min = 1, max = 1024), regex(pattern = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
        pub reason: String,
        /// Why, in a sentence.
        #[schemars(length(max = 32768))]
        pub message: String,
    }
}
