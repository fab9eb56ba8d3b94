use super::*;

/// Publishes whenever it is due; gives the times, in milliseconds, for changes at these times.
fn published(changes: &[u64]) -> Vec<u64> {
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let since = |t: Instant| u64::try_from((t - start).as_millis()).unwrap();
    let mut debounce = Debounce::new(Pace::default());
    let mut times = Vec::new();
    for change in changes {
        while let Some(due) = debounce.due().filter(|due| *due <= at(*change)) {
            debounce.publish(due);
            times.push(since(due));
        }
        debounce.changed(at(*change));
    }
    if let Some(due) = debounce.due() {
        assert!(debounce.publish(due).is_some());
        times.push(since(due));
    }
    assert_eq!(debounce.due(), None);
    times
}

#[test]
fn the_first_change_is_fast_and_storms_are_gathered() {
    let cases: [(&[u64], &[u64]); 5] = [
        (&[0], &[10]),
        (&[0, 5, 9], &[10]),
        (&[0, 20, 60, 120], &[10, 220]),
        (&[0, 200, 400], &[10, 210, 410]),
        (&[], &[]),
    ];
    for (changes, expected) in cases {
        assert_eq!(published(changes), expected, "{changes:?}");
    }
}

#[test]
fn no_change_waits_for_ever() {
    let storm: Vec<u64> = (0..).step_by(50).take_while(|ms| *ms <= 1_200).collect();
    assert_eq!(published(&storm)[..2], [10, 1_050]);
}
