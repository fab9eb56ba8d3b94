//! details: the facts about a book, as JSON.
//!
//! `GET /details/{id}` answers the same book for every numeric id. With
//! `ENABLE_EXTERNAL_BOOK_SERVICE=true` it asks a public book service instead, in plain HTTP
//! (`DO_NOT_ENCRYPT=true`), so that a mesh can originate TLS at its edge. This process speaks no TLS.

mod external;

use std::sync::Arc;

use axum::{extract::State, response::Response, routing::any};
use http::{HeaderMap, StatusCode, Uri};
use kit::{App, Env, Identity};
use serde::Serialize;
use serde_json::{Value, json};

pub use external::Books;

/// Where the facts come from.
#[derive(Clone)]
pub enum Config {
    /// From this program.
    BuiltIn,
    /// From a public book service over plain HTTP.
    External(Box<Books>),
    /// From a public book service over TLS, which this program does not speak.
    ExternalEncrypted,
}

impl Config {
    /// Reads `ENABLE_EXTERNAL_BOOK_SERVICE` and `DO_NOT_ENCRYPT`.
    #[must_use]
    pub fn read(env: &Env<'_>) -> Self {
        match (env.flag("ENABLE_EXTERNAL_BOOK_SERVICE"), env.flag("DO_NOT_ENCRYPT")) {
            (false, _) => Self::BuiltIn,
            (true, true) => Self::External(Box::new(Books::at("http://www.googleapis.com"))),
            (true, false) => Self::ExternalEncrypted,
        }
    }
}

/// The service's routes.
#[must_use]
pub fn app(identity: &Identity, config: Config) -> App {
    let details = any(details).with_state(Arc::new(config));
    App::new(identity)
        .health(|| async { kit::json(StatusCode::OK, r#"{"status":"Details is healthy"}"#.to_owned()) })
        .route("/details", details.clone())
        .route("/details/", details.clone())
        .route("/details/{*id}", details)
}

/// A book; the order of the fields is the order in the JSON.
#[derive(Debug, Serialize)]
struct Book {
    id: i64,
    author: Value,
    year: Value,
    r#type: &'static str,
    pages: Value,
    publisher: Value,
    language: &'static str,
    #[serde(rename = "ISBN-10")]
    isbn_10: Value,
    #[serde(rename = "ISBN-13")]
    isbn_13: Value,
}

impl Book {
    fn built_in(id: i64) -> Self {
        Self {
            id,
            author: "William Shakespeare".into(),
            year: 1595.into(),
            r#type: "paperback",
            pages: 200.into(),
            publisher: "PublisherA".into(),
            language: "English",
            isbn_10: "1234567890".into(),
            isbn_13: "123-1234567890".into(),
        }
    }
}

async fn details(State(config): State<Arc<Config>>, uri: Uri, headers: HeaderMap) -> Response {
    match answer(&config, uri.path(), &headers).await {
        Ok(body) => kit::json(StatusCode::OK, body),
        Err(error) => kit::json(StatusCode::BAD_REQUEST, json!({ "error": error }).to_string()),
    }
}

/// The JSON for a path, or why there is none.
async fn answer(config: &Config, path: &str, headers: &HeaderMap) -> Result<String, String> {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let id = last.parse().map_err(|_| "please provide numeric product id".to_owned())?;
    let book = match config {
        Config::BuiltIn => Book::built_in(id),
        Config::External(books) => books.fetch(id, headers).await?,
        Config::ExternalEncrypted => {
            return Err("the external book service needs TLS, which this service does not speak: \
                        set DO_NOT_ENCRYPT=true and let the mesh originate TLS"
                .to_owned());
        }
    };
    serde_json::to_string(&book).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
