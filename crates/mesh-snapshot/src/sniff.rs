//! What the first bytes of a connection are: TLS, HTTP, or neither.
//!
//! The caller reads without taking, asks with all that it has seen, and asks again with more for as long as the answer is
//! [`Sniffed::More`]. An answer never changes once it is another, and never needs more than [`SNIFF_LIMIT`] bytes.

mod client_hello;

use crate::listener::Inspection;

/// How many bytes are looked at, at most.
pub const SNIFF_LIMIT: usize = 64 * 1024;

/// What follows the preface of HTTP/2 belongs to its frames.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The methods that Envoy's inspector takes. A list, not any word: a protocol whose client says `hello` and waits would
/// wait for ever if that could still become a request line.
const METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// What the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// Not to be told yet.
    More,
    /// The hello of a TLS client.
    Tls {
        /// The name that it asks for, in lower case.
        server_name: Option<Box<str>>,
        /// The protocols that it offers, its favourite first.
        protocols: Vec<Box<str>>,
    },
    /// A request; the version as chains name it: `http/1.0`, `http/1.1` or `h2c`.
    Http(&'static str),
    /// Neither, as far as it was looked for.
    Raw,
}

/// Whether a text has the form, as far as it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form<T> {
    Is(T),
    /// It may become one.
    Open,
    Not,
}

/// Tells what the bytes are, among what is wanted. TLS is looked for first: its first byte begins no request.
pub fn sniff(bytes: &[u8], wanted: Inspection) -> Sniffed {
    let full = bytes.len() >= SNIFF_LIMIT;
    let bytes = &bytes[..bytes.len().min(SNIFF_LIMIT)];
    let tls = if wanted.tls { client_hello::read(bytes) } else { Form::Not };
    let open = match tls {
        Form::Is(hello) => return Sniffed::Tls { server_name: hello.server_name, protocols: hello.protocols },
        Form::Open => true,
        Form::Not if wanted.http => match http(bytes) {
            Form::Is(version) => return Sniffed::Http(version),
            Form::Open => true,
            Form::Not => false,
        },
        Form::Not => false,
    };
    if open && !full { Sniffed::More } else { Sniffed::Raw }
}

fn http(bytes: &[u8]) -> Form<&'static str> {
    if bytes.starts_with(PREFACE) {
        Form::Is("h2c")
    } else if PREFACE.starts_with(bytes) {
        Form::Open
    } else {
        request_line(bytes)
    }
}

/// `METHOD target HTTP/1.x`, up to the end of its line.
fn request_line(bytes: &[u8]) -> Form<&'static str> {
    let Some((method, rest)) = word(bytes) else {
        let may_be = METHODS.iter().any(|method| method.as_bytes().starts_with(bytes));
        return if may_be { Form::Open } else { Form::Not };
    };
    if !METHODS.iter().any(|known| known.as_bytes() == method) {
        return Form::Not;
    }
    let Some((target, rest)) = word(rest) else {
        return if rest.iter().all(|byte| may_stand_in_a_target(*byte)) { Form::Open } else { Form::Not };
    };
    if target.is_empty() || !target.iter().all(|byte| may_stand_in_a_target(*byte)) {
        return Form::Not;
    }
    const LINES: &[(&[u8], &str)] = &[
        (b"HTTP/1.1\r\n", "http/1.1"),
        (b"HTTP/1.0\r\n", "http/1.0"),
        (b"HTTP/1.1\n", "http/1.1"),
        (b"HTTP/1.0\n", "http/1.0"),
    ];
    if let Some((_, version)) = LINES.iter().find(|(line, _)| rest.starts_with(line)) {
        return Form::Is(version);
    }
    if LINES.iter().any(|(line, _)| line.starts_with(rest)) { Form::Open } else { Form::Not }
}

/// What stands before the first space, and what behind it.
fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    Some((&bytes[..space], &bytes[space + 1..]))
}

/// Bytes above ASCII may: that such a target is wrong is for the codec to say.
fn may_stand_in_a_target(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}

#[cfg(test)]
mod tests;
