use mesh_proto::envoy::google::protobuf::UInt32Value;

use super::*;

fn config(change: impl FnOnce(&mut pb::OutlierDetection)) -> OutlierConfig {
    let mut message = pb::OutlierDetection {
        consecutive_5xx: Some(UInt32Value { value: 3 }),
        enforcing_success_rate: Some(UInt32Value { value: 0 }),
        ..Default::default()
    };
    change(&mut message);
    OutlierConfig::parse(message).unwrap()
}

fn at(seconds: u64) -> Tick {
    Tick::after(Duration::from_secs(seconds))
}

#[test]
fn failures_in_a_row_eject_and_time_brings_back() {
    use HostOutcome::{LocalFailure, Status};
    let config = config(|_| {});
    let state = OutlierState::default();
    let outcomes = [Status(500), Status(500), Status(200), Status(500), LocalFailure];
    assert!(outcomes.iter().all(|o| !state.count(&config, *o, 0)));
    assert!(state.count(&config, Status(500), 0), "the third in a row");
    assert!(state.eject(&config, at(100), 0, 3));
    assert!(state.is_away(at(129), || panic!("too early")));
    let mut back = 0;
    assert!(!state.is_away(at(130), || back += 1));
    assert!(!state.is_away(at(131), || back += 1));
    assert_eq!(back, 1);
    assert!(state.eject(&config, at(200), 0, 3));
    assert!(state.is_away(at(259), || ()), "the second time lasts twice as long");
    assert!(!state.is_away(at(260), || ()));
    state.forgive();
    assert!(state.eject(&config, at(300), 0, 3));
    assert!(state.is_away(at(359), || ()) && !state.is_away(at(360), || ()));
}

#[test]
fn only_so_many_may_be_away_but_always_one() {
    let config = config(|m| m.max_ejection_percent = Some(UInt32Value { value: 50 }));
    for (away, all, wanted) in [(0, 1, true), (1, 4, true), (2, 4, false), (0, 2, true), (1, 2, false), (1, 3, false)] {
        assert_eq!(OutlierState::default().eject(&config, at(1), away, all), wanted, "{away} of {all}");
    }
}

#[test]
fn each_rule_counts_its_own() {
    use HostOutcome::{Connected, LocalFailure, Status};
    let gateway = config(|m| {
        m.enforcing_consecutive_5xx = Some(UInt32Value { value: 0 });
        m.consecutive_gateway_failure = Some(UInt32Value { value: 2 });
        m.enforcing_consecutive_gateway_failure = Some(UInt32Value { value: 100 });
    });
    let state = OutlierState::default();
    assert!([503, 500, 504].iter().all(|s| !state.count(&gateway, Status(*s), 0)), "500 is no gateway's error");
    assert!(state.count(&gateway, Status(502), 0));
    let split = config(|m| {
        m.split_external_local_origin_errors = true;
        m.consecutive_local_origin_failure = Some(UInt32Value { value: 2 });
    });
    let state = OutlierState::default();
    assert!([LocalFailure, Connected, LocalFailure, Status(503)].iter().all(|o| !state.count(&split, *o, 0)));
    assert!(state.count(&split, LocalFailure, 0));
}

#[test]
fn ejection_by_success_rate_is_refused() {
    let message = pb::OutlierDetection::default();
    assert_eq!(OutlierConfig::parse(message).unwrap_err().path(), "enforcing_success_rate");
}
