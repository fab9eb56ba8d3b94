//! Filters: what happens to requests and responses on their way.

use super::{HeaderName, LocalRef, LongText, ObjectRef, Path, PreciseHost};
use crate::declare::{message, names};

message! {
    /// What happens to requests or responses of an HTTPRoute; the field that `type` names is set.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httproutefilter>
    #[derive(Eq)]
    #[schemars(extend("required" = ["type"]))]
    pub struct Filter {
        /// Which.
        pub r#type: FilterType,
        /// Changes of the request's headers.
        pub request_header_modifier: Option<HeaderModifier>,
        /// Changes of the response's headers.
        pub response_header_modifier: Option<HeaderModifier>,
        /// A copy of the request.
        pub request_mirror: Option<RequestMirror>,
        /// Another address as the answer.
        pub request_redirect: Option<RequestRedirect>,
        /// Changes of path and host.
        pub url_rewrite: Option<UrlRewrite>,
        /// Something that only single implementations know.
        pub extension_ref: Option<LocalRef>,
    }

    /// Changes of headers. Names are compared without regard to case.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httpheaderfilter>
    #[derive(Eq)]
    pub struct HeaderModifier {
        /// Replaces the header's values by this one.
        #[schemars(length(max = 16))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub set: Vec<Header>,
        /// Adds this value beside those that are there.
        #[schemars(length(max = 16))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub add: Vec<Header>,
        /// Takes these headers away.
        #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
        pub remove: Vec<String>,
    }

    /// A header.
    #[derive(Eq)]
    #[schemars(extend("required" = ["name", "value"]))]
    pub struct Header {
        /// Its name.
        pub name: HeaderName,
        /// Its value.
        pub value: LongText,
    }

    /// A copy of requests; its answer is dropped.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httprequestmirrorfilter>
    #[derive(Eq)]
    #[schemars(extend("required" = ["backendRef"]))]
    pub struct RequestMirror {
        /// Where copies go.
        pub backend_ref: ObjectRef,
    }

    /// Another address as the answer.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httprequestredirectfilter>
    #[derive(Eq)]
    pub struct RequestRedirect {
        /// The new scheme, `http` or `https`; as it was when absent.
        #[schemars(extend("enum" = ["http", "https"]))]
        pub scheme: String,
        /// The new host; as it was when absent.
        pub hostname: PreciseHost,
        /// The new path; as it was when absent.
        pub path: Option<PathModifier>,
        /// The new port; that of the new scheme, else the listener's, when absent.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<i32>,
        /// The status; 302 when absent.
        #[schemars(extend("enum" = [301, 302]))]
        pub status_code: Option<i64>,
    }

    /// Changes of path and host before the request is sent on.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httpurlrewritefilter>
    #[derive(Eq)]
    pub struct UrlRewrite {
        /// The new host.
        pub hostname: PreciseHost,
        /// The new path.
        pub path: Option<PathModifier>,
    }

    /// A new path; the field that `type` names is set.
    #[derive(Eq)]
    #[schemars(extend("required" = ["type"]))]
    pub struct PathModifier {
        /// Which.
        pub r#type: PathModifierType,
        /// The whole path.
        pub replace_full_path: Option<Path>,
        /// Instead of the prefix that matched.
        pub replace_prefix_match: Option<Path>,
    }
}

names! {
    /// What a filter of an HTTPRoute does.
    pub enum RouteFilterType {
        /// Changes headers of the request.
        RequestHeaderModifier = 0 "RequestHeaderModifier",
        /// Changes headers of the response.
        ResponseHeaderModifier = 1 "ResponseHeaderModifier",
        /// Copies the request.
        RequestMirror = 2 "RequestMirror",
        /// Answers with another address.
        RequestRedirect = 3 "RequestRedirect",
        /// Changes path and host.
        UrlRewrite = 4 "URLRewrite",
        /// What only single implementations know.
        ExtensionRef = 5 "ExtensionRef",
    }

    /// What a path modifier does.
    pub enum PathModifierType {
        /// Replaces the whole path.
        ReplaceFullPath = 0 "ReplaceFullPath",
        /// Replaces the prefix that matched.
        ReplacePrefixMatch = 1 "ReplacePrefixMatch",
    }
}

/// The type of a [`Filter`].
pub type FilterType = RouteFilterType;
