use bytes::BytesMut;
use flate2::{Compress, Compression, FlushCompress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    control, data,
    headers::{Packer, Unpacker, dictionary},
    streams, take_frame,
};
use crate::api::streams::{
    spdy::Frame,
    wire::{Incoming, Outgoing},
};

fn block(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut plain = u32::try_from(pairs.len()).unwrap().to_be_bytes().to_vec();
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        plain.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        plain.extend_from_slice(text.as_bytes());
    }
    plain
}

#[test]
fn the_dictionary_is_the_drafts() {
    let dictionary = dictionary();
    assert_eq!(dictionary.len(), 1423);
    // zlib names a dictionary by its Adler-32 sum; the draft's is known from every SPDY/3 capture.
    let mut deflate = Compress::new(Compression::fast(), true);
    assert_eq!(deflate.set_dictionary(&dictionary).unwrap(), 0xe3c6_a7c2);
    let mut out = Vec::with_capacity(64);
    deflate.compress_vec(b"x", &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(out[2..6], [0xe3, 0xc6, 0xa7, 0xc2]);
}

#[test]
fn header_blocks_are_one_text() {
    let (mut packer, mut unpacker) = (Packer::new().unwrap(), Unpacker::default());
    let long = "v".repeat(5000);
    let blocks: [&[(&str, &str)]; 3] =
        [&[("streamtype", "error"), ("port", "80")], &[("streamtype", "data"), ("x", &long)], &[]];
    for pairs in blocks {
        let mut packed = packer.pack(&block(pairs)).unwrap();
        packed.shrink_to_fit();
        let read = unpacker.unpack(&packed).unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, pairs);
    }
    assert!(unpacker.unpack(&packer.pack(&[0, 0, 0, 9, 0]).unwrap()).is_err());
    assert!(Unpacker::default().unpack(b"no zlib").is_err());
}

#[test]
fn frames_come_whole_or_not_at_all() {
    let mut wire = BytesMut::new();
    data(&mut wire, 5, 1, b"abc");
    let whole = wire.clone();
    for cut in 0..whole.len() {
        assert_eq!(take_frame(&mut BytesMut::from(&whole[..cut])).unwrap(), None);
    }
    let expected = Frame::Data { stream: 5, last: true, bytes: "abc".into() };
    assert_eq!(take_frame(&mut wire).unwrap(), Some(expected));
    assert!(wire.is_empty());
    assert!(take_frame(&mut BytesMut::from(&[0x80, 2, 0, 1, 0, 0, 0, 0][..])).is_err(), "version 2");
    assert!(take_frame(&mut BytesMut::from(&[0, 0, 0, 1, 0, 0xff, 0xff, 0xff][..])).is_err(), "16 MiB");
}

#[tokio::test]
async fn a_stream_is_accepted_and_carries_data() {
    let (mut client, server) = tokio::io::duplex(1024);
    let mut wire = streams(server);
    let mut packer = Packer::new().unwrap();
    let headers = packer.pack(&block(&[("streamtype", "data"), ("port", "80")])).unwrap();
    let mut frames = BytesMut::new();
    control(&mut frames, super::SYN_STREAM, 10 + headers.len());
    frames.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    frames.extend_from_slice(&headers);
    data(&mut frames, 1, 1, b"hello");
    control(&mut frames, super::PING, 4);
    frames.extend_from_slice(&[0, 0, 0, 7]);
    client.write_all(&frames).await.unwrap();
    let pairs = vec![("streamtype".to_owned(), "data".to_owned()), ("port".to_owned(), "80".to_owned())];
    assert_eq!(wire.incoming.recv().await, Some(Incoming::Open(1, pairs)));
    assert_eq!(wire.incoming.recv().await, Some(Incoming::Data(1, "hello".into())));
    assert_eq!(wire.incoming.recv().await, Some(Incoming::End(1)));
    wire.outgoing.send(Outgoing::Data(1, "hi".into())).await.unwrap();
    drop(wire);
    let mut answer = BytesMut::new();
    while client.read_buf(&mut answer).await.unwrap() > 0 {}
    let Some(Frame::Control { kind: super::SYN_REPLY, body, .. }) = take_frame(&mut answer).unwrap() else { panic!() };
    assert_eq!(body[..4], [0, 0, 0, 1]);
    assert_eq!(Unpacker::default().unpack(&body[4..]).unwrap(), []);
    let rest: Vec<_> = std::iter::from_fn(|| take_frame(&mut answer).unwrap()).collect();
    let data = Frame::Data { stream: 1, last: false, bytes: "hi".into() };
    let ping = Frame::Control { kind: super::PING, flags: 0, body: vec![0, 0, 0, 7].into() };
    assert!(rest.contains(&data) && rest.contains(&ping), "{rest:?}");
}
