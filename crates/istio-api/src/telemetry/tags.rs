//! Tags of spans.

use crate::declare::message;

message! {
    /// Where a tag's value comes from; one field is set.
    ///
    /// <https://istio.io/latest/docs/reference/config/telemetry/#Tracing-CustomTag>
    pub struct TracingCustomTag {
        /// A fixed value.
        pub literal: Option<TracingLiteralTag>,
        /// The proxy's environment.
        pub environment: Option<TracingEnvironmentTag>,
        /// A header of the request.
        pub header: Option<TracingHeaderTag>,
    }

    /// A fixed value.
    #[schemars(extend("required" = ["value"]))]
    pub struct TracingLiteralTag {
        /// The value.
        #[schemars(length(min = 1))]
        pub value: String,
    }

    /// A variable of the proxy's environment.
    #[schemars(extend("required" = ["name"]))]
    pub struct TracingEnvironmentTag {
        /// The variable.
        #[schemars(length(min = 1))]
        pub name: String,
        /// The value when it is not set; no tag when empty.
        pub default_value: String,
    }

    /// A header of the request.
    #[schemars(extend("required" = ["name"]))]
    pub struct TracingHeaderTag {
        /// The header.
        #[schemars(length(min = 1))]
        pub name: String,
        /// The value when it is not there; no tag when empty.
        pub default_value: String,
    }
}
