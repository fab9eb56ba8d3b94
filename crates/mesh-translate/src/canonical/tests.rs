use prost::Message as _;

use super::{CLUSTER, sort_maps};
use crate::{pb, provenance::Provenance, wire::text};

#[test]
fn maps_come_out_sorted_and_whole() {
    let message = || pb::cluster::Cluster {
        name: "c".to_owned(),
        typed_extension_protocol_options: ["b", "a", "c", "aa"]
            .map(|key| (key.to_owned(), pb::Any { type_url: format!("t/{key}"), value: vec![0xff; 200] }))
            .into(),
        metadata: Some(
            Provenance::default().istio("x", text("1")).istio("a", text("2")).lateen("k", text("3")).metadata(),
        ),
        ..Default::default()
    };
    let bytes = || {
        let mut bytes = message().encode_to_vec();
        sort_maps(&mut bytes, &CLUSTER);
        bytes
    };
    let first = bytes();
    for _ in 0..64 {
        assert_eq!(first, bytes());
    }
    assert_eq!(pb::cluster::Cluster::decode(&first[..]).unwrap(), message());
}

#[test]
fn bytes_that_are_no_message_stay() {
    for bytes in [&b""[..], b"\xff\xff\xff", b"\xca\x01\x7f", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"] {
        let mut copy = bytes.to_vec();
        sort_maps(&mut copy, &CLUSTER);
        assert_eq!(copy, bytes);
    }
}
