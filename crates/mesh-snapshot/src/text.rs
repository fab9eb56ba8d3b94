//! Tests of texts: exact, prefix, suffix, contained, or a regular expression; and rewriting by one.

use std::fmt;

use mesh_proto::envoy::envoy::r#type::matcher::v3 as pb;
use regex::bytes::{Regex, RegexBuilder};

use crate::{refusal::Bad, take::nothing_left};

/// The most memory that one compiled expression may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression in RE2's language: linear time, ASCII classes.
fn compile(text: &str) -> Result<Regex, Bad> {
    let build = |unicode| RegexBuilder::new(text).unicode(unicode).size_limit(SIZE_LIMIT).build();
    // Classes such as `\d` are ASCII in RE2; what only Unicode mode can read (`\pL`, `[é]`) is read in that mode.
    build(false).or_else(|_| build(true)).map_err(|e| Bad::new("regex", e.to_string().replace('\n', " ")))
}

/// An expression that has to match a whole text.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    pub(crate) fn parse(matcher: pb::RegexMatcher) -> Result<Self, Bad> {
        // `engine_type` holds only the limits of RE2's program size, which have no meaning for another engine.
        compile(&matcher.regex)?;
        compile(&format!(r"\A(?:{})\z", matcher.regex)).map(Self)
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

/// The expression as it was sent.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.as_str();
        f.write_str(whole.strip_prefix(r"\A(?:").and_then(|rest| rest.strip_suffix(r")\z")).unwrap_or(whole))
    }
}

/// Each match in a text replaced; `\1` stands for the first group, `\0` for all that matched.
#[derive(Clone, Debug)]
pub struct Substitution {
    pattern: Regex,
    by: String,
}

impl Substitution {
    pub(crate) fn parse(mut message: pb::RegexMatchAndSubstitute) -> Result<Self, Bad> {
        let matcher = message.pattern.take().ok_or_else(|| Bad::new("pattern", "is missing"))?;
        let pattern = compile(&matcher.regex)?;
        let by = Self::replacement(&message.substitution, pattern.captures_len())?;
        Ok(Self { pattern, by })
    }

    fn replacement(text: &str, groups: usize) -> Result<String, Bad> {
        let mut by = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '$' => by.push_str("$$"),
                '\\' => match chars.next() {
                    Some('\\') => by.push('\\'),
                    Some(d) if d.to_digit(10).is_some_and(|d| (d as usize) < groups) => {
                        by.push_str("${");
                        by.push(d);
                        by.push('}');
                    }
                    _ => return Err(Bad::new("substitution", "`\\` is followed by the number of a group, or by `\\`")),
                },
                c => by.push(c),
            }
        }
        Ok(by)
    }

    /// The text with each match replaced.
    pub fn apply(&self, text: &str) -> String {
        let replaced = self.pattern.replace_all(text.as_bytes(), self.by.as_bytes());
        String::from_utf8_lossy(&replaced).into_owned()
    }
}

/// A test of a text.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/string.proto>
#[derive(Clone, Debug)]
pub struct TextTest {
    shape: Shape,
    ignore_case: bool,
}

#[derive(Clone, Debug)]
enum Shape {
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<str>),
    Pattern(Pattern),
}

impl TextTest {
    pub(crate) fn parse(mut message: pb::StringMatcher) -> Result<Self, Bad> {
        use pb::string_matcher::MatchPattern as M;
        let ignore_case = std::mem::take(&mut message.ignore_case);
        let fold = |text: String| if ignore_case { text.to_ascii_lowercase() } else { text }.into_boxed_str();
        let shape = match message.match_pattern.take() {
            Some(M::Exact(text)) => Shape::Exact(fold(text)),
            Some(M::Prefix(text)) => Shape::Prefix(fold(text)),
            Some(M::Suffix(text)) => Shape::Suffix(fold(text)),
            Some(M::Contains(text)) => Shape::Contains(fold(text)),
            Some(M::SafeRegex(matcher)) if !ignore_case => Shape::Pattern(Pattern::parse(matcher)?),
            Some(M::SafeRegex(_)) => return Err(Bad::new("ignore_case", "has no meaning for an expression")),
            Some(M::Custom(_)) => return Err(Bad::new("custom", "is not supported")),
            None => return Err(Bad::new("match_pattern", "is missing")),
        };
        nothing_left(&message)?;
        Ok(Self { shape, ignore_case })
    }

    pub(crate) fn exact(text: String) -> Self {
        Self { shape: Shape::Exact(text.into()), ignore_case: false }
    }

    pub(crate) fn prefix(text: String) -> Self {
        Self { shape: Shape::Prefix(text.into()), ignore_case: false }
    }

    pub(crate) fn suffix(text: String) -> Self {
        Self { shape: Shape::Suffix(text.into()), ignore_case: false }
    }

    pub(crate) fn contains(text: String) -> Self {
        Self { shape: Shape::Contains(text.into()), ignore_case: false }
    }

    pub(crate) fn pattern(pattern: Pattern) -> Self {
        Self { shape: Shape::Pattern(pattern), ignore_case: false }
    }

    /// Whether the text passes.
    pub fn is_match(&self, text: &[u8]) -> bool {
        if self.ignore_case { self.test(&text.to_ascii_lowercase()) } else { self.test(text) }
    }

    fn test(&self, text: &[u8]) -> bool {
        match &self.shape {
            Shape::Exact(wanted) => text == wanted.as_bytes(),
            Shape::Prefix(wanted) => text.starts_with(wanted.as_bytes()),
            Shape::Suffix(wanted) => text.ends_with(wanted.as_bytes()),
            Shape::Contains(wanted) => {
                wanted.is_empty() || text.windows(wanted.len()).any(|part| part == wanted.as_bytes())
            }
            Shape::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// What a text should do, to be read after "should": "be `jason`", "begin with `/api`".
impl fmt::Display for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shape {
            Shape::Exact(wanted) => write!(f, "be `{wanted}`"),
            Shape::Prefix(wanted) => write!(f, "begin with `{wanted}`"),
            Shape::Suffix(wanted) => write!(f, "end with `{wanted}`"),
            Shape::Contains(wanted) => write!(f, "contain `{wanted}`"),
            Shape::Pattern(pattern) => write!(f, "match `{pattern}`"),
        }?;
        f.write_str(if self.ignore_case { " in any case" } else { "" })
    }
}

#[cfg(test)]
mod tests;
