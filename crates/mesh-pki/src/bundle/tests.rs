use std::time::SystemTime;

use super::TrustBundle;
use crate::Authority;

#[test]
fn bundles_are_read_joined_and_written() {
    let now = SystemTime::now();
    let one = Authority::generate("one", now).unwrap().roots().clone();
    let two = Authority::generate("two", now).unwrap().roots().clone();
    let both = one.union(&two).union(&one);
    assert_eq!(both.certificates().len(), 2);
    assert_eq!(TrustBundle::parse(&both.to_pem()).unwrap(), both);
    assert!(TrustBundle::parse("").unwrap().is_empty());
    assert!(!both.is_empty());
    TrustBundle::parse("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap_err();
}
