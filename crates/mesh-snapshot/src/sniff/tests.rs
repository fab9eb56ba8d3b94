use proptest::prelude::*;

use super::*;

const BOTH: Inspection = Inspection { tls: true, http: true };
const TLS: Inspection = Inspection { tls: true, http: false };
const HTTP: Inspection = Inspection { tls: false, http: true };

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &long(data)].concat()
}

fn name_extension(name: &str) -> Vec<u8> {
    extension(0, &long(&[&[0][..], &long(name.as_bytes())].concat()))
}

fn protocol_extension(protocols: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = protocols.iter().flat_map(|protocol| short(protocol.as_bytes())).collect();
    extension(16, &long(&list))
}

/// A hello with these extensions and a filler of some size.
fn hello(extensions: &[Vec<u8>], filler: usize) -> Vec<u8> {
    let mut all = vec![extension(43, &[2, 3, 4]), extension(21, &vec![0; filler])];
    all.extend_from_slice(extensions);
    let body = [
        [3, 3].as_slice(),
        &[7; 32],
        &short(&[9; 32]),
        &long(&[0x13, 0x01, 0x13, 0x02]),
        &short(&[0]),
        &long(&all.concat()),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], &body].concat()
}

/// A message in records of `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [&[22, 3, 1][..], &long(part)].concat()).collect()
}

fn tls(name: Option<&str>, protocols: &[&str]) -> Sniffed {
    let protocols = protocols.iter().map(|protocol| (*protocol).into()).collect();
    Sniffed::Tls { server_name: name.map(Into::into), protocols }
}

/// Asks with each beginning, as a connection that brings one byte after the other: the answer, and after how many.
fn drip(bytes: &[u8], wanted: Inspection) -> (Sniffed, usize) {
    let answers = (0..=bytes.len()).map(|end| (sniff(&bytes[..end], wanted), end));
    answers.into_iter().find(|(sniffed, _)| *sniffed != Sniffed::More).unwrap_or((Sniffed::More, bytes.len()))
}

#[test]
fn requests_are_told_at_the_end_of_their_first_line() {
    let cases = [
        ("GET / HTTP/1.1\r\n", Sniffed::Http("http/1.1"), 16),
        ("GET / HTTP/1.0\n\n", Sniffed::Http("http/1.0"), 15),
        ("M-SEARCH * HTTP/1.1\r\n", Sniffed::Http("http/1.1"), 21),
        ("CONNECT a:1 HTTP/1.1\r\n", Sniffed::Http("http/1.1"), 22),
        ("PUT /ä HTTP/1.1\r\n", Sniffed::Http("http/1.1"), 18),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", Sniffed::Http("h2c"), 24),
        ("PRI * HTTP/2.0\r\n\r\nXX", Sniffed::Raw, 19),
        ("PROPFIND / HTTP/1.1\r\n", Sniffed::Http("http/1.1"), 21),
        ("", Sniffed::More, 0),
        ("GET /", Sniffed::More, 5),
        ("GET / HTTP/1.1\r", Sniffed::More, 15),
        ("hello", Sniffed::Raw, 1),
        ("GETS / HTTP/1.1\r\n", Sniffed::Raw, 4),
        ("get / HTTP/1.1\r\n", Sniffed::Raw, 1),
        ("GET  HTTP/1.1\r\n", Sniffed::Raw, 5),
        ("GET / HTTP/1.2\r\n", Sniffed::Raw, 14),
        ("GET / HTTP/2.0\r\n", Sniffed::Raw, 12),
        ("GET /\r\n", Sniffed::Raw, 6),
        ("GET /a b HTTP/1.1\r\n", Sniffed::Raw, 8),
        ("SSH-2.0-OpenSSH\r\n", Sniffed::Raw, 2),
        ("\r\nGET / HTTP/1.1\r\n", Sniffed::Raw, 1),
        ("\0\0\0\u{8}", Sniffed::Raw, 1),
    ];
    for (text, wanted, after) in cases {
        assert_eq!(drip(text.as_bytes(), HTTP), (wanted.clone(), after), "{text:?}");
        assert_eq!(drip(text.as_bytes(), BOTH), (wanted, after), "{text:?}, with TLS looked for");
    }
}

#[test]
fn a_hello_tells_its_name_and_protocols() {
    let cases = [
        (vec![], tls(None, &[])),
        (vec![name_extension("Reviews.Example.COM")], tls(Some("reviews.example.com"), &[])),
        (
            vec![protocol_extension(&["istio", "h2", "http/1.1"]), name_extension("a")],
            tls(Some("a"), &["istio", "h2", "http/1.1"]),
        ),
        (vec![name_extension("a b")], tls(None, &[])),
        (vec![name_extension("")], tls(None, &[])),
        (vec![name_extension(&"a".repeat(256))], tls(None, &[])),
        (vec![extension(0, &[0, 5, 0, 0, 1, b'a', 9])], tls(Some("a"), &[])),
        (vec![extension(0, &[0, 8, 1, 0, 1, b'x', 0, 0, 1, b'a'])], tls(Some("a"), &[])),
        (vec![extension(0, &[])], Sniffed::Raw),
        (vec![extension(0, &[0, 9, 0])], Sniffed::Raw),
        (vec![extension(16, &[0, 2, 9, 9])], Sniffed::Raw),
        (vec![extension(16, &[0, 2, 1, 9, 9])], Sniffed::Raw),
    ];
    for (extensions, wanted) in cases {
        let bytes = records(&hello(&extensions, 0), 16_384);
        assert_eq!(drip(&bytes, TLS), (wanted, bytes.len()), "{extensions:?}");
    }
}

