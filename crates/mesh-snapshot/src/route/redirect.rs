//! Answers that need no upstream: redirects and direct responses.

use http::StatusCode;
use mesh_proto::envoy::envoy::config::{core::v3::data_source::Specifier, route::v3 as pb};

use super::head::{Head, port_of};
use crate::{
    refusal::{At, Bad},
    take::{ensure, nothing_left},
    text::Substitution,
};

/// An answer that names another address.
#[derive(Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    scheme: Option<Box<str>>,
    host: Option<Box<str>>,
    port: Option<u32>,
    path: NewPath,
    drop_query: bool,
}

#[derive(Debug)]
enum NewPath {
    Same,
    To(Box<str>),
    Prefix(Box<str>),
    Pattern(Substitution),
}

impl Redirect {
    pub(super) fn parse(mut message: pb::RedirectAction) -> Result<Self, Bad> {
        use pb::redirect_action::{PathRewriteSpecifier as P, RedirectResponseCode as R, SchemeRewriteSpecifier as S};
        let status = match R::try_from(std::mem::take(&mut message.response_code)) {
            Ok(R::MovedPermanently) => StatusCode::MOVED_PERMANENTLY,
            Ok(R::Found) => StatusCode::FOUND,
            Ok(R::SeeOther) => StatusCode::SEE_OTHER,
            Ok(R::TemporaryRedirect) => StatusCode::TEMPORARY_REDIRECT,
            Ok(R::PermanentRedirect) => StatusCode::PERMANENT_REDIRECT,
            Err(_) => return Err(Bad::new("response_code", "is unknown")),
        };
        let scheme = match message.scheme_rewrite_specifier.take() {
            Some(S::HttpsRedirect(true)) => Some("https".into()),
            Some(S::SchemeRedirect(scheme)) => Some(scheme.to_ascii_lowercase().into()),
            Some(S::HttpsRedirect(false)) | None => None,
        };
        let path = match message.path_rewrite_specifier.take() {
            None => NewPath::Same,
            Some(P::PathRedirect(path)) if path.is_empty() => NewPath::Same,
            Some(P::PathRedirect(path)) => NewPath::To(path.into()),
            Some(P::PrefixRewrite(prefix)) => NewPath::Prefix(prefix.into()),
            Some(P::RegexRewrite(rewrite)) => NewPath::Pattern(Substitution::parse(rewrite).at("regex_rewrite")?),
            Some(P::PathRewrite(_)) => return Err(Bad::new("path_rewrite", "is not supported")),
        };
        let redirect = Self {
            status,
            scheme,
            host: Some(std::mem::take(&mut message.host_redirect)).filter(|h| !h.is_empty()).map(Into::into),
            port: Some(std::mem::take(&mut message.port_redirect)).filter(|p| *p != 0),
            path,
            drop_query: std::mem::take(&mut message.strip_query),
        };
        nothing_left(&message)?;
        Ok(redirect)
    }

    /// The value of `location`.
    pub fn location(&self, head: &Head<'_>, matched: usize) -> String {
        let scheme = self.scheme.as_deref().unwrap_or(head.scheme);
        let host = match (&self.host, self.port) {
            (Some(host), _) => host,
            (None, Some(_)) => head.host(),
            (None, None) if self.scheme.is_some() && port_of(head.authority) == default_port(head.scheme) => {
                head.host()
            }
            (None, None) => head.authority,
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let path = match &self.path {
            NewPath::Same => head.path.to_owned(),
            NewPath::To(path) => path.to_string(),
            NewPath::Prefix(by) => format!("{by}{}", head.path.get(matched..).unwrap_or_default()),
            NewPath::Pattern(substitution) => substitution.apply(head.path),
        };
        match head.query {
            // A new path may bring its own query.
            Some(query) if !self.drop_query && !path.contains('?') => format!("{scheme}://{host}{port}{path}?{query}"),
            _ => format!("{scheme}://{host}{port}{path}"),
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// An answer that stands in the configuration.
#[derive(Debug)]
pub struct DirectResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Vec<u8>,
}

impl DirectResponse {
    pub(super) fn parse(mut message: pb::DirectResponseAction) -> Result<Self, Bad> {
        let status = u16::try_from(std::mem::take(&mut message.status)).unwrap_or_default();
        ensure((200..600).contains(&status), "status", "is not between 200 and 599")?;
        let status = StatusCode::from_u16(status).map_err(|_| Bad::new("status", "is no status"))?;
        let body = match message.body.take().map(|source| source.specifier) {
            None => Vec::new(),
            Some(Some(Specifier::InlineBytes(bytes))) => bytes,
            Some(Some(Specifier::InlineString(text))) => text.into_bytes(),
            Some(_) => return Err(Bad::new("body", "is not inline")),
        };
        nothing_left(&message)?;
        Ok(Self { status, body })
    }
}
