use super::*;

#[test]
fn a_head_says_its_strings_once() {
    let block = Block::new(&[3], &[(4, "/a"), (28, "64")]);
    assert_eq!(block.first, [&[0x83, 0x44, 2][..], b"/a", &[0x5c, 2], b"64"].concat());
    assert_eq!(block.again, [0x83, 0x80 | 63, 0x80 | 62]);
}

#[test]
fn a_frame_is_read_when_all_of_it_is_there() {
    let mut out = Vec::new();
    put(&mut out, DATA, END_STREAM, 7, b"abc");
    assert_eq!(out, [0, 0, 3, DATA, END_STREAM, 0, 0, 0, 7, b'a', b'b', b'c']);
    assert_eq!(frame(&out), Some(12));
    assert_eq!(frame(&out[..11]), None);
}

#[test]
fn only_200_is_well() {
    let is_ok = |block: &[u8]| Part { stream: 1, content: Content::Head(block), is_last: false }.is_ok();
    assert!(is_ok(&[0x88, 0xbe]) && is_ok(&[0x20, 0x3f, 0x88]));
    assert!(!is_ok(&[0x8d]) && !is_ok(&[0xbe, 0x88]) && !is_ok(&[]));
}
