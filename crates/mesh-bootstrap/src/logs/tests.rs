use super::{LogError, LogOptions, parse, start};

#[test]
fn a_filter_is_parsed() {
    for good in ["info", "info,mesh_xds=debug", "off"] {
        assert!(parse(good).is_ok(), "{good}");
    }
    assert!(matches!(parse("mesh_xds=loud"), Err(LogError::Filter { .. })));
}

#[test]
fn a_filter_can_be_changed_and_a_bad_one_leaves_the_old() {
    let handle = start(&LogOptions::default()).unwrap();
    handle.set("warn").unwrap();
    handle.set("a=b=c=loud").unwrap_err();
    assert_eq!(handle.filter().unwrap(), "warn");
    assert!(matches!(start(&LogOptions::default()), Err(LogError::Started(_))));
}