#[test]
fn what_is_not_looked_for_is_not_found() {
    let hello = records(&hello(&[name_extension("a")], 0), 100);
    assert_eq!(drip(&hello, HTTP), (Sniffed::Raw, 1));
    assert_eq!(drip(b"GET / HTTP/1.1\r\n", TLS), (Sniffed::Raw, 1));
    assert_eq!(sniff(b"", Inspection::default()), Sniffed::Raw);
}

#[test]
fn other_records_are_no_hello() {
    let hello = hello(&[], 0);
    let record = |header: [u8; 3]| [&header[..], &long(&hello)].concat();
    let cases: [(Vec<u8>, usize); 7] = [
        (record([23, 3, 1]), 1),
        (record([22, 2, 1]), 2),
        ([22, 3, 1, 0, 0].to_vec(), 5),
        ([22, 3, 1, 0x40, 1].to_vec(), 5),
        ([22, 3, 1, 0, 4, 2, 0, 0, 0].to_vec(), 6),
        // The message itself is too long.
        ([22, 3, 1, 0x40, 0, 1, 1, 0, 0].to_vec(), 9),
        // Another kind of record within it.
        ([22, 3, 1, 0, 1, 1, 21].to_vec(), 7),
    ];
    for (bytes, after) in cases {
        assert_eq!(drip(&bytes, BOTH), (Sniffed::Raw, after), "{bytes:?}");
    }
}

#[test]
fn only_the_first_records_version_counts() {
    let mut bytes = records(&hello(&[name_extension("a")], 0), 40);
    bytes[46] = 0;
    assert_eq!(sniff(&bytes, BOTH), tls(Some("a"), &[]));
}

#[test]
fn there_is_an_end_to_looking() {
    let line = [b"GET /".as_slice(), &vec![b'a'; SNIFF_LIMIT]].concat();
    assert_eq!(sniff(&line[..SNIFF_LIMIT - 1], BOTH), Sniffed::More);
    assert_eq!(sniff(&line, BOTH), Sniffed::Raw);
    let long = hello(&[name_extension("a")], 60_000);
    assert_eq!(sniff(&records(&long, 16_384), TLS), tls(Some("a"), &[]));
    // As many bytes again in headers.
    assert_eq!(sniff(&records(&long, 5), TLS), Sniffed::Raw);
    assert_eq!(sniff(&records(&long, 5)[..SNIFF_LIMIT - 1], TLS), Sniffed::More);
}

proptest! {
    #[test]
    fn a_hello_is_found_however_it_is_cut(
        name in "[a-zA-Z0-9_.-]{1,60}",
        protocols in proptest::collection::vec("[a-z0-9/.]{1,12}", 0..5),
        filler in 0..600_usize,
        size in 1..700_usize,
        behind in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let names: Vec<&str> = protocols.iter().map(String::as_str).collect();
        let bytes = records(&hello(&[name_extension(&name), protocol_extension(&names)], filler), size);
        let wanted = tls(Some(&name.to_ascii_lowercase()), &names);
        prop_assert_eq!(drip(&bytes, BOTH), (wanted.clone(), bytes.len()));
        prop_assert_eq!(sniff(&[bytes, behind].concat(), BOTH), wanted);
    }

    #[test]
    fn an_answer_stays(
        start in prop_oneof![
            Just(b"GET / HTTP/1.".to_vec()),
            Just(b"PRI * HTTP/2.0\r\n".to_vec()),
            Just(vec![22, 3, 1, 0, 60, 1, 0, 0, 50, 3, 3]),
            Just(records(&hello(&[name_extension("a")], 0), 7)),
            Just(Vec::new()),
        ],
        cut in any::<prop::sample::Index>(),
        change in any::<(prop::sample::Index, u8)>(),
        rest in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut bytes = start;
        bytes.truncate(cut.index(bytes.len() + 1));
        bytes.extend(rest);
        if !bytes.is_empty() {
            let index = change.0.index(bytes.len());
            bytes[index] = change.1;
        }
        for wanted in [BOTH, TLS, HTTP] {
            let (answer, after) = drip(&bytes, wanted);
            for end in after..=bytes.len() {
                prop_assert_eq!(&sniff(&bytes[..end], wanted), &answer);
            }
        }
    }
}
