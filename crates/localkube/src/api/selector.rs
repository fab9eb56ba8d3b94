//! Label and field selectors, as `labelSelector` and `fieldSelector` write them.

use serde_json::Value;

use crate::{kinds::Kind, object::Object, status::Status};

/// A conjunction of requirements on labels. The empty selector selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Labels {
    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`; 400 for anything else.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let requirements = split_outside_parentheses(text)
            .into_iter()
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| requirement(part).ok_or_else(|| unparsable(part)))
            .collect::<Result<_, _>>()?;
        Ok(Self(requirements))
    }

    /// A `metav1.LabelSelector` (`matchLabels`, `matchExpressions`). An absent one selects nothing (None).
    pub fn from_value(selector: &Value) -> Option<Self> {
        let selector = selector.as_object()?;
        let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        let mut requirements: Vec<Requirement> = labels
            .filter_map(|(key, value)| {
                Some(Requirement { key: key.clone(), test: Test::In(vec![value.as_str()?.to_owned()]) })
            })
            .collect();
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let key = expression["key"].as_str()?.to_owned();
            let values = expression["values"].as_array().into_iter().flatten();
            let values = values.filter_map(|v| v.as_str().map(str::to_owned)).collect();
            let test = match expression["operator"].as_str()? {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::Absent,
                _ => return None,
            };
            requirements.push(Requirement { key, test });
        }
        Some(Self(requirements))
    }

    /// True for the selector that selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, object: &Object) -> bool {
        self.matches_by(|key| object.label(key))
    }

    /// As [`Labels::matches`], for labels found by `label`.
    pub fn matches_by<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| {
            let value = label(&requirement.key);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|v| values.iter().any(|wanted| wanted == v)),
                Test::NotIn(values) => value.is_none_or(|v| values.iter().all(|unwanted| unwanted != v)),
                Test::Above(bound) => number(value).is_some_and(|n| n > *bound),
                Test::Below(bound) => number(value).is_some_and(|n| n < *bound),
            }
        })
    }
}

impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, Requirement { key, test }) in self.0.iter().enumerate() {
            f.write_str(if n > 0 { "," } else { "" })?;
            match test {
                Test::Exists => write!(f, "{key}"),
                Test::Absent => write!(f, "!{key}"),
                Test::In(values) if values.len() == 1 => write!(f, "{key}={}", values[0]),
                Test::In(values) => write!(f, "{key} in ({})", values.join(",")),
                Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(",")),
                Test::Above(bound) => write!(f, "{key}>{bound}"),
                Test::Below(bound) => write!(f, "{key}<{bound}"),
            }?;
        }
        Ok(())
    }
}

fn number(value: Option<&str>) -> Option<i64> {
    value?.parse().ok()
}

fn unparsable(part: &str) -> Status {
    Status::bad_request(format!("unable to parse requirement: invalid label selector \"{part}\""))
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    let make = |key: &str, test| is_key(key.trim()).then(|| Requirement { key: key.trim().to_owned(), test });
    if let Some(key) = part.strip_prefix('!') {
        return make(key, Test::Absent);
    }
    if let Some(list) = part.strip_suffix(')') {
        let (head, list) = list.split_once('(')?;
        let values = list.split(',').map(|v| value(v).map(str::to_owned)).collect::<Option<Vec<_>>>()?;
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => make(key, Test::In(values)),
            "notin" => make(key, Test::NotIn(values)),
            _ => None,
        };
    }
    if let Some((key, unwanted)) = part.split_once("!=") {
        return make(key, Test::NotIn(vec![value(unwanted)?.to_owned()]));
    }
    if let Some((key, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return make(key, Test::In(vec![value(wanted)?.to_owned()]));
    }
    if let Some((key, bound)) = part.split_once('>') {
        return make(key, Test::Above(bound.trim().parse().ok()?));
    }
    if let Some((key, bound)) = part.split_once('<') {
        return make(key, Test::Below(bound.trim().parse().ok()?));
    }
    make(part, Test::Exists)
}

fn is_key(key: &str) -> bool {
    let name = |s: &str| {
        !s.is_empty() && s.len() <= 253 && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match key.split_once('/') {
        Some((prefix, rest)) => name(prefix) && name(rest),
        None => name(key),
    }
}

fn value(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    fits.then_some(text)
}

/// A conjunction of `field=value` and `field!=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<FieldTest>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldTest {
    pointers: Vec<String>,
    absent: &'static str,
    field: String,
    wanted: String,
    equal: bool,
}

