//! Changes of headers, as routes ask for them.

use http::{HeaderMap, HeaderName, HeaderValue};
use mesh_proto::envoy::envoy::config::core::v3 as pb;

use crate::{
    format::{Facts, Missing, Template},
    refusal::{At, Bad},
    take::{flag, nothing_left},
};

/// Headers to remove, then headers to add.
#[derive(Clone, Debug, Default)]
pub struct HeaderChanges {
    remove: Vec<HeaderName>,
    add: Vec<Addition>,
}

#[derive(Clone, Debug)]
struct Addition {
    name: HeaderName,
    value: Value,
    action: Action,
    keep_empty: bool,
}

#[derive(Clone, Debug)]
enum Value {
    Constant(HeaderValue),
    Template(Template),
}

/// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#enum-config-core-v3-headervalueoption-headerappendaction>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Append,
    AddIfAbsent,
    Overwrite,
    OverwriteIfPresent,
}

impl HeaderChanges {
    /// Reads `*_headers_to_add` and `*_headers_to_remove`; `to` is `request` or `response`.
    pub(crate) fn parse(to: &str, add: Vec<pb::HeaderValueOption>, remove: Vec<String>) -> Result<Self, Bad> {
        let (add_field, remove_field) = (format!("{to}_headers_to_add"), format!("{to}_headers_to_remove"));
        let add = add.into_iter().enumerate().map(|(i, option)| Addition::parse(option).at_index(&add_field, i));
        let remove = remove.iter().enumerate().map(|(i, name)| header_name(name).at_index(&remove_field, i));
        Ok(Self { remove: remove.collect::<Result<_, _>>()?, add: add.collect::<Result<_, _>>()? })
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty()
    }

    /// Changes headers.
    pub fn apply(&self, headers: &mut HeaderMap, facts: &dyn Facts) {
        for name in &self.remove {
            headers.remove(name);
        }
        for addition in &self.add {
            addition.apply(headers, facts);
        }
    }
}

impl Addition {
    fn parse(mut option: pb::HeaderValueOption) -> Result<Self, Bad> {
        use pb::header_value_option::HeaderAppendAction as A;
        let mut header = option.header.take().ok_or_else(|| Bad::new("header", "is missing"))?;
        let name = header_name(&std::mem::take(&mut header.key)).at("header.key")?;
        let text = std::mem::take(&mut header.value);
        nothing_left(&header).at("header")?;
        let keep_empty = std::mem::take(&mut option.keep_empty_value);
        let action = A::try_from(std::mem::take(&mut option.append_action));
        // The older `append: false` says the same as OVERWRITE_IF_EXISTS_OR_ADD.
        let action = match (flag(option.append.take()), action) {
            (Some(false), Ok(A::AppendIfExistsOrAdd)) | (None, Ok(A::OverwriteIfExistsOrAdd)) => Action::Overwrite,
            (None | Some(true), Ok(A::AppendIfExistsOrAdd)) => Action::Append,
            (None, Ok(A::AddIfAbsent)) => Action::AddIfAbsent,
            (None, Ok(A::OverwriteIfExists)) => Action::OverwriteIfPresent,
            _ => return Err(Bad::new("append_action", "is unknown, or contradicts `append`")),
        };
        nothing_left(&option)?;
        let template = Template::parse(&text).at("header.value")?;
        let value = match template.constant() {
            Some(text) => Value::Constant(
                HeaderValue::from_str(text).map_err(|_| Bad::new("header.value", "is no value of a header"))?,
            ),
            None => Value::Template(template),
        };
        Ok(Self { name, value, action, keep_empty })
    }

    fn apply(&self, headers: &mut HeaderMap, facts: &dyn Facts) {
        match self.action {
            Action::AddIfAbsent if headers.contains_key(&self.name) => return,
            Action::OverwriteIfPresent if !headers.contains_key(&self.name) => return,
            _ => {}
        }
        let value = match &self.value {
            Value::Constant(value) => value.clone(),
            Value::Template(template) => {
                let mut text = String::new();
                template.render(facts, Missing::Empty, &mut text);
                // A fact that no header can carry is left out like one that is missing.
                let Ok(value) = HeaderValue::from_str(&text) else { return };
                value
            }
        };
        if value.is_empty() && !self.keep_empty {
            return;
        }
        match self.action {
            Action::Append | Action::AddIfAbsent => headers.append(self.name.clone(), value),
            Action::Overwrite | Action::OverwriteIfPresent => headers.insert(self.name.clone(), value).is_some(),
        };
    }
}

/// A name of a header that may be changed: no pseudo-header, and not `host`.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, Bad> {
    let name: HeaderName =
        text.to_ascii_lowercase().parse().map_err(|_| Bad::new("", format!("`{text}` is no header name")))?;
    if name == http::header::HOST {
        return Err(Bad::new("", "`host` is changed by a rewrite of the host only"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
