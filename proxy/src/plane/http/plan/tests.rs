use std::time::Duration;

use http::HeaderMap;

use super::grpc_timeout;

#[test]
fn grpc_timeouts_are_eight_digits_and_a_unit() {
    let cases = [
        ("1H", Some(3_600_000_000)),
        ("2M", Some(120_000_000)),
        ("3S", Some(3_000_000)),
        ("4m", Some(4_000)),
        ("5u", Some(5)),
        ("99999999m", Some(99_999_999_000)),
        ("100000000m", None),
        ("m", None),
        ("", None),
        ("5", None),
        ("5é", None),
        ("-5m", None),
    ];
    for (text, micros) in cases {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", http::HeaderValue::from_bytes(text.as_bytes()).unwrap());
        assert_eq!(grpc_timeout(&headers), micros.map(Duration::from_micros), "{text}");
    }
    assert_eq!(grpc_timeout(&HeaderMap::new()), None);
}