impl Fields {
    /// Parses a selector over the fields that `kind` can be selected by; 400 for any other.
    pub fn parse(kind: &Kind, text: &str) -> Result<Self, Status> {
        let tests = text
            .split(',')
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (field, wanted, equal) = if let Some((field, wanted)) = part.split_once("!=") {
                    (field, wanted, false)
                } else if let Some((field, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
                    (field, wanted, true)
                } else {
                    let why = format!("invalid selector: '{text}'; can't understand '{part}'");
                    return Err(Status::bad_request(why));
                };
                let (pointers, absent) = selectable(kind, field)?;
                let wanted = wanted.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\");
                Ok(FieldTest { pointers, absent, field: field.to_owned(), wanted, equal })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self(tests))
    }

    /// True for the selector that selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the object is selected.
    pub fn matches(&self, object: &Object) -> bool {
        self.0.iter().all(|test| {
            let found = test.pointers.iter().find_map(|pointer| object.at(pointer));
            let same = match found {
                None | Some(Value::Null) => test.absent == test.wanted,
                Some(Value::String(text)) => *text == test.wanted,
                Some(Value::Bool(flag)) => test.wanted == if *flag { "true" } else { "false" },
                Some(other) => other.as_i64().is_some_and(|number| test.wanted.parse() == Ok(number)),
            };
            same == test.equal
        })
    }

    /// The name that `metadata.name=` asks for.
    pub fn name(&self) -> Option<&str> {
        self.0.iter().find(|test| test.equal && test.field == "metadata.name").map(|test| test.wanted.as_str())
    }
}

/// Fields by kind beside metadata.name and metadata.namespace, each with the value that an absent field stands for.
const FIELDS: &[(&str, &[(&str, &str)])] = &[
    (
        "pods",
        &[
            ("spec.nodeName", ""),
            ("spec.restartPolicy", ""),
            ("spec.schedulerName", ""),
            ("spec.serviceAccountName", ""),
            ("spec.hostNetwork", "false"),
            ("status.phase", ""),
            ("status.podIP", ""),
            ("status.nominatedNodeName", ""),
        ],
    ),
    (
        "events",
        &[
            ("involvedObject.kind", ""),
            ("involvedObject.namespace", ""),
            ("involvedObject.name", ""),
            ("involvedObject.uid", ""),
            ("involvedObject.apiVersion", ""),
            ("involvedObject.resourceVersion", ""),
            ("involvedObject.fieldPath", ""),
            ("reason", ""),
            ("reportingComponent", ""),
            ("source", ""),
            ("type", ""),
        ],
    ),
    ("nodes", &[("spec.unschedulable", "false")]),
    ("secrets", &[("type", "")]),
    ("namespaces", &[("status.phase", "")]),
    ("replicasets", &[("status.replicas", "0")]),
    ("jobs", &[("status.successful", "0")]),
    ("services", &[("spec.clusterIP", ""), ("spec.type", "")]),
];

fn selectable(kind: &Kind, field: &str) -> Result<(Vec<String>, &'static str), Status> {
    let pointer = || format!("/{}", field.replace('.', "/"));
    if field == "metadata.name" || (field == "metadata.namespace" && kind.is_namespaced()) {
        return Ok((vec![pointer()], ""));
    }
    if kind.definition.is_some() {
        return match custom_fields(kind).iter().any(|known| known == field) {
            true => Ok((vec![pointer()], "")),
            false => Err(Status::bad_request(format!("field label not supported: {field}"))),
        };
    }
    let Some((_, fields)) = FIELDS.iter().find(|(plural, _)| *plural == kind.plural) else {
        let known = r#"only "metadata.name", "metadata.namespace""#;
        return Err(Status::bad_request(format!("\"{field}\" is not a known field selector: {known}")));
    };
    let Some((_, absent)) = fields.iter().find(|(known, _)| *known == field) else {
        return Err(Status::bad_request(format!("field label not supported: {field}")));
    };
    // Three fields are selected by a name that is not their place.
    let pointers = match field {
        "source" => vec!["/source/component".to_owned(), "/reportingComponent".to_owned()],
        "reportingComponent" => vec!["/reportingComponent".to_owned()],
        "status.successful" => vec!["/status/succeeded".to_owned()],
        _ => vec![pointer()],
    };
    Ok((pointers, absent))
}

fn custom_fields(kind: &Kind) -> Vec<String> {
    let fields = kind.version_definition().and_then(|v| v["selectableFields"].as_array()).into_iter().flatten();
    fields.filter_map(|f| Some(f["jsonPath"].as_str()?.trim_start_matches('.').to_owned())).collect()
}

#[cfg(test)]
mod tests;
