use serde_json::json;

use super::*;

#[test]
fn paths_choose_fields() {
    let whole = json!({ "@type": "t", "cluster": { "name": "c", "type": "EDS" }, "last_updated": "now" });
    assert_eq!(Mask::parse("").apply(whole.clone()), whole);
    let name = Mask::parse("cluster.name");
    assert_eq!(name.apply(whole.clone()), json!({ "@type": "t", "cluster": { "name": "c" } }));
    assert_eq!(Mask::parse("last_updated, cluster").apply(whole.clone()), whole);
    assert!(name.keeps("cluster") && !name.keeps("last_updated"));
    assert_eq!(name.inside("cluster").apply(json!([{ "name": "c", "type": "EDS" }])), json!([{ "name": "c" }]));
}
