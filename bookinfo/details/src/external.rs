use std::time::Duration;

use http::{HeaderMap, StatusCode};
use kit::{Reuse, Upstream, forward};
use serde_json::Value;

use crate::Book;

/// An edition of The Comedy of Errors whose only author is Shakespeare.
const ISBN: &str = "0486424618";

/// A public book service with the volumes API of Google Books.
#[derive(Clone)]
pub struct Books(Upstream);

impl Books {
    /// The service at `base`, an `http://` address without a path.
    #[must_use]
    pub fn at(base: &str) -> Self {
        Self(Upstream::new(base.to_owned(), Duration::from_secs(5), Reuse::Keep))
    }

    /// Looks the book up; the error is for the caller to read.
    pub(crate) async fn fetch(&self, id: i64, headers: &HeaderMap) -> Result<Book, String> {
        let path = format!("/books/v1/volumes?q=isbn:{ISBN}");
        let reply = self.0.get(&path, identity_free(headers)).await.map_err(|error| self.blame(&error.chain()))?;
        if reply.status != StatusCode::OK {
            return Err(self.blame(&format!("it answered {}", reply.status)));
        }
        let volumes: Value = serde_json::from_slice(&reply.body).map_err(|error| self.blame(&error.to_string()))?;
        let book = volumes.pointer("/items/0/volumeInfo").ok_or_else(|| self.blame("it does not know the book"))?;
        Ok(to_book(id, book))
    }

    fn blame(&self, reason: &str) -> String {
        format!("the external book service {} gave no details: {reason}", self.0.base())
    }
}

/// The headers for a stranger: tracing may go out, who the user is may not.
fn identity_free(headers: &HeaderMap) -> HeaderMap {
    let mut headers = forward(headers);
    for name in ["cookie", "authorization", "jwt", "end-user"] {
        headers.remove(name);
    }
    headers
}

fn to_book(id: i64, volume: &Value) -> Book {
    let field = |pointer: &str| volume.pointer(pointer).cloned().unwrap_or_default();
    let isbn = |kind: &str| {
        let identifiers = volume["industryIdentifiers"].as_array().map(Vec::as_slice).unwrap_or_default();
        identifiers.iter().find(|entry| entry["type"] == kind).map(|entry| entry["identifier"].clone())
    };
    Book {
        id,
        author: field("/authors/0"),
        year: field("/publishedDate"),
        r#type: if volume["printType"] == "BOOK" { "paperback" } else { "unknown" },
        pages: field("/pageCount"),
        publisher: field("/publisher"),
        language: if volume["language"] == "en" { "English" } else { "unknown" },
        isbn_10: isbn("ISBN_10").unwrap_or_default(),
        isbn_13: isbn("ISBN_13").unwrap_or_default(),
    }
}
