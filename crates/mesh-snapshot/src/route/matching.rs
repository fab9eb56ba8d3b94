//! Whether a route is a request's.

use std::borrow::Cow;

use http::HeaderValue;
use mesh_proto::envoy::envoy::config::route::v3 as pb;

use super::head::Head;
use crate::{
    format::Field,
    fraction::Fraction,
    refusal::{At, Bad},
    take::{flag, nothing_left},
    text::{Pattern, TextTest},
};

/// All that a route asks of a request.
#[derive(Debug)]
pub(super) struct RouteTest {
    path: PathTest,
    headers: Vec<HeaderTest>,
    query: Vec<QueryTest>,
    grpc: bool,
    share: Fraction,
}

#[derive(Debug)]
enum PathTest {
    Prefix {
        text: Box<str>,
        ignore_case: bool,
    },
    Exact {
        text: Box<str>,
        ignore_case: bool,
    },
    /// `/foo` holds `/foo` and `/foo/bar`, not `/foobar`.
    Segments {
        text: Box<str>,
        ignore_case: bool,
    },
    Pattern(Pattern),
}

/// A test of one header.
#[derive(Clone, Debug)]
pub(crate) struct HeaderTest {
    field: Field,
    test: ValueTest,
    invert: bool,
    missing_is_empty: bool,
}

#[derive(Clone, Debug)]
enum ValueTest {
    Present(bool),
    Text(TextTest),
    Range(i64, i64),
}

#[derive(Debug)]
struct QueryTest {
    name: Box<str>,
    test: ValueTest,
}

impl RouteTest {
    pub(super) fn parse(mut message: pb::RouteMatch) -> Result<Self, Bad> {
        use pb::route_match::PathSpecifier as P;
        let ignore_case = !flag(message.case_sensitive.take()).unwrap_or(true);
        let path = match message.path_specifier.take() {
            Some(P::Prefix(text)) => PathTest::Prefix { text: text.into(), ignore_case },
            Some(P::Path(text)) => PathTest::Exact { text: text.into(), ignore_case },
            Some(P::PathSeparatedPrefix(text)) => PathTest::Segments { text: text.into(), ignore_case },
            Some(P::SafeRegex(matcher)) => PathTest::Pattern(Pattern::parse(matcher).at("safe_regex")?),
            Some(P::ConnectMatcher(_)) => return Err(Bad::new("connect_matcher", "is not supported")),
            Some(P::PathMatchPolicy(_)) => return Err(Bad::new("path_match_policy", "is not supported")),
            None => return Err(Bad::new("path_specifier", "is missing")),
        };
        let headers = std::mem::take(&mut message.headers).into_iter().enumerate();
        let headers = headers.map(|(i, h)| HeaderTest::parse(h).at_index("headers", i)).collect::<Result<_, _>>()?;
        let query = std::mem::take(&mut message.query_parameters).into_iter().enumerate();
        let query =
            query.map(|(i, q)| QueryTest::parse(q).at_index("query_parameters", i)).collect::<Result<_, _>>()?;
        let grpc = message.grpc.take().is_some();
        let share = message.runtime_fraction.take().map_or(Ok(Fraction::ALL), Fraction::parse_runtime);
        let share = share.at("runtime_fraction")?;
        nothing_left(&message)?;
        Ok(Self { path, headers, query, grpc, share })
    }

    pub(super) fn is_match(&self, head: &Head<'_>, random: u64) -> bool {
        self.path.is_match(head.path)
            && (!self.grpc || head.is_grpc())
            && self.headers.iter().all(|test| test.is_match(head))
            && self.query.iter().all(|test| test.is_match(head))
            && (self.share == Fraction::ALL || self.share.hit(random))
    }

