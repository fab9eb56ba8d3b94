use std::time::{Duration, UNIX_EPOCH};

use super::timestamp;

#[test]
fn times_are_written_in_utc_with_milliseconds() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
        (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
        (1_798_761_600_120, "2027-01-01T00:00:00.120Z"),
    ];
    for (millis, expected) in cases {
        let mut out = String::new();
        assert!(timestamp(UNIX_EPOCH + Duration::from_millis(millis), &mut out));
        assert_eq!(out, expected);
    }
}
