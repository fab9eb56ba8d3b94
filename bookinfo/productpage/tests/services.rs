//! productpage with real details, reviews and ratings, and with ones that fail.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::shop::{closed_port, config, details, get, identity, productpage, ratings, reviews, send, start};
use axum::routing::get as route;
use http::{HeaderMap, StatusCode};
use kit::{App, FORWARDED};

/// The whole shop with this version of reviews; the port of productpage.
async fn whole(version: &str) -> u16 {
    let (details, ratings) = (details().await, ratings().await);
    let reviews = reviews(version, ratings).await;
    start(productpage(&config(details, reviews, ratings))).await
}

/// A service whose one route always answers this.
async fn stub(path: &'static str, status: u16, body: &'static str) -> u16 {
    let status = StatusCode::from_u16(status).unwrap();
    start(App::new(&identity("stub", "v1")).route(path, route(move || async move { (status, body) }))).await
}

#[tokio::test]
async fn the_page_shows_each_version_of_reviews() {
    for (version, color, stars) in [("v1", "", 0), ("v2", "black", 9), ("v3", "red", 9)] {
        let page = get(whole(version).await, "/productpage?u=normal", &[]).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("<title>Simple Bookstore App</title>"));
        for text in ["The Comedy of Errors", "Book Details", "PublisherA", "1234567890", "Book Reviews", "Reviewer2"] {
            assert!(page.body.contains(text), "{version}: no {text}");
        }
        assert_eq!(page.body.matches("star full").count(), stars, "{version}");
        assert_eq!(page.body.matches(&format!("style=\"color: {color}\"")).count(), if stars > 0 { 2 } else { 0 });
        assert!(page.body.contains(&format!("<code>reviews-{version}-pod</code>")));
        assert!(page.body.contains("<code>details-v1-pod</code>"));
        assert_eq!(page.body.contains("<code>ratings-v1-pod</code>"), stars > 0, "{version}");
        assert_eq!(page.header("cache-control"), ["no-store"]);
    }
}

