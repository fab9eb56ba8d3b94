use serde_json::json;

use super::*;

#[test]
fn cells_say_how_far_a_proxy_is() {
    let proxies = json!([{
        "proxy": "web-1.shop", "cluster_id": "Kubernetes", "istio_version": "1.25.1",
        "cluster_sent": "2", "cluster_acked": "2", "listener_sent": "5", "listener_acked": "4", "route_sent": "1",
        "resources": {
            "cds": { "last_acked": 1000.0 },
            "lds": { "last_sent": 4630.0 },
            "rds": { "error": "no such cluster" },
        },
    }, { "proxy": "other.shop" }]);
    let table = table(&[("pilot-1".to_owned(), proxies)], "web", 4660.0).to_string();
    let row = table.lines().nth(1).unwrap();
    let cells: Vec<&str> = row.split("     ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(
        cells,
        [
            "web-1.shop",
            "Kubernetes",
            "SYNCED (1h1m)",
            "STALE (30s)",
            "NOT SENT",
            "ERROR (no such cluster)",
            "IGNORED",
            "pilot-1",
            "1.25.1"
        ]
    );
    assert_eq!(table.lines().count(), 2);
}
