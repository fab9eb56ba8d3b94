//! How every message and every list of names of this crate is declared, once.
//!
//! Istio's kinds are protobuf messages in JSON. Three rules follow, and the two macros here apply them everywhere:
//! an absent field, `null` and the type's zero are the same; a zero is not written; an enum accepts its name or number.

use serde::{Deserialize, Deserializer};

/// Declares messages: structs whose fields are all optional in JSON, in camelCase.
macro_rules! message {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        $(#[$meta])*
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(
                    skip_serializing_if = "crate::declare::is_default",
                    deserialize_with = "crate::declare::null_is_default"
                )]
                pub $field: $type,
            )*
        }
    )*};
}

/// Declares enums by their names and numbers on the wire. The first is what an absent field means.
macro_rules! names {
    ($($(#[$meta:meta])* pub enum $name:ident {
        $(#[$first_meta:meta])* $first:ident = $first_number:literal $first_text:literal,
        $($(#[$variant_meta:meta])* $variant:ident = $number:literal $text:literal,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[$first_meta])*
            #[default]
            $first = $first_number,
            $($(#[$variant_meta])* $variant = $number,)*
        }

        impl $name {
            /// Every value, by its name as users write it, in the order of the numbers.
            pub const ALL: &[(&str, Self)] = &[($first_text, Self::$first), $(($text, Self::$variant),)*];

            /// The name as users write it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $first_text,
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::declare::named(deserializer, Self::ALL, |value| *value as i64)
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
                let names: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
                let numbers: Vec<i64> = Self::ALL.iter().map(|(_, value)| *value as i64).collect();
                ::schemars::json_schema!({ "type": "string", "enum": names, "x-lateen-numbers": numbers })
            }
        }
    )*};
}

pub(crate) use {message, names};

/// Whether a field says nothing, so that it need not be written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads `null` as the absent field.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads an enum by its name or its number.
pub(crate) fn named<'de, D, T>(deserializer: D, all: &[(&str, T)], number: fn(&T) -> i64) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Copy,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a name")]
    enum Wire {
        Number(i64),
        Name(String),
    }
    let wire = Wire::deserialize(deserializer)?;
    let found = all.iter().find(|(name, value)| match &wire {
        Wire::Number(n) => *n == number(value),
        Wire::Name(n) => n == name,
    });
    found.map(|(_, value)| *value).ok_or_else(|| {
        let wrong = match wire {
            Wire::Number(n) => n.to_string(),
            Wire::Name(n) => format!("`{n}`"),
        };
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        serde::de::Error::custom(format!("{wrong} is none of {}", names.join(", ")))
    })
}
