//! The first message of a TLS client, in however many records it comes.
//!
//! <https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2>, <https://www.rfc-editor.org/rfc/rfc6066#section-3>,
//! <https://www.rfc-editor.org/rfc/rfc7301#section-3.1>

use super::{Form, SNIFF_LIMIT};

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
const LONGEST_RECORD: usize = 1 << 14;

const SERVER_NAME: u16 = 0;
const PROTOCOLS: u16 = 16;
const HOST_NAME: u8 = 0;

/// What is wanted of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) server_name: Option<Box<str>>,
    pub(super) protocols: Vec<Box<str>>,
}

/// Reads it from the first bytes of a connection.
pub(super) fn read(bytes: &[u8]) -> Form<ClientHello> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Form::Not;
        }
        if let Some(&[_, high, middle, low]) = message.first_chunk::<MESSAGE_HEADER>() {
            let end = MESSAGE_HEADER + usize::from(high) * 65_536 + usize::from(middle) * 256 + usize::from(low);
            if end + RECORD_HEADER > SNIFF_LIMIT {
                return Form::Not;
            }
            // What stands behind it is not looked at.
            if let Some(body) = message.get(MESSAGE_HEADER..end) {
                return parse(body).map_or(Form::Not, Form::Is);
            }
        }
        match fragment(rest, message.is_empty()) {
            Form::Is((fragment, behind)) => {
                message.extend_from_slice(fragment);
                rest = behind;
            }
            Form::Open => return Form::Open,
            Form::Not => return Form::Not,
        }
    }
}

/// What the next record holds, as far as it came, and what stands behind it. The version of a record says nothing, but in
/// the very first bytes it tells TLS from the rest.
fn fragment(bytes: &[u8], is_first: bool) -> Form<(&[u8], &[u8])> {
    let other = |at: usize, wanted: u8| bytes.get(at).is_some_and(|byte| *byte != wanted);
    if other(0, HANDSHAKE_RECORD) || is_first && other(1, 3) {
        return Form::Not;
    }
    let Some((&[_, _, _, high, low], body)) = bytes.split_first_chunk::<RECORD_HEADER>() else { return Form::Open };
    let length = usize::from(high) * 256 + usize::from(low);
    if length == 0 || length > LONGEST_RECORD {
        return Form::Not;
    }
    Form::Is(body.split_at(length.min(body.len())))
}

fn parse(body: &[u8]) -> Option<ClientHello> {
    let mut reader = Reader(body);
    reader.take(2 + 32)?; // version, random
    reader.short()?; // session
    reader.long()?; // cipher suites
    reader.short()?; // compression
    let mut hello = ClientHello::default();
    if reader.0.is_empty() {
        return Some(hello);
    }
    let mut extensions = Reader(reader.long()?);
    if !reader.0.is_empty() {
        return None;
    }
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let mut data = Reader(extensions.long()?);
        match kind {
            SERVER_NAME => hello.server_name = server_name(data.long()?)?,
            PROTOCOLS => hello.protocols = protocols(data.long()?)?,
            _ => continue,
        }
        if !data.0.is_empty() {
            return None;
        }
    }
    Some(hello)
}

/// The first host name in the list; what stands behind it is not read, as rustls does not. One that is no host name is
/// none: whoever ends the TLS has to judge it.
fn server_name(list: &[u8]) -> Option<Option<Box<str>>> {
    let mut reader = Reader(list);
    while !reader.0.is_empty() {
        let kind = *reader.take(1)?.first()?;
        let name = reader.long()?;
        if kind == HOST_NAME {
            let plain = !name.is_empty() && name.len() <= 255 && name.iter().all(u8::is_ascii_graphic);
            let text = std::str::from_utf8(name).ok().filter(|_| plain);
            return Some(text.map(|name| name.to_ascii_lowercase().into()));
        }
    }
    Some(None)
}

fn protocols(list: &[u8]) -> Option<Vec<Box<str>>> {
    let mut reader = Reader(list);
    let mut found = Vec::new();
    while !reader.0.is_empty() {
        found.push(String::from_utf8_lossy(reader.short()?).into());
    }
    Some(found)
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// A list whose length is one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = *self.take(1)?.first()?;
        self.take(usize::from(length))
    }

    /// A list whose length is two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}
