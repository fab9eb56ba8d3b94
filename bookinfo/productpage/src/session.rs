//! Who is signed in, kept in a cookie. Any name signs in with any password: this is a sample whose
//! point is that a mesh can route by user, so the cookie is plain and proves nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Uri, header};
use serde_json::{Value, json};

/// The longest name that can sign in, in bytes.
const LONGEST_NAME: usize = 64;

/// The user of a request, if one is signed in.
pub(crate) fn user(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let value = pairs.find(|(name, _)| *name == "session")?.1;
    // Only the first part is read. The original appends a time and a signature, so its cookies work here too.
    let payload = URL_SAFE_NO_PAD.decode(value.split('.').next()?).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    name(payload["user"].as_str()?)
}

/// The cookie that signs `user` in; a name that cannot be one signs out.
pub(crate) fn sign_in(user: &str) -> HeaderValue {
    let Some(user) = name(user) else { return sign_out() };
    let payload = URL_SAFE_NO_PAD.encode(json!({ "user": user }).to_string());
    HeaderValue::try_from(format!("session={payload}; Path=/; HttpOnly; SameSite=Lax")).unwrap_or_else(|_| sign_out())
}

/// The cookie that signs out.
pub(crate) fn sign_out() -> HeaderValue {
    HeaderValue::from_static("session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}

/// Where to go after signing in or out: back to the page on this host that the request came from.
/// Only the path of the referrer counts, so nobody can be sent to another host.
pub(crate) fn back(headers: &HeaderMap) -> HeaderValue {
    let referrer = headers.get(header::REFERER).and_then(|value| Uri::try_from(value.as_bytes()).ok());
    let path = referrer.as_ref().and_then(Uri::path_and_query).map(ToString::to_string);
    path.filter(|path| path.starts_with('/') && !path.starts_with("//") && !path.contains('\\'))
        .filter(|path| !path.ends_with("/login") && !path.ends_with("/logout"))
        .and_then(|path| HeaderValue::try_from(path).ok())
        .unwrap_or(HeaderValue::from_static("productpage"))
}

/// `text` as a user's name, if it can be one: it travels in the header `end-user`.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
