//! Paths in one form, so that no route is passed by spelling a path otherwise.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto#envoy-v3-api-field-extensions-filters-network-http-connection-manager-v3-httpconnectionmanager-normalize-path>

use std::borrow::Cow;

/// Which differences of spelling are taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathForm {
    /// `.` and `..` are resolved, `\` is `/`, escapes of letters, digits, `-`, `.`, `_` and `~` are undone.
    pub normalize: bool,
    /// Several slashes are one.
    pub merge_slashes: bool,
    /// What is made of `%2F` and `%5C`.
    pub escaped_slashes: EscapedSlashes,
}

/// What is made of slashes that are written as escapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// Nothing: they are no slashes.
    #[default]
    Keep,
    /// Such a path is answered with 400.
    Reject,
    /// They are slashes, and the client is sent there (307).
    Redirect,
    /// They are slashes.
    Undo,
}

impl PathForm {
    /// The path (without its query) in that form; none if it is no path, which is answered with 400.
    pub fn apply(self, path: &str) -> Option<Cow<'_, str>> {
        let plain = !path.contains(['%', '\\']) && !path.contains("//") && !path.contains("/.");
        if plain || self == Self::default() {
            return Some(Cow::Borrowed(path));
        }
        if self.escaped_slashes == EscapedSlashes::Reject && has_escaped_slash(path) {
            return None;
        }
        let mut text = self.decode(path);
        if self.normalize {
            text = resolve(&text)?;
        }
        if self.merge_slashes {
            while text.contains("//") {
                text = text.replace("//", "/");
            }
        }
        Some(Cow::Owned(text))
    }
}

impl PathForm {
    /// Whether a client that asks for `path` is sent to the form that this makes of it.
    pub fn redirects(self, path: &str) -> bool {
        self.escaped_slashes == EscapedSlashes::Redirect && has_escaped_slash(path)
    }

    /// Undoes escapes until none is left that may be undone: with a lone `%` before it, one of them makes another
    /// (`%%34%31`), and whoever decodes next would see another path than was matched here. Each round is shorter.
    fn decode(self, path: &str) -> String {
        let mut text = path.to_owned();
        loop {
            let mut next = text.clone();
            if matches!(self.escaped_slashes, EscapedSlashes::Redirect | EscapedSlashes::Undo) {
                next = next.replace("%2F", "/").replace("%2f", "/").replace("%5C", "\\").replace("%5c", "\\");
            }
            if self.normalize {
                next = unescape(&next.replace('\\', "/"));
            }
            if next.len() == text.len() {
                return next;
            }
            text = next;
        }
    }
}

fn has_escaped_slash(path: &str) -> bool {
    ["%2F", "%2f", "%5C", "%5c"].iter().any(|escaped| path.contains(escaped))
}

/// Undoes the escapes of characters that need none; the others get upper-case digits.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('%') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let byte = rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(char::from(byte)),
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None => {
                out.push('%');
                rest = &rest[1..];
                continue;
            }
        }
        rest = &rest[3..];
    }
    out.push_str(rest);
    out
}

/// Resolves `.` and `..`; none if the path leaves its root.
fn resolve(path: &str) -> Option<String> {
    let inner = path.strip_prefix('/')?;
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = inner.split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." if last => segments.push(""),
            "." => {}
            ".." => {
                segments.pop()?;
                if last {
                    segments.push("");
                }
            }
            other => segments.push(other),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

#[cfg(test)]
mod tests;