    /// Everything that keeps a request from the route; empty just when it [`Self::is_match`].
    pub(super) fn mismatches(&self, head: &Head<'_>, random: u64) -> Vec<String> {
        let path = self.path.mismatch(head.path);
        let grpc = (self.grpc && !head.is_grpc()).then(|| "it is no gRPC request".to_owned());
        let headers = self.headers.iter().filter_map(|test| test.mismatch(head));
        let query = self.query.iter().filter_map(|test| test.mismatch(head));
        let unlucky = self.share != Fraction::ALL && !self.share.hit(random);
        let share = unlucky.then(|| format!("only {} % of the requests take it", self.share.percent()));
        path.into_iter().chain(grpc).chain(headers).chain(query).chain(share).collect()
    }

    pub(super) fn matched(&self, head: &Head<'_>) -> usize {
        match &self.path {
            PathTest::Prefix { text, .. } | PathTest::Segments { text, .. } => text.len(),
            PathTest::Exact { .. } | PathTest::Pattern(_) => head.path.len(),
        }
    }
}

impl PathTest {
    fn is_match(&self, path: &str) -> bool {
        let same = |a: &str, b: &str, ignore_case: bool| if ignore_case { a.eq_ignore_ascii_case(b) } else { a == b };
        let starts =
            |text: &str, ignore_case| path.get(..text.len()).is_some_and(|start| same(start, text, ignore_case));
        match self {
            Self::Prefix { text, ignore_case } => starts(text, *ignore_case),
            Self::Exact { text, ignore_case } => same(path, text, *ignore_case),
            Self::Segments { text, ignore_case } => {
                starts(text, *ignore_case) && matches!(path.as_bytes().get(text.len()), None | Some(b'/'))
            }
            Self::Pattern(pattern) => pattern.is_match(path.as_bytes()),
        }
    }
}

impl PathTest {
    fn mismatch(&self, path: &str) -> Option<String> {
        let in_any_case = |ignore: bool| if ignore { " in any case" } else { "" };
        (!self.is_match(path)).then(|| match self {
            Self::Prefix { text, ignore_case } => {
                format!("the path is `{path}`, should begin with `{text}`{}", in_any_case(*ignore_case))
            }
            Self::Exact { text, ignore_case } => {
                format!("the path is `{path}`, should be `{text}`{}", in_any_case(*ignore_case))
            }
            Self::Segments { text, ignore_case } => {
                format!("the path is `{path}`, should be or lie under `{text}`{}", in_any_case(*ignore_case))
            }
            Self::Pattern(pattern) => format!("the path is `{path}`, should match `{pattern}`"),
        })
    }
}

impl HeaderTest {
    pub(crate) fn parse(mut message: pb::HeaderMatcher) -> Result<Self, Bad> {
        use pb::header_matcher::HeaderMatchSpecifier as M;
        let field = Field::parse(&std::mem::take(&mut message.name)).at("name")?;
        let invert = std::mem::take(&mut message.invert_match);
        let missing_is_empty = std::mem::take(&mut message.treat_missing_header_as_empty);
        let test = match message.header_match_specifier.take() {
            None => ValueTest::Present(true),
            Some(M::PresentMatch(present)) => ValueTest::Present(present),
            Some(M::StringMatch(matcher)) => ValueTest::Text(TextTest::parse(matcher).at("string_match")?),
            Some(M::RangeMatch(range)) => ValueTest::Range(range.start, range.end),
            Some(M::ExactMatch(text)) => ValueTest::Text(TextTest::exact(text)),
            Some(M::PrefixMatch(text)) => ValueTest::Text(TextTest::prefix(text)),
            Some(M::SuffixMatch(text)) => ValueTest::Text(TextTest::suffix(text)),
            Some(M::ContainsMatch(text)) => ValueTest::Text(TextTest::contains(text)),
            Some(M::SafeRegexMatch(matcher)) => {
                ValueTest::Text(TextTest::pattern(Pattern::parse(matcher).at("safe_regex_match")?))
            }
        };
        nothing_left(&message)?;
        Ok(Self { field, test, invert, missing_is_empty })
    }

    /// Whether a request passes.
    pub(crate) fn is_match(&self, head: &Head<'_>) -> bool {
        self.passes(self.value(head).as_deref())
    }

