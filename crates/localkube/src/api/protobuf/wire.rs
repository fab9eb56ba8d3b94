//! Protobuf's wire format: tags, varints, fixed words and length-delimited bytes.

use super::broken;
use crate::status::Status;

/// One field as it stands on the wire.
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) piece: Piece<'a>,
}

/// A field's value before its type is known.
pub(super) enum Piece<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

impl<'a> Piece<'a> {
    pub(super) fn bytes(&self) -> Result<&'a [u8], Status> {
        match self {
            Piece::Bytes(bytes) => Ok(bytes),
            _ => Err(broken("a number where bytes belong")),
        }
    }

    /// An absent number (empty bytes) is zero.
    pub(super) fn varint(&self) -> Result<u64, Status> {
        match self {
            Piece::Varint(number) => Ok(*number),
            Piece::Bytes([]) => Ok(0),
            _ => Err(broken("bytes where a number belongs")),
        }
    }

    pub(super) fn fixed(&self) -> Result<u64, Status> {
        match self {
            Piece::Fixed(bits) => Ok(*bits),
            Piece::Bytes([]) => Ok(0),
            _ => Err(broken("not a fixed-size number")),
        }
    }
}

/// The fields of a message in wire order; ends after the first error.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Status>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = next(&mut bytes);
        if field.is_none() {
            bytes = &[];
        }
        Some(field.ok_or_else(|| broken("it ends in the middle of a field")))
    })
}

fn next<'a>(bytes: &mut &'a [u8]) -> Option<Field<'a>> {
    let tag = varint(bytes)?;
    let piece = match tag & 7 {
        0 => Piece::Varint(varint(bytes)?),
        1 => Piece::Fixed(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Piece::Bytes(take(bytes, length)?)
        }
        5 => Piece::Fixed(u64::from(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?))),
        _ => return None,
    };
    Some(Field { number: tag >> 3, piece })
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
