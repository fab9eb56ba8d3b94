use std::time::Duration;

use super::*;

fn at(port: u16) -> SocketAddr {
    ([10, 96, 0, 1], port).into()
}

fn second(number: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(number)
}

#[test]
fn the_same_destination_is_counted_in_one_place() {
    let misses = Misses::default();
    misses.note_at(at(80), Some("Example.com"), Reason::Passthrough, second(1));
    misses.note_at(at(80), Some("example.com"), Reason::BlackHole, second(2));
    misses.note_at(at(80), None, Reason::Passthrough, second(3));
    let calls = together([misses.all()].into_iter());
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].calls, calls[0].host.as_deref()), (1, None));
    assert_eq!((calls[1].calls, calls[1].host.as_deref()), (2, Some("example.com")));
    assert_eq!((calls[1].reason, calls[1].last), (Reason::BlackHole, second(2)));
}

#[test]
fn the_memory_is_bounded_and_forgets_the_oldest() {
    let misses = Misses::default();
    for number in 0..MOST {
        misses.note_at(at(number as u16), None, Reason::Passthrough, second(number as u64));
    }
    // The first is called again, so that the second is the oldest.
    misses.note_at(at(0), None, Reason::Passthrough, second(1_000));
    misses.note_at(at(9_999), None, Reason::Passthrough, second(1_001));
    let calls = together([misses.all()].into_iter());
    assert_eq!(calls.len(), MOST);
    assert_eq!((calls[0].address, calls[1].address), (at(9_999), at(0)));
    assert!(calls.iter().all(|call| call.address != at(1)));
    let long = "a".repeat(LONGEST + 1);
    misses.note_at(at(80), Some(&long), Reason::Passthrough, second(2_000));
    assert!(misses.all().iter().all(|call| call.host.is_none()));
}

#[test]
fn workers_remember_together() {
    let (first, second_worker) = (Misses::default(), Misses::default());
    first.note_at(at(80), None, Reason::Passthrough, second(5));
    second_worker.note_at(at(80), None, Reason::BlackHole, second(4));
    second_worker.note_at(at(81), None, Reason::BlackHole, second(9));
    let calls = together([first.all(), second_worker.all()].into_iter());
    let told: Vec<_> = calls.iter().map(|call| (call.address.port(), call.calls, call.reason)).collect();
    assert_eq!(told, [(81, 1, Reason::BlackHole), (80, 2, Reason::Passthrough)]);
}