    /// Why a request does not pass.
    fn mismatch(&self, head: &Head<'_>) -> Option<String> {
        let value = self.value(head);
        let not = match (self.invert, &self.test, &value) {
            (false, ..) => "",
            (true, ValueTest::Text(_) | ValueTest::Range(..), None) => "be there and not ",
            (true, ..) => "not ",
        };
        (!self.passes(value.as_deref()))
            .then(|| format!("{} {}, should {not}{}", self.field, what_it_is(value.as_deref()), self.test.words()))
    }

    /// What the request has there; several values under one name are read as one, joined by commas.
    fn value<'h>(&self, head: &Head<'h>) -> Option<Cow<'h, [u8]>> {
        let name = match &self.field {
            Field::Method => return Some(Cow::Borrowed(head.method.as_str().as_bytes())),
            Field::Authority => return Some(Cow::Borrowed(head.authority.as_bytes())),
            Field::Scheme => return Some(Cow::Borrowed(head.scheme.as_bytes())),
            Field::Path => {
                let path = head.query.map_or_else(|| head.path.to_owned(), |query| format!("{}?{query}", head.path));
                return Some(Cow::Owned(path.into_bytes()));
            }
            Field::Status => return None,
            Field::Name(name) => name,
        };
        let mut values = head.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        match (values.next(), values.next()) {
            (first, None) => first.map(Cow::Borrowed),
            (_, Some(_)) => {
                let all: Vec<&[u8]> = head.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
                Some(Cow::Owned(all.join(&b","[..])))
            }
        }
    }

    fn passes(&self, value: Option<&[u8]>) -> bool {
        let value = if self.missing_is_empty { value.or(Some(b"")) } else { value };
        match (&self.test, value) {
            (ValueTest::Present(_), _) => self.test.is_match(value) != self.invert,
            // Without the header nothing is said about its value, inverted or not.
            (_, None) => false,
            (test, value) => test.is_match(value) != self.invert,
        }
    }
}

impl ValueTest {
    fn is_match(&self, value: Option<&[u8]>) -> bool {
        match self {
            Self::Present(wanted) => value.is_some() == *wanted,
            Self::Text(test) => value.is_some_and(|value| test.is_match(value)),
            Self::Range(from, to) => {
                let number: Option<i64> = value.and_then(|v| std::str::from_utf8(v).ok()).and_then(|v| v.parse().ok());
                number.is_some_and(|number| (*from..*to).contains(&number))
            }
        }
    }
}

impl ValueTest {
    /// To be read after "should".
    fn words(&self) -> String {
        match self {
            Self::Present(true) => "be there".to_owned(),
            Self::Present(false) => "be absent".to_owned(),
            Self::Text(test) => test.to_string(),
            Self::Range(from, to) => format!("be a number from {from} to below {to}"),
        }
    }
}

/// To be read behind a name.
fn what_it_is(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "is absent".to_owned(), |value| format!("is `{}`", String::from_utf8_lossy(value)))
}

impl QueryTest {
    fn parse(mut message: pb::QueryParameterMatcher) -> Result<Self, Bad> {
        use pb::query_parameter_matcher::QueryParameterMatchSpecifier as M;
        let name = std::mem::take(&mut message.name).into();
        let test = match message.query_parameter_match_specifier.take() {
            None => ValueTest::Present(true),
            Some(M::PresentMatch(present)) => ValueTest::Present(present),
            Some(M::StringMatch(matcher)) => ValueTest::Text(TextTest::parse(matcher).at("string_match")?),
        };
        nothing_left(&message)?;
        Ok(Self { name, test })
    }

    fn is_match(&self, head: &Head<'_>) -> bool {
        self.test.is_match(head.query_parameter(&self.name).map(str::as_bytes))
    }

    fn mismatch(&self, head: &Head<'_>) -> Option<String> {
        let value = head.query_parameter(&self.name).map(str::as_bytes);
        (!self.test.is_match(value))
            .then(|| format!("query parameter `{}` {}, should {}", self.name, what_it_is(value), self.test.words()))
    }
}
