use super::troubles;

#[test]
fn failures_are_found_among_what_went_well() {
    let log = concat!(
        "[2026-11-26T11:00:00.000Z] \"GET /reviews/0 HTTP/1.1\" 200 - via_upstream - \"-\" 0 5 1 1 \"-\"\n",
        "[2026-11-26T11:00:01.000Z] \"GET /reviews/0 HTTP/1.1\" 503 - via_upstream - \"-\" 0 5 1 1 \"-\"\n",
        "2026-11-26T11:00:02.000Z\twarning\tenvoy config\tnot an access log \"at all\" 503 UF\n",
        "[2026-11-26T11:00:03.000Z] \"- - -\" 0 UF,URX - - \"-\" 0 0 1 - \"-\"\n",
        "{\"timestamp\":\"2026-11-26T11:00:04.000Z\",\"level\":\"WARN\",\"message\":\"no answer\"}\n",
        "[2026-11-26T11:00:04.000Z] \"GET / HTTP/1.1\" 404 - via_upstream - \"-\" 0 5 1 1 \"-\"\n",
    );
    let found: Vec<&str> = troubles(log).filter_map(|line| line.get(1..21)).collect();
    assert_eq!(found, ["2026-11-26T11:00:01.", "2026-11-26T11:00:03.", "\"timestamp\":\"2026-11"]);
}