#[tokio::test]
async fn the_api_passes_the_services_json_on() {
    let port = whole("v3").await;
    let products = get(port, "/api/v1/products", &[]).await;
    assert_eq!(products.header("content-type"), ["application/json"]);
    let products: serde_json::Value = serde_json::from_str(&products.body).unwrap();
    assert_eq!((&products[0]["id"], &products[0]["title"]), (&0.into(), &"The Comedy of Errors".into()));

    let details = get(port, "/api/v1/products/7", &[]).await;
    assert!(details.body.starts_with(r#"{"id":7,"author":"William Shakespeare","year":1595,"#), "{}", details.body);
    let reviews = get(port, "/api/v1/products/7/reviews", &[]).await;
    assert!(reviews.body.starts_with(r#"{"id": "7","podname": "reviews-v3-pod","clustername": "null","#));
    let ratings = get(port, "/api/v1/products/7/ratings", &[]).await;
    assert_eq!(ratings.body, r#"{"id":7,"ratings":{"Reviewer1":5,"Reviewer2":4}}"#);
    let hops = ["productpage v1 productpage-v1-pod", "ratings v1 ratings-v1-pod"];
    assert_eq!(ratings.header("bookinfo-served-by"), hops);
}

#[tokio::test]
async fn errors_keep_the_services_status() {
    let port = whole("v3").await;
    for (path, status, what) in
        [("x", 400, "details"), ("x/reviews", 404, "reviews"), ("x/ratings", 400, "ratings"), ("%20", 400, "details")]
    {
        let answer = get(port, &format!("/api/v1/products/{path}"), &[]).await;
        let error = format!(r#"{{"error":"Sorry, product {what} are currently unavailable for this book."}}"#);
        assert_eq!((answer.status, answer.body), (status, error), "{path}");
    }
    let port = start(productpage(&config(1, stub("/reviews/0", 503, "").await, 1))).await;
    assert!(get(port, "/productpage", &[]).await.body.contains("reviews answered 503 Service Unavailable"));
    let not_json = stub("/details/0", 200, "<html>").await;
    let port = start(productpage(&config(not_json, not_json, not_json))).await;
    assert_eq!(get(port, "/api/v1/products/0", &[]).await.status, 500);
}

#[tokio::test]
async fn headers_travel_to_the_end_of_the_chain() {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let keep = Arc::clone(&seen);
    let echo = route(move |headers: HeaderMap| async move {
        *keep.lock().unwrap() = headers;
        r#"{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}"#
    });
    let ratings = start(App::new(&identity("ratings", "v1")).route("/ratings/{id}", echo)).await;
    let reviews = reviews("v2", ratings).await;
    let port = start(productpage(&config(closed_port().await, reviews, ratings))).await;

    let lines: Vec<String> = FORWARDED.iter().map(|name| format!("{name}: {name}-value")).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.push("x-private: no");
    get(port, "/productpage", &lines).await;
    let first = seen.lock().unwrap().clone();
    for name in FORWARDED {
        assert_eq!(first[name], format!("{name}-value"), "{name}");
    }
    assert!(!first.contains_key("x-private"));

    // Who is signed in outranks what the caller says of itself.
    get(port, "/productpage", &["end-user: mallory", "cookie: session=eyJ1c2VyIjoiamFzb24ifQ"]).await;
    assert_eq!(seen.lock().unwrap()["end-user"], "jason");
}

#[tokio::test]
async fn the_page_survives_the_death_of_all_others() {
    let closed = closed_port().await;
    let page = get(start(productpage(&config(closed, closed, closed))).await, "/productpage", &[]).await;
    assert_eq!(page.status, 200);
    for text in [
        "Error fetching product details!",
        "Sorry, product details are currently unavailable for this book.",
        "Error fetching product reviews!",
        "Sorry, product reviews are currently unavailable for this book.",
        "details gave no answer: the call failed: ",
        "The Comedy of Errors",
    ] {
        assert!(page.body.contains(text), "no {text}");
    }
}

#[tokio::test]
async fn missing_ratings_cost_only_the_stars() {
    let (details, closed) = (details().await, closed_port().await);
    let reviews = reviews("v3", closed).await;
    let page = get(start(productpage(&config(details, reviews, closed))).await, "/productpage", &[]).await;
    assert_eq!(page.body.matches("Ratings service is currently unavailable").count(), 2);
    assert!(page.body.contains("Book Reviews") && !page.body.contains("Error fetching"));
}

#[tokio::test]
async fn reviews_gets_two_tries_of_the_timeout_each_and_details_one() {
    let calls = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let mut ports = Vec::new();
    for (path, calls) in ["/details/0", "/reviews/0"].into_iter().zip(&calls) {
        let calls = Arc::clone(calls);
        let hang = route(async move || {
            calls.fetch_add(1, Ordering::Relaxed);
            pending::<()>().await;
        });
        ports.push(start(App::new(&identity("stub", "v1")).route(path, hang)).await);
    }
    let timeout = Duration::from_millis(300);
    let port = start(productpage(&productpage::Config { timeout, ..config(ports[0], ports[1], ports[1]) })).await;

    let started = Instant::now();
    let page = get(port, "/productpage", &[]).await;

    assert!(started.elapsed() >= timeout * 2 && started.elapsed() < timeout * 20, "{:?}", started.elapsed());
    assert_eq!(calls.map(|calls| calls.load(Ordering::Relaxed)), [1, 2]);
    assert!(page.body.contains("Error fetching product reviews!"));
}

#[tokio::test]
async fn the_second_try_can_succeed() {
    let calls = AtomicUsize::new(0);
    let calls = Arc::new(calls);
    let first_fails = route(async move || match calls.fetch_add(1, Ordering::Relaxed) {
        0 => (StatusCode::SERVICE_UNAVAILABLE, ""),
        _ => (StatusCode::OK, r#"{"reviews": []}"#),
    });
    let reviews = start(App::new(&identity("reviews", "v1")).route("/reviews/0", first_fails)).await;
    let port = start(productpage(&config(reviews, reviews, reviews))).await;
    assert_eq!(get(port, "/api/v1/products/0/reviews", &[]).await.status, 200);
}

#[tokio::test]
async fn the_flood_multiplies_the_calls_to_reviews() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let answer = route(async move || {
        count.fetch_add(1, Ordering::Relaxed);
        r#"{"reviews": []}"#
    });
    let reviews = start(App::new(&identity("reviews", "v1")).route("/reviews/0", answer)).await;
    let config = productpage::Config { flood: 20, ..config(details().await, reviews, reviews) };
    get(start(productpage(&config)).await, "/productpage", &[]).await;
    assert_eq!(calls.load(Ordering::Relaxed), 21);
}

#[tokio::test]
async fn jason_signs_in_and_out() {
    let port = whole("v1").await;
    let page = get(port, "/productpage", &[]).await.body;
    assert!(page.contains(r#"<form method="post" action="login">"#) && page.contains(r#"name="username""#));

    let form = "content-type: application/x-www-form-urlencoded";
    let referrer = "referer: http://shop/productpage?u=normal";
    let login = send(port, "POST /login", &[form, referrer], "username=jason&passwd=").await;
    assert_eq!((login.status, login.header("location")), (302, vec!["/productpage?u=normal"]));
    let cookie = login.header("set-cookie")[0];
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = format!("cookie: {}", cookie.split(';').next().unwrap());
    let page = get(port, "/productpage", &[&cookie]).await.body;
    assert!(page.contains("<b>jason</b>") && page.contains(r#"<a href="logout">sign out</a>"#), "{page}");
    assert!(!page.contains("<form"));
    assert!(get(port, "/", &[&cookie]).await.body.contains("<b>jason</b>"));

    let logout = get(port, "/logout", &[&cookie]).await;
    assert_eq!((logout.status, logout.header("location")), (302, vec!["productpage"]));
    assert!(logout.header("set-cookie")[0].starts_with("session=; Path=/; Max-Age=0"));
}

#[tokio::test]
async fn nothing_comes_from_elsewhere() {
    let port = whole("v3").await;
    for path in ["/productpage", "/", "/index.html"] {
        let page = get(port, path, &[]).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-security-policy")[0].starts_with("default-src 'none';"), "{path}");
        for outside in ["<script", "<link", "<img", "@import", "url(", "src="] {
            assert!(!page.body.contains(outside), "{path} has {outside}");
        }
    }
    assert!(get(port, "/", &[]).await.body.contains(r#"href="productpage?u=normal""#));
    assert_eq!(get(port, "/elsewhere", &[]).await.status, 404);
}

#[tokio::test]
async fn metrics_tell_the_results_of_the_calls() {
    let (closed, details) = (closed_port().await, details().await);
    let port = start(productpage(&config(details, closed, closed))).await;
    assert_eq!(get(port, "/health", &[]).await.body, "Product page is healthy");
    get(port, "/productpage", &[]).await;
    let metrics = get(port, "/metrics", &[]).await.body;
    for line in [
        r#"request_result_total{destination_app="details",response_code="200"} 1"#,
        r#"request_result_total{destination_app="reviews",response_code="500"} 1"#,
        r#"http_requests_total{method="GET",route="/productpage",code="200"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }
}
