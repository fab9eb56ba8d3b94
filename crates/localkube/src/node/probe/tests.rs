use k8s_openapi::api::core::v1::Probe;

use super::Counter;

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
