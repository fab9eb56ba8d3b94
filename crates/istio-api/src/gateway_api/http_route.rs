//! HTTPRoute: where HTTP requests go.

use super::{Filter, GoDuration, Group, HeaderName, Host, KindName, LongText, Name, NamespaceName, ParentRef};
use crate::declare::{message, names};

message! {
    /// Routing rules for HTTP. The most specific match of all routes is the one that counts.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httproute>
    #[derive(Eq)]
    pub struct HttpRoute {
        /// What it is attached to.
        #[schemars(length(max = 32))]
        pub parent_refs: Vec<ParentRef>,
        /// Hosts that requests are for; those of the listener when empty.
        #[schemars(length(max = 16))]
        pub hostnames: Vec<Host>,
        /// Its rules.
        #[schemars(length(max = 16))]
        pub rules: Vec<HttpRule>,
    }

    /// Which requests, and what happens to them.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule>
    #[derive(Eq)]
    pub struct HttpRule {
        /// Any of them; every request when empty.
        #[schemars(length(max = 64))]
        pub matches: Vec<HttpMatch>,
        /// What happens on the way.
        #[schemars(length(max = 16))]
        pub filters: Vec<Filter>,
        /// Where they go.
        #[schemars(length(max = 16))]
        pub backend_refs: Vec<HttpBackendRef>,
        /// How long it may take.
        pub timeouts: Option<Timeouts>,
    }

    /// Conditions that all hold.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httproutematch>
    #[derive(Eq)]
    pub struct HttpMatch {
        /// The path; every one when absent.
        pub path: Option<HttpPathMatch>,
        /// Headers.
        #[schemars(length(max = 16))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub headers: Vec<NamedMatch>,
        /// Parameters of the query.
        #[schemars(length(max = 16))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub query_params: Vec<QueryMatch>,
        /// The method; every one when absent.
        pub method: Option<HttpMethod>,
    }

    /// What is asked of the path.
    #[derive(Eq)]
    pub struct HttpPathMatch {
        /// How it is compared.
        pub r#type: PathMatchType,
        /// With what; `/` when absent.
        #[schemars(length(max = 1024))]
        pub value: Option<String>,
    }

    /// What is asked of a header.
    #[derive(Eq)]
    #[schemars(extend("required" = ["name", "value"]))]
    pub struct NamedMatch {
        /// How it is compared.
        pub r#type: TextMatchType,
        /// Its name.
        pub name: HeaderName,
        /// Its value.
        pub value: LongText,
    }

    /// What is asked of a parameter of the query.
    #[derive(Eq)]
    #[schemars(extend("required" = ["name", "value"]))]
    pub struct QueryMatch {
        /// How it is compared.
        pub r#type: TextMatchType,
        /// Its name.
        pub name: HeaderName,
        /// Its value.
        #[schemars(length(min = 1, max = 1024))]
        pub value: String,
    }

    /// Where requests go, their share, and what happens to them on the way there.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httpbackendref>
    #[derive(Eq)]
    #[schemars(extend("required" = ["name"]))]
    pub struct HttpBackendRef {
        /// Its API group; the core group when absent.
        pub group: Group,
        /// Its kind; `Service` when absent.
        pub kind: KindName,
        /// Its name.
        pub name: Name,
        /// Its namespace; the route's own when absent.
        pub namespace: NamespaceName,
        /// Its port; a Service needs one.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<i32>,
        /// Its share of the sum of all; 1 when absent.
        #[schemars(range(min = 0, max = 1_000_000))]
        pub weight: Option<i32>,
        /// What happens on the way there.
        #[schemars(length(max = 16))]
        pub filters: Vec<Filter>,
    }

    /// How long a rule's requests may take.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#httproutetimeouts>
    #[derive(Eq)]
    pub struct Timeouts {
        /// The whole request, retries included.
        pub request: Option<GoDuration>,
        /// One try.
        pub backend_request: Option<GoDuration>,
    }
}

names! {
    /// How a path is compared.
    pub enum PathMatchType {
        /// By whole segments from its start.
        PathPrefix = 0 "PathPrefix",
        /// Letter for letter.
        Exact = 1 "Exact",
        /// The whole path matches an RE2 expression.
        RegularExpression = 2 "RegularExpression",
    }

    /// How a text is compared.
    pub enum TextMatchType {
        /// Letter for letter.
        Exact = 0 "Exact",
        /// The whole text matches an RE2 expression.
        RegularExpression = 1 "RegularExpression",
    }

    /// Methods of HTTP.
    pub enum HttpMethod {
        /// `GET`
        Get = 0 "GET",
        /// `HEAD`
        Head = 1 "HEAD",
        /// `POST`
        Post = 2 "POST",
        /// `PUT`
        Put = 3 "PUT",
        /// `DELETE`
        Delete = 4 "DELETE",
        /// `CONNECT`
        Connect = 5 "CONNECT",
        /// `OPTIONS`
        Options = 6 "OPTIONS",
        /// `TRACE`
        Trace = 7 "TRACE",
        /// `PATCH`
        Patch = 8 "PATCH",
    }
}
