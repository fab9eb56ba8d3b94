use super::*;

fn key(name: &str) -> Key {
    Key { namespace: "default".to_owned(), name: name.to_owned() }
}

#[test]
fn a_key_waits_once_and_never_runs_twice_at_a_time() {
    let mut queue = Queue::default();
    let now = Instant::now();
    queue.add(key("a"), now);
    queue.add(key("a"), now);
    queue.add(key("b"), now);
    assert_eq!(queue.take(now), Some(key("a")));
    assert_eq!(queue.take(now), Some(key("b")));
    assert_eq!(queue.take(now), None);
    queue.add(key("a"), now);
    assert_eq!(queue.take(now), None, "it is being worked on");
    queue.finish(key("a"), Ok(Next::Change), Duration::ZERO, now);
    assert_eq!(queue.take(now), Some(key("a")));
}

#[test]
fn a_busy_key_rests_and_a_change_hurries_a_waiting_one() {
    let mut queue = Queue::default();
    let now = Instant::now();
    queue.add(key("a"), now);
    queue.take(now);
    queue.add(key("a"), now);
    queue.finish(key("a"), Ok(Next::Change), Duration::from_millis(10), now);
    assert_eq!(queue.due(), Some(now + Duration::from_millis(30)));
    queue.take(now + Duration::from_millis(30));
    queue.finish(key("a"), Ok(Next::After(Duration::from_secs(60))), Duration::ZERO, now);
    assert_eq!(queue.due(), Some(now + Duration::from_secs(60)));
    queue.add(key("a"), now);
    assert_eq!(queue.take(now), Some(key("a")));
    assert_eq!(queue.due(), None);
}

#[test]
fn errors_wait_longer_each_time_until_a_step_works() {
    let mut queue = Queue::default();
    let now = Instant::now();
    for expected in [10, 20, 40] {
        queue.add(key("a"), now);
        queue.take(now);
        queue.finish(key("a"), Err(Status::internal("no")), Duration::ZERO, now);
        assert_eq!(queue.due(), Some(now + Duration::from_millis(expected)));
    }
    queue.add(key("a"), now);
    queue.take(now);
    queue.finish(key("a"), Ok(Next::Change), Duration::ZERO, now);
    assert!(queue.failures.is_empty() && queue.due().is_none());
}
