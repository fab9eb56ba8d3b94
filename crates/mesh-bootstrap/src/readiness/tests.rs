use super::Readiness;

#[test]
fn ready_when_all_gates_are_open() {
    let readiness = Readiness::default();
    assert!(readiness.is_ready());
    let (config, identity) = (readiness.gate("config"), readiness.gate("identity"));
    identity.open();
    assert_eq!(readiness.waiting(), ["config"]);
    config.clone().open();
    assert!(readiness.is_ready());
    config.close();
    assert!(!readiness.is_ready());
}
