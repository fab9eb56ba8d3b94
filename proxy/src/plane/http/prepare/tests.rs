use http::{HeaderMap, HeaderValue};

use super::{clean, requested_upgrade, uuid};

fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
    of.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

#[test]
fn headers_of_one_connection_end_here() {
    let mut given = headers(&[
        ("connection", "Close, X-Own, TE"),
        ("x-own", "1"),
        ("te", "trailers, deflate"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("expect", "100-continue"),
        ("proxy-connection", "keep-alive"),
        ("accept", "*/*"),
    ]);
    clean(&mut given);
    assert_eq!(given, headers(&[("te", "trailers"), ("accept", "*/*")]));
}

#[test]
fn an_upgrade_is_asked_for_by_two_headers() {
    let asked = |of: &[(&'static str, &'static str)]| requested_upgrade(&headers(of));
    assert_eq!(asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]).as_deref(), Some("websocket"));
    assert_eq!(asked(&[("connection", "keep-alive"), ("upgrade", "websocket")]), None);
    assert_eq!(asked(&[("connection", "upgrade")]), None);
    assert_eq!(asked(&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c")]), None);
}

#[test]
fn request_ids_are_random_uuids() {
    let (none, all) = (uuid(0, 0), uuid(u64::MAX, u64::MAX));
    assert_eq!(none.to_str().unwrap(), "00000000-0000-4000-8000-000000000000");
    assert_eq!(all.to_str().unwrap(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
}
