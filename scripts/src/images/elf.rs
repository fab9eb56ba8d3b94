//! Whether a program needs another one to be started.

/// The interpreter that an ELF program of 64 bits names; none if it needs none, or is no such program.
pub(super) fn interpreter(program: &[u8]) -> Option<String> {
    const INTERPRETER: u64 = 3;
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = program.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let place = |at: usize, size: usize| number(at, size).and_then(|number| usize::try_from(number).ok());
    // 64 bits, the low byte first.
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (place(32, 8)?, place(54, 2)?, place(56, 2)?);
    let headers = (0..count).map(|index| table + index * size);
    let header = headers.into_iter().find(|at| number(*at, 4) == Some(INTERPRETER))?;
    let (offset, length) = (place(header + 8, 8)?, place(header + 32, 8)?);
    let path = program.get(offset..offset.checked_add(length)?)?;
    Some(String::from_utf8_lossy(path).trim_end_matches('\0').to_owned())
}
