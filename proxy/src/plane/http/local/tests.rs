use http::StatusCode;

use super::{grpc_status, percent_encoded};

#[test]
fn statuses_of_grpc_follow_its_table() {
    let statuses: Vec<u32> = [400, 401, 403, 404, 429, 502, 503, 504, 500, 418]
        .map(|s| grpc_status(StatusCode::from_u16(s).unwrap()))
        .into();
    assert_eq!(statuses, [13, 16, 7, 12, 14, 14, 14, 14, 2, 2]);
}

#[test]
fn messages_of_grpc_are_visible_ascii() {
    assert_eq!(percent_encoded("no healthy upstream".as_bytes()), b"no healthy upstream");
    assert_eq!(percent_encoded("100 %\né".as_bytes()), b"100 %25%0A%C3%A9");
}
