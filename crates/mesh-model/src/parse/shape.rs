//! From JSON to the structs of `istio-api`, with the place of every value that does not fit and of every field that is
//! not known.

use istio_api::Shaped;
use serde_json::Value;

use super::at::{At, Desk};
use crate::issue::{FieldPath, Severity};

/// What every object has beside its spec.
const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];

/// Reads a message. As in protobuf's JSON `null` is the empty message.
pub(super) fn read<T: Shaped + Default>(json: &Value, at: &At<'_>) -> Option<T> {
    if json.is_null() {
        return Some(T::default());
    }
    let path = at.path();
    match T::read(json, path.as_str()) {
        Ok(read) => {
            for field in read.unknown {
                unknown(at.desk, FieldPath::from(field.as_str()));
            }
            Some(read.value)
        }
        Err(findings) => {
            for finding in findings {
                let way_out = "write a value that this field can take".to_owned();
                at.desk.say(
                    FieldPath::from(finding.path.as_str()),
                    Severity::Error,
                    finding.problem.to_string(),
                    way_out,
                );
            }
            None
        }
    }
}

/// Remarks upon fields beside `spec` that no object has.
pub(super) fn unknown_at_the_top(desk: &Desk<'_>, json: &Value) {
    let fields = json.as_object().into_iter().flatten();
    for (name, _) in fields.filter(|(name, _)| !TOP.contains(&name.as_str())) {
        unknown(desk, FieldPath::root(name));
    }
}

fn unknown(desk: &Desk<'_>, path: FieldPath) {
    let way_out = "check its spelling and its indentation".to_owned();
    desk.say(path, Severity::Warning, "unknown field".to_owned(), way_out);
}
