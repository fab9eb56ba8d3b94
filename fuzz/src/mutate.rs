//! Inputs from inputs: changes that keep most of an input's form, so that the rest of it is still read.

/// How a target's inputs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Anything.
    Bytes,
    /// Lines and words.
    Text,
    /// A text behind its length (two bytes, the low one first), then a protobuf message.
    Framed,
}

/// Puts a text and a message into one input.
pub fn frame(text: &[u8], message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_le_bytes(), &text[..usize::from(length)], message].concat()
}

/// Takes them apart; where the input is too short, the text is all of it.
pub fn unframe(input: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = input.split_first_chunk::<2>() else { return (input, &[]) };
    rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()))
}

/// Words that mean something to at least one target.
const WORDS: &[&str] = &[
    "*",
    "*.",
    ".",
    "..",
    "/",
    "//",
    "%2e",
    "%2F",
    "%",
    "%%",
    "\\",
    "?",
    "&",
    "=",
    ":",
    ":0",
    ":65536",
    "[::1]",
    "-1",
    "0",
    "4294967296",
    "18446744073709551615",
    "1e400",
    "1.5",
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    "\"",
    "'",
    "\0",
    "ä",
    "\u{202e}",
    "(",
    "[a",
    "a{99}",
    "\\1",
    "$1",
    "%REQ(A)%",
    "%START_TIME%",
    "1s",
    "-1s",
    "0.0000000001s",
    "9223372036854775807s",
    "10.0.0.0/8",
    "10.0.0.0/99",
    "::/0",
    "unix:///a",
    "HTTP",
    "GRPC",
    "Host",
    ":path",
    "te",
    "content-length",
    "example.com",
    "a.b.c.d.e.f",
    "outbound|9080|v1|reviews.default.svc.cluster.local",
    "\r\n",
    "\n",
    "type.googleapis.com/",
    "&a",
    "*a",
    "!!",
    "- ",
    "? ",
    "|\n",
    "<<: ",
];

/// Numbers at whose edges things break.
const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    3,
    7,
    100,
    101,
    127,
    128,
    255,
    256,
    599,
    600,
    999,
    1_000_000,
    65_535,
    65_536,
    5_000_011,
    i32::MAX as u64,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Random numbers that depend on their seed only (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % (end.max(1) as u64)).unwrap_or_default()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Another input: one of the seeds, changed a few times.
pub fn mutate(form: Form, seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.of(seeds).clone();
    for _ in 0..=random.below(4) {
        input = match form {
            Form::Bytes => bytes(input, random),
            Form::Text => text(input, seeds, random),
            Form::Framed => {
                let (text_part, message_part) = unframe(&input);
                if random.below(4) == 0 {
                    frame(&text(text_part.to_vec(), &[], random), message_part)
                } else {
                    frame(text_part, &message(message_part, 0, random))
                }
            }
        };
    }
    input
}

fn bytes(mut input: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let at = random.below(input.len() + 1);
    match random.below(7) {
        0 => input.truncate(at),
        1 => drop(input.splice(at..at, random.of(WORDS).bytes())),
        2 => {
            let end = at + random.below(input.len() + 1 - at).min(64);
            let part = input[at..end].to_vec();
            input.splice(at..at, part);
        }
        3 => drop(input.drain(at..at + random.below(input.len() + 1 - at).min(16))),
        // A number that may be a length.
        4 if at + 2 <= input.len() => input[at..at + 2].copy_from_slice(&(random.below(1024) as u16).to_be_bytes()),
        5 if at < input.len() => input[at] = input[at].wrapping_add([1, 255, 128][random.below(3)]),
        _ if at < input.len() => input[at] = random.below(256) as u8,
        _ => input.push(random.below(256) as u8),
    }
    input
}

