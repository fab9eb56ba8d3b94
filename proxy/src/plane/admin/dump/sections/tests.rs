use std::time::Duration;

use super::*;

#[test]
fn times_are_written_as_protobuf_writes_them() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ];
    for (since, expected) in cases {
        assert_eq!(time(SystemTime::UNIX_EPOCH + Duration::from_millis(since)), expected);
    }
}
