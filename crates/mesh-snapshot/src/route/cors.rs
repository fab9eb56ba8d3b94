//! Which pages of other origins may ask: the CORS policy.

use http::{HeaderMap, HeaderValue, Method, header};
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3 as pb;

use super::head::Head;
use crate::{
    fraction::Fraction,
    refusal::{At, Bad},
    take::{flag, nothing_left},
    text::TextTest,
};

/// A cross-origin policy.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/cors_filter>
#[derive(Debug)]
pub struct Cors {
    origins: Vec<TextTest>,
    methods: Option<HeaderValue>,
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    credentials: bool,
    forward_unmatched: bool,
    enabled: Fraction,
}

/// What the policy says of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum CorsVerdict {
    /// Nothing: it goes on untouched.
    None,
    /// A browser's question before the request: it is answered here.
    Preflight(Preflight),
    /// A request of an allowed origin: it goes on, and [`Cors::mark`] is applied to its response.
    Allowed(HeaderValue),
}

/// The headers of a 200 that answers a preflight.
#[derive(Debug, PartialEq, Eq)]
pub struct Preflight(pub HeaderMap);

impl Cors {
    pub(super) fn parse(mut message: pb::CorsPolicy) -> Result<Self, Bad> {
        let origins = std::mem::take(&mut message.allow_origin_string_match).into_iter().enumerate();
        let value = |field: &str, text: String| match HeaderValue::try_from(text) {
            Ok(value) => Ok(Some(value).filter(|v| !v.is_empty())),
            Err(_) => Err(Bad::new(field, "is no value of a header")),
        };
        let cors = Self {
            origins: origins
                .map(|(i, m)| TextTest::parse(m).at_index("allow_origin_string_match", i))
                .collect::<Result<_, _>>()?,
            methods: value("allow_methods", std::mem::take(&mut message.allow_methods))?,
            headers: value("allow_headers", std::mem::take(&mut message.allow_headers))?,
            expose: value("expose_headers", std::mem::take(&mut message.expose_headers))?,
            max_age: value("max_age", std::mem::take(&mut message.max_age))?,
            credentials: flag(message.allow_credentials.take()).unwrap_or(false),
            forward_unmatched: flag(message.forward_not_matching_preflights.take()).unwrap_or(true),
            enabled: message
                .filter_enabled
                .take()
                .map_or(Ok(Fraction::ALL), Fraction::parse_runtime)
                .at("filter_enabled")?,
        };
        nothing_left(&message)?;
        Ok(cors)
    }

    /// Asks the policy.
    pub fn check(&self, head: &Head<'_>, random: u64) -> CorsVerdict {
        let Some(origin) = head.headers.get(header::ORIGIN).filter(|o| !o.is_empty()) else { return CorsVerdict::None };
        if !self.enabled.hit(random) {
            return CorsVerdict::None;
        }
        let preflight = *head.method == Method::OPTIONS
            && head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| !method.is_empty());
        let allowed = self.origins.iter().any(|test| test.is_match(origin.as_bytes()));
        match (allowed, preflight) {
            (true, true) => CorsVerdict::Preflight(self.preflight(origin)),
            (true, false) => CorsVerdict::Allowed(origin.clone()),
            (false, true) if !self.forward_unmatched => CorsVerdict::Preflight(Preflight(HeaderMap::new())),
            (false, _) => CorsVerdict::None,
        }
    }

    fn preflight(&self, origin: &HeaderValue) -> Preflight {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let more = [
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, self.credentials.then(|| HeaderValue::from_static("true"))),
            (header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone()),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone()),
            (header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone()),
        ];
        headers.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Preflight(headers)
    }

    /// Marks the response to an allowed origin.
    pub fn mark(&self, origin: HeaderValue, response: &mut HeaderMap) {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = &self.expose {
            response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }
}