fn text(input: Vec<u8>, others: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let lines = |input: &[u8]| -> Vec<Vec<u8>> { input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() };
    match random.below(6) {
        0 => bytes(input, random),
        1 => {
            let mut all = lines(&input);
            let (one, other) = (random.below(all.len()), random.below(all.len()));
            all.swap(one, other);
            all.join(&b'\n')
        }
        2 => {
            let mut all = lines(&input);
            let at = random.below(all.len());
            if random.below(2) == 0 || others.is_empty() {
                all.remove(at);
            } else {
                let other = lines(random.of::<Vec<u8>>(others));
                all.insert(at, random.of(&other).clone());
            }
            all.join(&b'\n')
        }
        // A word for a word.
        _ => {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"./%-_".contains(byte) || *byte > 127;
            let from = random.below(input.len() + 1);
            let start = input[from..].iter().position(is_word).map_or(input.len(), |skipped| from + skipped);
            let end =
                input[start..].iter().position(|byte| !is_word(byte)).map_or(input.len(), |length| start + length);
            let mut out = input;
            match random.below(4) {
                0 => drop(out.splice(start..end, random.of(NUMBERS).to_string().bytes())),
                1 => drop(out.splice(start..start, random.of(WORDS).bytes())),
                _ => drop(out.splice(start..end, random.of(WORDS).bytes())),
            }
            out
        }
    }
}

/// A field of a message as it is on the wire.
#[derive(Clone)]
struct Field {
    number: u64,
    value: Value,
}

#[derive(Clone)]
enum Value {
    Varint(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
}

/// Changes one field, of the message or of one inside it; what is no message is changed as bytes or text.
fn message(input: &[u8], depth: u32, random: &mut Random) -> Vec<u8> {
    let Some(mut fields) = fields(input).filter(|fields| !fields.is_empty() && depth < 16) else {
        let text_like = std::str::from_utf8(input).is_ok();
        return if text_like { text(input.to_vec(), &[], random) } else { bytes(input.to_vec(), random) };
    };
    let at = random.below(fields.len());
    match random.below(16) {
        0 => drop(fields.remove(at)),
        1 => {
            let copy = fields[at].clone();
            fields.insert(random.below(fields.len() + 1), copy);
        }
        2 => fields[at].number = 1 + random.below(40) as u64,
        3 => {
            let other = random.below(fields.len());
            fields.swap(at, other);
        }
        4 => fields.push(Field {
            number: 1 + random.below(60) as u64,
            value: match random.below(2) {
                0 => Value::Varint(*random.of(NUMBERS)),
                _ => Value::Bytes(random.of(WORDS).as_bytes().to_vec()),
            },
        }),
        _ => match &mut fields[at].value {
            Value::Varint(number) => *number = *random.of(NUMBERS),
            Value::Fixed(value) => {
                let index = random.below(value.len());
                value[index] = random.below(256) as u8;
            }
            Value::Bytes(value) => *value = message(value, depth + 1, random),
        },
    }
    write(&fields)
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        number |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some(number);
        }
    }
    None
}

fn fields(mut input: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !input.is_empty() {
        let tag = varint(&mut input)?;
        let number = tag >> 3;
        if number == 0 || number > 1 << 20 {
            return None;
        }
        let length = match tag & 7 {
            0 => {
                fields.push(Field { number, value: Value::Varint(varint(&mut input)?) });
                continue;
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(varint(&mut input)?).ok().filter(|length| *length <= input.len())?,
            _ => return None,
        };
        let (value, rest) = input.split_at_checked(length)?;
        input = rest;
        let value = if tag & 7 == 2 { Value::Bytes(value.to_vec()) } else { Value::Fixed(value.to_vec()) };
        fields.push(Field { number, value });
    }
    Some(fields)
}

fn write(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    let put = |out: &mut Vec<u8>, mut number: u64| {
        while number > 127 {
            out.push((number & 127) as u8 | 128);
            number >>= 7;
        }
        out.push(number as u8);
    };
    for field in fields {
        let (kind, length, value) = match &field.value {
            Value::Varint(number) => {
                put(&mut out, field.number << 3);
                put(&mut out, *number);
                continue;
            }
            Value::Fixed(value) => (if value.len() == 8 { 1 } else { 5 }, None, value),
            Value::Bytes(value) => (2, Some(value.len() as u64), value),
        };
        put(&mut out, field.number << 3 | kind);
        length.into_iter().for_each(|length| put(&mut out, length));
        out.extend_from_slice(value);
    }
    out
}
