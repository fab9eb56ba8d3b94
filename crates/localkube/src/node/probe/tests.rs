use std::{collections::BTreeSet, time::Instant};

use k8s_openapi::api::core::v1::Probe;

use super::{Counter, Report, SETTLE, listener, settle};

#[test]
fn verdicts_need_their_thresholds() {
    let probe = Probe { success_threshold: Some(2), failure_threshold: Some(3), ..Probe::default() };
    let mut counter = Counter::new(&probe);
    let attempts = [true, false, true, true, true, false, false, true, false, false, false, false, true, true];
    let verdicts: Vec<Option<bool>> = attempts.iter().map(|healthy| counter.count(*healthy)).collect();
    let mut expected = vec![None; attempts.len()];
    expected[3] = Some(true);
    expected[10] = Some(false);
    expected[13] = Some(true);
    assert_eq!(verdicts, expected);
}

#[test]
fn listeners_are_found_by_their_state() {
    let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                 0: 0100007F:2378 00000000:0000 0A 00000000:00000000\n\
                 1: 0100007F:2379 0100007F:A2C4 01 00000000:00000000\n\
                 2: 00000000000000000000000000000000:3A98 00000000000000000000000000000000:0000 0A 00000000\n";
    assert_eq!(table.lines().filter_map(listener).collect::<Vec<_>>(), [9080, 15000]);
}

#[tokio::test]
async fn a_program_without_a_probe_is_ready_when_it_listens() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = socket.local_addr().unwrap().port();
    let pid = std::process::id();
    let settled = |ports: BTreeSet<u16>| async move {
        let started = Instant::now();
        let verdicts = std::sync::Mutex::new(Vec::new());
        settle(ports, pid, |report| verdicts.lock().unwrap().push(report)).await;
        assert_eq!(*verdicts.lock().unwrap(), [Report::Verdict(true)]);
        started.elapsed()
    };
    assert!(settled(BTreeSet::from([taken])).await < SETTLE);
    drop(socket);
    assert!(settled(BTreeSet::from([taken])).await >= SETTLE);
}
