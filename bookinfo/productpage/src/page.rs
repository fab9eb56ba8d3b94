use askama::Template;
use http::{HeaderMap, StatusCode};
use kit::{Identity, SERVED_BY};
use serde::Deserialize;
use serde_json::Value;

use crate::backends::{Answer, Backend, message};

/// The book's title.
pub(crate) const TITLE: &str = "The Comedy of Errors";

/// The book's description, as HTML.
pub(crate) const DESCRIPTION: &str = concat!(
    r#"<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">Wikipedia Summary</a>: The Comedy of Errors is one of "#,
    "<b>William Shakespeare's</b> early plays. It is his shortest and one of his most farcical comedies, with a major ",
    "part of the humour coming from slapstick and mistaken identity, in addition to puns and word play.",
);

/// What the page shows of details, by label and JSON field.
const FACTS: [(&str, &str); 8] = [
    ("Author", "author"),
    ("Year", "year"),
    ("Type", "type"),
    ("Pages", "pages"),
    ("Publisher", "publisher"),
    ("Language", "language"),
    ("ISBN-10", "ISBN-10"),
    ("ISBN-13", "ISBN-13"),
];

/// The page of the book.
#[derive(Template)]
#[template(path = "productpage.html")]
pub(crate) struct BookPage {
    user: Option<String>,
    title: &'static str,
    description: &'static str,
    details: Part<Vec<(&'static str, String)>>,
    reviews: Part<Vec<Review>>,
    hops: Vec<Hop>,
}

/// A part of the page that comes from another service.
enum Part<T> {
    Shown(T),
    Failed { message: String, cause: String },
}

/// One review, ready to be shown.
struct Review {
    reviewer: String,
    text: String,
    rating: Rating,
}

enum Rating {
    /// This version of reviews asks for no ratings.
    None,
    Stars {
        full: u8,
        color: String,
    },
    Failed(String),
}

/// A service that took part in the page.
#[derive(Debug, PartialEq, Eq)]
struct Hop {
    service: String,
    version: String,
    pod: String,
}

impl BookPage {
    pub(crate) fn new(user: Option<String>, identity: &Identity, details: &Answer, reviews: &Answer) -> Self {
        let mut hops = vec![Hop {
            service: identity.service.to_owned(),
            version: identity.version.clone(),
            pod: identity.pod.clone().unwrap_or_else(|| "-".to_owned()),
        }];
        hops.extend(hops_of(&details.headers));
        hops.extend(hops_of_reviews(reviews));
        Self {
            user,
            title: TITLE,
            description: DESCRIPTION,
            details: part(details, facts),
            reviews: part(reviews, read_reviews),
            hops,
        }
    }
}

/// What `read` makes of an answer, or the box for a failed one.
fn part<T>(answer: &Answer, read: impl Fn(&[u8]) -> Option<T>) -> Part<T> {
    let failed = || Part::Failed { message: message(&answer.body), cause: answer.cause.clone() };
    if answer.status != StatusCode::OK {
        return failed();
    }
    read(&answer.body).map_or_else(
        || Part::Failed { message: "The answer was not understood.".to_owned(), cause: String::new() },
        Part::Shown,
    )
}

fn facts(body: &[u8]) -> Option<Vec<(&'static str, String)>> {
    let details: Value = serde_json::from_slice(body).ok()?;
    let show = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Some(FACTS.iter().filter_map(|(label, field)| Some((*label, show(details.get(field)?)?))).collect())
}

#[derive(Deserialize)]
struct WireReviews {
    #[serde(default)]
    podname: Option<String>,
    reviews: Vec<WireReview>,
}

#[derive(Deserialize)]
struct WireReview {
    reviewer: String,
    text: String,
    rating: Option<WireRating>,
}

#[derive(Deserialize)]
struct WireRating {
    stars: Option<i64>,
    #[serde(default)]
    color: String,
    error: Option<String>,
}

fn read_reviews(body: &[u8]) -> Option<Vec<Review>> {
    let wire: WireReviews = serde_json::from_slice(body).ok()?;
    let review = |review: WireReview| Review {
        reviewer: review.reviewer,
        text: review.text,
        rating: review.rating.map_or(Rating::None, read_rating),
    };
    Some(wire.reviews.into_iter().map(review).collect())
}

fn read_rating(wire: WireRating) -> Rating {
    match (wire.stars, wire.error) {
        (Some(stars), _) => {
            let full = stars.clamp(0, 5).try_into().unwrap_or_default();
            Rating::Stars { full, color: css_color(wire.color) }
        }
        (None, error) => Rating::Failed(error.unwrap_or_else(|| "No rating was given".to_owned())),
    }
}

/// `color` if it is a colour's name or number, else black: it stands in a style attribute.
fn css_color(color: String) -> String {
    let plain = !color.is_empty() && color.len() <= 32 && color.chars().all(|c| c.is_ascii_alphanumeric() || c == '#');
    if plain { color } else { "black".to_owned() }
}

fn hops_of(headers: &HeaderMap) -> Vec<Hop> {
    let values = headers.get_all(SERVED_BY).iter().filter_map(|value| value.to_str().ok());
    values.filter_map(hop).collect()
}

/// The hops behind reviews. An image that is not ours tells only the pod's name, in its JSON.
fn hops_of_reviews(reviews: &Answer) -> Vec<Hop> {
    let hops = hops_of(&reviews.headers);
    let wire = serde_json::from_slice::<WireReviews>(&reviews.body).ok();
    let pod = wire.and_then(|wire| wire.podname).filter(|pod| pod != "null");
    match pod {
        Some(pod) if hops.is_empty() => {
            let version = pod.split('-').nth(1).unwrap_or("?").to_owned();
            vec![Hop { service: "reviews".to_owned(), version, pod }]
        }
        _ => hops,
    }
}

fn hop(value: &str) -> Option<Hop> {
    let mut words = value.split(' ').map(str::to_owned);
    Some(Hop { service: words.next()?, version: words.next()?, pod: words.next()? })
}

/// The page at `/`.
#[derive(Template)]
#[template(path = "index.html")]
pub(crate) struct IndexPage {
    user: Option<String>,
    services: [(&'static str, String); 3],
}

impl IndexPage {
    pub(crate) fn new(user: Option<String>, backends: [&Backend; 3]) -> Self {
        Self { user, services: backends.map(|backend| (backend.name(), backend.address().to_owned())) }
    }
}

#[cfg(test)]
mod tests;
