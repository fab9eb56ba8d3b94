use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::{JITTER, RATIO, renew_at};

#[test]
fn half_of_the_lifetime_is_left() {
    let start = SystemTime::UNIX_EPOCH;
    let end = start + Duration::from_secs(24 * 3600);
    assert_eq!(renew_at(start, end, RATIO, 0.0), start + Duration::from_secs(12 * 3600));
    assert!(renew_at(start, end, RATIO, JITTER) < start + Duration::from_secs(12 * 3600));
    assert_eq!(renew_at(end, start, RATIO, 0.0), start, "a certificate that never was good is renewed at once");
}

proptest! {
    #[test]
    fn it_is_within_the_lifetime(lifetime in 0u64..10_000_000, ratio in -2.0f64..2.0, jitter in -1.0f64..1.0) {
        let start = SystemTime::UNIX_EPOCH;
        let end = start + Duration::from_secs(lifetime);
        let at = renew_at(start, end, ratio, jitter);
        prop_assert!(start <= at && at <= end);
    }
}
