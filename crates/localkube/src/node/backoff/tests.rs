use std::time::{Duration, Instant};

use super::{Backoff, go_seconds};

#[test]
fn doubles_from_ten_seconds_to_five_minutes() {
    let mut backoff = Backoff::default();
    let mut now = Instant::now();
    assert_eq!(backoff.remaining(now, now), None, "the first restart does not wait");
    let mut texts = Vec::new();
    for _ in 0..7 {
        backoff.attempt(now);
        let left = backoff.remaining(now, now).unwrap();
        texts.push(go_seconds(left));
        now += left;
        assert_eq!(backoff.remaining(now - left, now), None);
    }
    assert_eq!(texts, ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"]);
}

#[test]
fn ten_quiet_minutes_forget_it() {
    let mut backoff = Backoff::default();
    let now = Instant::now();
    backoff.attempt(now);
    backoff.attempt(now);
    let later = now + Duration::from_secs(601);
    assert_eq!(backoff.remaining(later, later), None);
    backoff.attempt(later);
    assert_eq!(backoff.delay(), Duration::from_secs(10));
}
