use std::{
    future::pending,
    io::{Read, Write},
    net::TcpStream,
};

use kit::{bind, serve};

use super::*;

const DEFAULT: &str = r#"{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}"#;

async fn start(version: &str) -> u16 {
    let identity = Identity { service: "ratings", version: version.to_owned(), pod: None };
    let listener = bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, app(&identity, Variant::of(version)), pending()));
    port
}

/// One request over a plain socket: status and body.
async fn ask(port: u16, method: &str, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: r\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn answers_and_keeps_what_is_posted() {
    let port = start("v1").await;
    assert_eq!(ask(port, "GET", "/ratings/0", "").await, (200, DEFAULT.to_owned()));
    assert_eq!(ask(port, "GET", "/health", "").await, (200, r#"{"status":"Ratings is healthy"}"#.to_owned()));

    let posted = (200, r#"{"id":0,"ratings":{"Reviewer1":1,"Reviewer2":2}}"#.to_owned());
    assert_eq!(ask(port, "POST", "/ratings/0", r#"{"Reviewer1": 1, "Reviewer2": 2}"#).await, posted);
    assert_eq!(ask(port, "GET", "/ratings/0", "").await, posted);
    assert_eq!(ask(port, "GET", "/ratings/1?a=b", "").await, (200, DEFAULT.replace(r#""id":0"#, r#""id":1"#)));
}

#[tokio::test]
async fn refuses_what_is_wrong() {
    let port = start("v1").await;
    let not_numeric = (400, r#"{"error":"please provide numeric product ID"}"#.to_owned());
    for path in ["/ratings/x", "/ratings/"] {
        assert_eq!(ask(port, "GET", path, "").await, not_numeric);
        assert_eq!(ask(port, "POST", path, "{}").await, not_numeric);
    }
    let not_json = (400, r#"{"error":"please provide valid ratings JSON"}"#.to_owned());
    assert_eq!(ask(port, "POST", "/ratings/0", "{").await, not_json);
    assert_eq!(ask(port, "POST", "/ratings/0", &"1".repeat(65 * 1024)).await.0, 413);
    assert_eq!(ask(port, "GET", "/other", "").await.0, 404);
}

#[tokio::test]
async fn without_its_database_version_2_fails() {
    let port = start("v2").await;
    let failed = (500, r#"{"error":"could not connect to ratings database"}"#.to_owned());
    assert_eq!(ask(port, "GET", "/ratings/0", "").await, failed);
    let refused = (501, r#"{"error":"Post not implemented for database backed ratings"}"#.to_owned());
    assert_eq!(ask(port, "POST", "/ratings/0", "{}").await, refused);
}

#[tokio::test]
async fn the_faulty_one_fails_about_every_second_time() {
    let port = start("v-faulty").await;
    let mut failures = 0;
    for _ in 0..200 {
        match ask(port, "GET", "/ratings/0", "").await {
            (503, body) => {
                assert_eq!(body, r#"{"error":"Service unavailable"}"#);
                failures += 1;
            }
            answer => assert_eq!(answer, (200, DEFAULT.to_owned())),
        }
    }
    // A fair coin lands outside of this range once in 10^8 runs.
    assert!((60..=140).contains(&failures), "{failures} of 200");
}

#[test]
fn moods_follow_the_variant_the_coin_and_the_clock() {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    for (version, age, coin, mood, healthy) in [
        ("v1", minutes(1), true, Mood::Well, true),
        ("v3", minutes(1), true, Mood::Well, true),
        ("v2", minutes(0), false, Mood::NoDatabase, true),
        ("v-faulty", minutes(0), true, Mood::Unavailable, true),
        ("v-faulty", minutes(0), false, Mood::Well, true),
        ("v-delayed", minutes(0), true, Mood::Late, true),
        ("v-delayed", minutes(0), false, Mood::Well, true),
        ("v-unavailable", minutes(0), true, Mood::Well, true),
        ("v-unavailable", minutes(1), true, Mood::Unavailable, true),
        ("v-unavailable", minutes(2), true, Mood::Well, true),
        ("v-unhealthy", minutes(14), true, Mood::Well, true),
        ("v-unhealthy", minutes(15), true, Mood::Unavailable, false),
        ("v-unhealthy", minutes(30), true, Mood::Well, true),
    ] {
        let variant = Variant::of(version);
        assert_eq!(variant.mood(age, coin), mood, "{version} at {age:?}");
        assert_eq!(variant.healthy(age), healthy, "{version} at {age:?}");
    }
}

#[tokio::test]
async fn the_unhealthy_one_fails_its_health_check() {
    assert_eq!(health(false).status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn memory_has_an_end() {
    let ratings = Ratings { variant: Variant::Well, started: Instant::now(), posted: Mutex::default() };
    for id in 0..10_000 {
        assert!(ratings.put(id, json!({})));
    }
    assert!(!ratings.put(10_000, json!({})));
    assert!(ratings.put(9_999, json!({"Reviewer1": 3})));
    assert_eq!(ratings.of(9_999), r#"{"id":9999,"ratings":{"Reviewer1":3}}"#);
}

#[test]
fn reads_the_number_that_the_last_part_begins_with() {
    for (path, id) in [
        ("/ratings/7", Some(7)),
        ("/ratings/-7", Some(-7)),
        ("/ratings/7up", Some(7)),
        ("/ratings/a/7", Some(7)),
        ("/ratings/up7", None),
        ("/ratings/-", None),
        ("/ratings/99999999999999999999", None),
    ] {
        assert_eq!(product_id(&Uri::from_static(path)), id, "{path}");
    }
}
