//! ratings: the stars that each reviewer gave, as JSON, held in memory.
//!
//! `GET /ratings/{id}` answers five and four stars until `POST /ratings/{id}` sets others.
//! `SERVICE_VERSION` chooses how the service misbehaves (see [`Variant`]); the database of `v2` is
//! not part of this sample, so `v2` answers as it does when its database cannot be reached.

mod variant;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    response::Response,
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use http::{StatusCode, Uri};
use kit::{App, Identity};
use serde_json::{Value, json};
use tokio::time::Instant;

pub use variant::{Mood, Variant};

/// How late a delayed answer is; longer than productpage and reviews wait.
const DELAY: Duration = Duration::from_secs(7);

/// How many products may have ratings of their own; more would fill the memory.
const MOST_PRODUCTS: usize = 10_000;

struct Ratings {
    variant: Variant,
    started: Instant,
    posted: Mutex<HashMap<i64, Value>>,
}

/// The service's routes. The clock of the variants that change over time starts here.
#[must_use]
pub fn app(identity: &Identity, variant: Variant) -> App {
    let ratings = Arc::new(Ratings { variant, started: Instant::now(), posted: Mutex::default() });
    let routes: MethodRouter = get(read).post(write).with_state(Arc::clone(&ratings));
    App::new(identity)
        .health(async move || health(ratings.variant.healthy(ratings.started.elapsed())))
        .route("/ratings/", routes.clone())
        .route("/ratings/{*id}", routes)
}

fn health(healthy: bool) -> Response {
    if healthy {
        kit::json(StatusCode::OK, r#"{"status":"Ratings is healthy"}"#.to_owned())
    } else {
        kit::json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"status":"Ratings is not healthy"}"#.to_owned())
    }
}

async fn read(State(ratings): State<Arc<Ratings>>, uri: Uri) -> Response {
    let Some(id) = product_id(&uri) else { return not_numeric() };
    match ratings.variant.mood(ratings.started.elapsed(), rand::random()) {
        Mood::Well => {}
        Mood::Late => tokio::time::sleep(DELAY).await,
        Mood::Unavailable => return failure(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
        Mood::NoDatabase => {
            return failure(StatusCode::INTERNAL_SERVER_ERROR, "could not connect to ratings database");
        }
    }
    kit::json(StatusCode::OK, ratings.of(id))
}

async fn write(State(ratings): State<Arc<Ratings>>, uri: Uri, body: Bytes) -> Response {
    let Some(id) = product_id(&uri) else { return not_numeric() };
    let Ok(posted) = serde_json::from_slice(&body) else {
        return failure(StatusCode::BAD_REQUEST, "please provide valid ratings JSON");
    };
    if ratings.variant == Variant::Database {
        return failure(StatusCode::NOT_IMPLEMENTED, "Post not implemented for database backed ratings");
    }
    if !ratings.put(id, posted) {
        return failure(StatusCode::INSUFFICIENT_STORAGE, "too many products have ratings; restart to forget them");
    }
    kit::json(StatusCode::OK, ratings.of(id))
}

impl Ratings {
    fn of(&self, id: i64) -> String {
        let posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        match posted.get(&id) {
            None => format!(r#"{{"id":{id},"ratings":{{"Reviewer1":5,"Reviewer2":4}}}}"#),
            Some(ratings) => format!(r#"{{"id":{id},"ratings":{ratings}}}"#),
        }
    }

    /// False when there is no room for one more product.
    fn put(&self, id: i64, ratings: Value) -> bool {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let room = posted.len() < MOST_PRODUCTS || posted.contains_key(&id);
        if room {
            posted.insert(id, ratings);
        }
        room
    }
}

/// The number that the last part of the path begins with; what follows the digits is ignored.
fn product_id(uri: &Uri) -> Option<i64> {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    let digits = last.strip_prefix(['-', '+']).unwrap_or(last);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    last[..last.len() - digits.len() + end].parse().ok()
}

fn not_numeric() -> Response {
    failure(StatusCode::BAD_REQUEST, "please provide numeric product ID")
}

fn failure(status: StatusCode, error: &str) -> Response {
    kit::json(status, json!({ "error": error }).to_string())
}

#[cfg(test)]
mod tests;
