use std::time::Duration;

use super::Backoff;

#[test]
fn it_doubles_up_to_its_limit_and_begins_again_after_a_success() {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
    let waits: Vec<u64> = (0..4).map(|_| backoff.next(0.0).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 5]);
    assert_eq!(backoff.next(1.0), Duration::from_millis(2500));
    backoff.reset();
    assert_eq!(backoff.next(0.5), Duration::from_millis(750));
}
