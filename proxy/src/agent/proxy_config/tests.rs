use std::time::Duration;

use super::{ControlPlaneAuth, ProxyConfig};

#[test]
fn what_is_set_is_read_and_the_rest_is_named() {
    let text = r#"{"concurrency":2,"terminationDrainDuration":"0.5s","tracing":{},"statusPort":15020}"#;
    let config: ProxyConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.concurrency, Some(2));
    assert_eq!(config.termination_drain_duration, Some(Duration::from_millis(500)));
    assert_eq!(config.others.keys().collect::<Vec<_>>(), ["tracing"]);
    assert_eq!(serde_json::from_str::<ProxyConfig>("{}").unwrap(), ProxyConfig::default());
    let plaintext: ProxyConfig = serde_json::from_str(r#"{"controlPlaneAuthPolicy":"NONE"}"#).unwrap();
    assert_eq!(plaintext.control_plane_auth_policy, ControlPlaneAuth::None);
    let error = serde_json::from_str::<ProxyConfig>(r#"{"controlPlaneAuthPolicy":"none"}"#).unwrap_err();
    assert!(error.to_string().contains("`none`"), "{error}");
    let error = serde_json::from_str::<ProxyConfig>(r#"{"drainDuration":"soon"}"#).unwrap_err();
    assert!(error.to_string().contains("`soon` is not a duration"));
}
