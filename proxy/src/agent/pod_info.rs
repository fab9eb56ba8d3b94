//! The pod's labels and annotations, as the downward API writes them: `key="value"` lines.

use std::{collections::BTreeMap, fs, path::Path};

/// Reads a file of the downward API. A pod without labels or the volume has none.
pub(crate) fn read(file: &Path) -> BTreeMap<String, String> {
    match fs::read_to_string(file) {
        Ok(text) => parse(&text),
        Err(error) => {
            tracing::debug!(%error, file = %file.display(), "nothing is known of the pod from here");
            BTreeMap::new()
        }
    }
}

/// Values are quoted as Go quotes strings; lines that are not understood are left out.
pub(crate) fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let (key, quoted) = line.split_once('=')?;
            Some((key.to_owned(), unquote(quoted.trim())?))
        })
        .collect()
}

fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(next) = chars.next() {
        if next != '\\' {
            value.push(next);
            continue;
        }
        match chars.next()? {
            'n' => value.push('\n'),
            't' => value.push('\t'),
            'r' => value.push('\r'),
            'x' => value.push(code(&mut chars, 2)?),
            'u' => value.push(code(&mut chars, 4)?),
            'U' => value.push(code(&mut chars, 8)?),
            other => value.push(other),
        }
    }
    Some(value)
}

fn code(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let text: String = chars.take(digits).collect();
    char::from_u32(u32::from_str_radix(&text, 16).ok()?)
}

#[cfg(test)]
mod tests;
