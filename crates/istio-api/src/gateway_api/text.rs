//! Texts with a grammar. The grammar is for the API server, which holds objects to it; here they are only texts.

/// Declares texts by what the API server asks of them.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident: $schema:tt,)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(::serde::Serialize, ::serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl ::std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!($schema)
            }
        }
    )*};
}

pub(super) use texts;

texts! {
    /// An API group; empty for the core group.
    Group: {
        "type": "string", "maxLength": 253,
        "pattern": r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    },
    /// A kind.
    KindName: {
        "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$",
    },
    /// The name of an object.
    Name: { "type": "string", "minLength": 1, "maxLength": 253 },
    /// The name of a namespace.
    NamespaceName: {
        "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    },
    /// The name of a part of an object.
    Section: {
        "type": "string", "minLength": 1, "maxLength": 253,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    },
    /// A host, perhaps with `*.` in front.
    Host: {
        "type": "string", "minLength": 1, "maxLength": 253,
        "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    },
    /// A host without wildcard.
    PreciseHost: {
        "type": "string", "minLength": 1, "maxLength": 253,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    },
    /// Who acts on a GatewayClass: `DOMAIN/PATH`.
    ControllerName: {
        "type": "string", "minLength": 1, "maxLength": 253,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$",
    },
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or one with a domain of its own.
    Protocol: {
        "type": "string", "minLength": 1, "maxLength": 255,
        "pattern": r"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$",
    },
    /// `IPAddress`, `Hostname`, `NamedAddress`, or one with a domain of its own.
    AddressType: {
        "type": "string", "minLength": 1, "maxLength": 253,
        "pattern": r"^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$",
    },
    /// The name of a header or a query parameter.
    HeaderName: {
        "type": "string", "minLength": 1, "maxLength": 256, "pattern": r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$",
    },
    /// The value of a header.
    LongText: { "type": "string", "minLength": 1, "maxLength": 4096 },
    /// A path.
    Path: { "type": "string", "maxLength": 1024 },
    /// A length of time, `10s`, `1m30s`; zero means no limit.
    GoDuration: { "type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$" },
}
