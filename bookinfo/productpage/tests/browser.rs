//! The page in a real browser: headless Chromium, if this machine has it, with the real services.
//!
//! The page has no script, so a second page on the same host looks at it through frames of a phone's
//! and a desktop's width, signs in as a person would, and writes down what it saw as JSON.

use std::{path::PathBuf, process::Stdio, time::Duration};

use crate::shop::{closed_port, config, details, productpage, ratings, reviews, start};
use axum::{response::Html, routing::get as route};
use serde_json::{Value, json};
use tokio::process::Command;

const OBSERVER: &str = include_str!("observer.html");

/// The browser, or why these tests do not run.
fn chromium() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found =
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.exists());
    if found.is_none() {
        println!("NOT RUN: no Chromium here; `apt-get install chromium` adds it");
    }
    found
}

/// Runs the browser on `address` for at most a minute; gives what it prints.
async fn browse(arguments: &[&str], address: &str) -> Option<String> {
    let chromium = chromium()?;
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        .args(["--hide-scrollbars", "--virtual-time-budget=20000", "--window-size=1280,2000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(address)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), output).await.expect("Chromium took over a minute");
    Some(String::from_utf8(output.unwrap().stdout).unwrap())
}

/// What the observer saw of the shop with these ports, or nothing without a browser.
async fn observe(details: u16, reviews: u16, arguments: &[&str]) -> Option<Value> {
    let app = productpage(&config(details, reviews, reviews));
    let port = start(app.route("/observer", route(|| async { Html(OBSERVER) }))).await;
    let arguments = [&["--dump-dom"], arguments].concat();
    let page = browse(&arguments, &format!("http://127.0.0.1:{port}/observer")).await?;
    let (_, rest) =
        page.split_once(r#"<pre id="seen">"#).unwrap_or_else(|| panic!("the observer did not end:\n{page}"));
    let (seen, _) = rest.split_once("</pre>").unwrap();
    Some(serde_json::from_str(seen).unwrap_or_else(|error| panic!("{error}: {seen}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stars_have_their_number_and_colour() {
    let (details, ratings) = (details().await, ratings().await);
    for (version, full, color) in
        [("v1", 0, json!([])), ("v2", 9, json!(["rgb(0, 0, 0)"])), ("v3", 9, json!(["rgb(255, 0, 0)"]))]
    {
        let Some(seen) = observe(details, reviews(version, ratings).await, &[]).await else { return };
        for width in ["phone", "desktop"] {
            let page = &seen[width];
            assert_eq!(page["full"], full, "{version} {page}");
            assert_eq!(page["empty"], if full > 0 { 1 } else { 0 }, "{version} {page}");
            assert_eq!(page["colors"], color, "{version} {page}");
            assert_eq!(page["overflow"], 0, "{version} {page}");
            assert_eq!(page["alerts"], json!([]), "{version} {page}");
        }
        assert_eq!(seen["phone"]["columns"], 1, "{seen}");
        assert_eq!(seen["desktop"]["columns"], 2, "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_and_out() {
    let (details, ratings) = (details().await, ratings().await);
    let Some(seen) = observe(details, reviews("v2", ratings).await, &[]).await else { return };
    assert_eq!(seen["form_before"], json!({"hidden_at_first": true, "shown_when_opened": true, "overflow": 0}));
    assert_eq!(seen["signed_in"], "jason (sign out)");
    assert_eq!(seen["signed_out"], "Sign in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_boxes_that_fit() {
    let closed = closed_port().await;
    let Some(seen) = observe(closed, reviews("v3", closed).await, &[]).await else { return };
    let unrated = "Ratings service is currently unavailable";
    let alerts = seen["phone"]["alerts"].as_array().unwrap();
    let details = "Error fetching product details! Sorry, product details are currently unavailable for this book. \
                   details gave no answer: ";
    assert!(alerts[0].as_str().unwrap().starts_with(details), "{seen}");
    assert_eq!(alerts[1..], [unrated, unrated]);
    assert_eq!((&seen["phone"]["overflow"], &seen["desktop"]["overflow"]), (&json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn light_and_dark_can_both_be_read() {
    let (details, ratings) = (details().await, ratings().await);
    let reviews = reviews("v2", ratings).await;
    for (scheme, dark) in [("1", false), ("0", true)] {
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        let Some(seen) = observe(details, reviews, &[&scheme]).await else { return };
        let page = &seen["desktop"];
        assert_eq!(page["dark"], dark, "{page}");
        // 4.5 is what WCAG asks of text, 3 of graphics.
        assert!(page["contrast"]["text"].as_f64().unwrap() >= 4.5, "{page}");
        assert!(page["contrast"]["soft"].as_f64().unwrap() >= 4.5, "{page}");
        assert!(page["contrast"]["stars"].as_f64().unwrap() >= 3.0, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_can_be_taken() {
    let (details, ratings) = (details().await, ratings().await);
    let port = start(productpage(&config(details, reviews("v3", ratings).await, ratings))).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.png");
    let argument = format!("--screenshot={}", file.display());
    let Some(_) = browse(&[&argument], &format!("http://127.0.0.1:{port}/productpage")).await else { return };
    let picture = std::fs::read(&file).unwrap();
    // An empty page of this size packs into far less.
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 30_000, "{} bytes", picture.len());
}
