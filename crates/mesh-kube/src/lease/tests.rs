use super::*;

fn lease(holder: &str, renewed: i64) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: Some(15),
        renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
        ..LeaseSpec::default()
    }
}

#[test]
fn a_free_lease_is_taken_and_ours_is_renewed() {
    let now = Instant::now();
    let table = [
        (None, Step::Take),
        (Some(LeaseSpec::default()), Step::Take),
        (Some(lease("", 0)), Step::Take),
        (Some(lease("me", 0)), Step::Renew),
        (Some(lease("other", 0)), Step::Wait),
    ];
    for (lease, step) in table {
        assert_eq!(decide(lease.as_ref(), &mut Seen::default(), "me", now), step, "{lease:?}");
    }
}

#[test]
fn a_foreign_lease_is_taken_when_it_did_not_change_for_its_duration() {
    let (start, mut seen) = (Instant::now(), Seen::default());
    let mut after =
        |seconds, lease: LeaseSpec| decide(Some(&lease), &mut seen, "me", start + Duration::from_secs(seconds));
    // The holder's clock is far off; only its changes count.
    assert_eq!(after(0, lease("other", 5)), Step::Wait);
    assert_eq!(after(14, lease("other", 5)), Step::Wait);
    assert_eq!(after(15, lease("other", 6)), Step::Wait, "it renewed");
    assert_eq!(after(30, lease("other", 6)), Step::Wait);
    assert_eq!(after(31, lease("other", 6)), Step::Take);
}

#[test]
fn a_new_holder_starts_the_clock_anew() {
    let (start, mut seen) = (Instant::now(), Seen::default());
    let mut after =
        |seconds, lease: LeaseSpec| decide(Some(&lease), &mut seen, "me", start + Duration::from_secs(seconds));
    assert_eq!(after(0, lease("other", 5)), Step::Wait);
    assert_eq!(after(16, lease("third", 5)), Step::Wait);
}
