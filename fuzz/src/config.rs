//! YAML as users write it, to the nouns of the model.

use mesh_model::parse::{ParseContext, parse, parse_mesh};
use serde_json::Value;

/// Nothing panics; what is refused is refused with a reason; and the same text means the same twice.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(json) = serde_saphyr::from_str::<Value>(text) else { return };
    let context = ParseContext::default();
    let once = parse(&json, &context);
    assert_eq!(once, parse(&json, &context));
    if let Err(issues) = once {
        assert!(!issues.is_empty(), "refused without a reason");
    }
    if let Err(issues) = parse_mesh(json.get("mesh").unwrap_or(&json), &context) {
        assert!(!issues.is_empty(), "refused without a reason");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    crate::mesh::documents().map(|text| text.as_bytes().to_vec()).collect()
}
