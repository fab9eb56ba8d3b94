//! list: selection, paging over a consistent snapshot, and the resourceVersion rules.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    Api,
    selector::{Fields, Labels},
};
use crate::{kinds::Kind, object::Object, status::Status, store::Stored};

/// Which objects of a kind a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// None: of every namespace.
    pub namespace: Option<String>,
    /// By labels.
    pub labels: Labels,
    /// By fields.
    pub fields: Fields,
}

impl Selection {
    /// Whether the object is selected.
    pub fn matches(&self, object: &Object) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| namespace == object.namespace())
            && self.labels.matches(object)
            && self.fields.matches(object)
    }
}

/// How to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// What to list.
    pub selection: Selection,
    /// At most so many; 0 for all.
    pub limit: usize,
    /// The token of the page before; "" for the first page.
    pub continue_token: String,
    /// `resourceVersion`, as given.
    pub revision: String,
    /// `resourceVersionMatch`: "", `Exact` or `NotOlderThan`.
    pub revision_match: String,
}

/// A page of a list.
#[derive(Debug)]
pub struct Listing {
    /// In order of namespace and name.
    pub items: Vec<Arc<Stored>>,
    /// The revision that all pages are the state of.
    pub revision: u64,
    /// Where the next page begins; "" after the last.
    pub continue_token: String,
    /// How many objects follow this page, where that is known.
    pub remaining: Option<usize>,
}

struct Token {
    revision: u64,
    /// The last object given: namespace and name.
    after: (String, String),
}

impl Api {
    /// Objects of a kind. 410 for a continue token, or an exact revision, that the log no longer reaches.
    pub fn list(&self, kind: &Kind, options: &ListOptions) -> Result<Listing, Status> {
        let token = Token::decode(&options.continue_token)?;
        let namespace = options.selection.namespace.as_deref();
        let asked = self.check_revision(options)?;
        let (mut items, revision) = match (&token, asked) {
            (Some(token), _) => {
                let items = self.store().list_at(&kind.resource(), namespace, token.revision).map_err(|_| stale())?;
                (items, token.revision)
            }
            (None, Some(asked)) if options.revision_match == "Exact" => {
                let found = self.store().list_at(&kind.resource(), namespace, asked);
                (found.map_err(|expired| Status::expired(expired.oldest, asked))?, asked)
            }
            _ => self.store().list(&kind.resource(), namespace),
        };
        if let Some(token) = token {
            let (namespace, name) = &token.after;
            let done = items.partition_point(|s| (s.object.namespace(), s.object.name()) <= (namespace, name));
            items.drain(..done);
        }
        let selects_all = options.selection.labels.is_empty() && options.selection.fields.is_empty();
        if !selects_all {
            items.retain(|stored| options.selection.matches(&stored.object));
        }
        let mut listing = Listing { items, revision, continue_token: String::new(), remaining: None };
        if options.limit > 0 && listing.items.len() > options.limit {
            let left = listing.items.len() - options.limit;
            listing.items.truncate(options.limit);
            listing.remaining = selects_all.then_some(left);
            if let Some(last) = listing.items.last() {
                let after = (last.object.namespace().to_owned(), last.object.name().to_owned());
                listing.continue_token = Token { revision, after }.encode();
            }
        }
        for stored in &mut listing.items {
            *stored = kind.view(stored.clone());
        }
        Ok(listing)
    }

    fn check_revision(&self, options: &ListOptions) -> Result<Option<u64>, Status> {
        let matching = options.revision_match.as_str();
        if !["", "Exact", "NotOlderThan"].contains(&matching) {
            return Err(Status::bad_request(format!(
                "resourceVersionMatch: Unsupported value: \"{matching}\": supported values: \"Exact\", \"NotOlderThan\""
            )));
        }
        if options.revision.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return if matching.is_empty() { Ok(None) } else { Err(Status::bad_request(why)) };
        }
        let asked: u64 = parse_revision(&options.revision)?;
        if asked == 0 && matching == "Exact" {
            return Err(Status::bad_request("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""));
        }
        if asked > self.store().revision() {
            return Err(too_large(asked, self.store().revision()));
        }
        Ok(Some(asked))
    }
}

/// `resourceVersion` as a number; 400 for anything else.
pub fn parse_revision(text: &str) -> Result<u64, Status> {
    text.parse().map_err(|_| {
        Status::bad_request(format!(
            "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        ))
    })
}

fn too_large(asked: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
    Status { details: json!({"causes": causes, "retryAfterSeconds": 1}), ..Status::new(504, "Timeout", message) }
}

fn stale() -> Status {
    let message = "The provided continue parameter is too old to display a consistent list result. \
                   Start a new list without the continue parameter.";
    Status::new(410, "Expired", message)
}

impl Token {
    fn encode(&self) -> String {
        let (namespace, name) = &self.after;
        let token = json!({"v": "meta.k8s.io/v1", "rv": self.revision, "start": [namespace, name]});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn decode(text: &str) -> Result<Option<Self>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let read = || {
            let token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let after = (token["start"][0].as_str()?.to_owned(), token["start"][1].as_str()?.to_owned());
            Some(Self { revision: token["rv"].as_u64()?, after })
        };
        read()
            .map(Some)
            .ok_or_else(|| Status::bad_request("continue key is not valid: not a token that this server gave"))
    }
}

#[cfg(test)]
mod tests;
