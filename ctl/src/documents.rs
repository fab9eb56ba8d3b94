//! YAML in and out.

use std::path::Path;

use serde_json::Value;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BadDocument {
    /// It could not be opened.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("{path} is not YAML: {message}")]
    Parse {
        /// The file.
        path: String,
        /// Where and why.
        message: String,
    },
}

/// Writes a value as YAML that people can read.
pub fn yaml(value: &Value) -> Result<String, serde_json::Error> {
    use serde::ser::Error;
    serde_saphyr::to_string(value).map_err(serde_json::Error::custom)
}

/// Reads the documents of a file; `-` is standard input.
pub fn read(path: &Path) -> Result<Vec<Value>, BadDocument> {
    let name = path.display().to_string();
    let text = if name == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = text.map_err(|source| BadDocument::Read { path: name.clone(), source })?;
    let parsed = serde_saphyr::from_multiple::<Value>(&text);
    let documents = parsed.map_err(|error| BadDocument::Parse { path: name, message: error.to_string() })?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}
