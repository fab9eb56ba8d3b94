//! productpage: the page of a book, put together from details and reviews.
//!
//! A person gets HTML with everything in it: no script, no font, no picture from elsewhere. A
//! service that does not answer costs the page one box, never the page. Programs get the same data
//! as JSON under `/api/v1/products`.
//!
//! Start reading at [`app`]; `backends` calls the other services, `page` turns answers into HTML,
//! `session` says who is signed in.

mod backends;
mod page;
mod session;

use std::sync::Arc;

use axum::{
    Form,
    extract::State,
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use kit::{App, Identity, SERVED_BY};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    backends::{Answer, Backend, Results, outgoing},
    page::{BookPage, DESCRIPTION, IndexPage, TITLE},
};

pub use backends::Config;

/// The browser shows only what came with the page, and submits the form only to this host.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";

struct Shop {
    identity: Identity,
    details: Backend,
    reviews: Backend,
    ratings: Backend,
    flood: u8,
}

/// The service's routes.
#[must_use]
pub fn app(identity: &Identity, config: &Config) -> App {
    let results = Results::default();
    let shop = Arc::new(Shop {
        identity: identity.clone(),
        details: Backend::new("details", &config.details, config, &results),
        reviews: Backend::new("reviews", &config.reviews, config, &results),
        ratings: Backend::new("ratings", &config.ratings, config, &results),
        flood: config.flood,
    });
    let with_shop = |route: MethodRouter<Arc<Shop>>| route.with_state(Arc::clone(&shop));
    App::new(identity)
        .register(|registry| registry.register("request_result", "Results of requests", results))
        .health(|| async { "Product page is healthy" })
        .route("/", with_shop(get(index)))
        .route("/index.html", with_shop(get(index)))
        .route("/productpage", with_shop(get(productpage)))
        .route("/login", post(login))
        .route("/logout", get(logout))
        .route("/api/v1/products", get(products))
        .route("/api/v1/products/{id}", with_shop(get(details)))
        .route("/api/v1/products/{id}/reviews", with_shop(get(reviews)))
        .route("/api/v1/products/{id}/ratings", with_shop(get(ratings)))
}

async fn index(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Response {
    let page = IndexPage::new(session::user(&headers), [&shop.details, &shop.reviews, &shop.ratings]);
    html(&page)
}

async fn productpage(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Response {
    let user = session::user(&headers);
    let headers = outgoing(&headers);
    // The sample knows one book.
    let reviews = async {
        flood(&shop, &headers).await;
        shop.reviews.get("0", &headers).await
    };
    let (details, reviews) = tokio::join!(shop.details.get("0", &headers), reviews);
    html(&BookPage::new(user, &shop.identity, &details, &reviews))
}

/// Calls reviews as often as `FLOOD_FACTOR` says and forgets the answers.
async fn flood(shop: &Shop, headers: &HeaderMap) {
    let calls = (0..shop.flood).map(|_| shop.reviews.get("0", headers));
    futures::future::join_all(calls).await;
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    username: String,
}

async fn login(headers: HeaderMap, Form(login): Form<Login>) -> Response {
    redirect(session::sign_in(&login.username), &headers)
}

async fn logout(headers: HeaderMap) -> Response {
    redirect(session::sign_out(), &headers)
}

fn redirect(cookie: HeaderValue, headers: &HeaderMap) -> Response {
    let fields = [(header::LOCATION, session::back(headers)), (header::SET_COOKIE, cookie)];
    (StatusCode::FOUND, fields).into_response()
}

async fn products() -> Response {
    let [title, description] = [TITLE, DESCRIPTION].map(Value::from);
    kit::json(StatusCode::OK, format!(r#"[{{"id": 0, "title": {title}, "descriptionHtml": {description}}}]"#))
}

async fn details(State(shop): State<Arc<Shop>>, uri: Uri, headers: HeaderMap) -> Response {
    pass_on(shop.details.get(product_id(&uri), &outgoing(&headers)).await)
}

async fn reviews(State(shop): State<Arc<Shop>>, uri: Uri, headers: HeaderMap) -> Response {
    pass_on(shop.reviews.get(product_id(&uri), &outgoing(&headers)).await)
}

async fn ratings(State(shop): State<Arc<Shop>>, uri: Uri, headers: HeaderMap) -> Response {
    pass_on(shop.ratings.get(product_id(&uri), &outgoing(&headers)).await)
}

/// The id in `/api/v1/products/{id}...`, still encoded, so it fits into another path as it is.
fn product_id(uri: &Uri) -> &str {
    uri.path().split('/').nth(4).unwrap_or_default()
}

fn pass_on(answer: Answer) -> Response {
    let mut response = (answer.status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response();
    for hop in answer.headers.get_all(SERVED_BY) {
        response.headers_mut().append(SERVED_BY, hop.clone());
    }
    response
}

fn html(page: &impl askama::Template) -> Response {
    match page.render() {
        Ok(text) => {
            let fields = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY)];
            (fields, Html(text)).into_response()
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the page could not be made: {error}")).into_response()
        }
    }
}
