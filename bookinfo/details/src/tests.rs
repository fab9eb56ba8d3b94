use std::{future::pending, time::Duration};

use axum::routing::get;
use kit::{Reply, Reuse, Upstream, bind, serve};

use super::*;

const BOOK: &str = r#"{"id":0,"author":"William Shakespeare","year":1595,"type":"paperback","pages":200,"publisher":"PublisherA","language":"English","ISBN-10":"1234567890","ISBN-13":"123-1234567890"}"#;

fn identity() -> Identity {
    Identity { service: "details", version: "v1".to_owned(), pod: None }
}

async fn start(app: App) -> String {
    let listener = bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, app, pending()));
    format!("http://127.0.0.1:{port}")
}

async fn ask(config: Config, path: &str, headers: HeaderMap) -> Reply {
    let base = start(app(&identity(), config)).await;
    Upstream::new(base, Duration::from_secs(5), Reuse::Never).get(path, headers).await.unwrap()
}

fn read(pairs: &'static [(&str, &str)]) -> Config {
    Config::read(&Env::new(&|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())))
}

#[tokio::test]
async fn answers_the_book_field_for_field() {
    for path in ["/details/0", "/details/any/0", "/details/0/"] {
        let reply = ask(Config::BuiltIn, path, HeaderMap::new()).await;
        assert_eq!((reply.status, reply.body.as_ref()), (StatusCode::OK, BOOK.as_bytes()), "{path}");
        assert_eq!(reply.headers["content-type"], "application/json");
    }
    let reply = ask(Config::BuiltIn, "/health", HeaderMap::new()).await;
    assert_eq!(reply.body, r#"{"status":"Details is healthy"}"#);
}

#[tokio::test]
async fn wants_a_number() {
    for path in ["/details/x", "/details/1x", "/details/", "/details"] {
        let reply = ask(Config::BuiltIn, path, HeaderMap::new()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(reply.body, r#"{"error":"please provide numeric product id"}"#, "{path}");
    }
}

#[tokio::test]
async fn asks_the_external_service_without_telling_who_asks() {
    let volumes = get(|uri: Uri, headers: HeaderMap| async move {
        let private = ["cookie", "authorization", "jwt", "end-user"].iter().any(|name| headers.contains_key(*name));
        assert_eq!(uri.to_string(), "/books/v1/volumes?q=isbn:0486424618");
        let pages = if private { 0 } else { headers["x-request-id"].len() };
        let identifiers = json!([{"type": "ISBN_13", "identifier": "13"}, {"type": "ISBN_10", "identifier": "10"}]);
        let info = json!({"authors": ["W. S."], "publishedDate": "2002", "printType": "BOOK", "pageCount": pages,
            "publisher": "Courier", "language": "en", "industryIdentifiers": identifiers});
        kit::json(StatusCode::OK, json!({"items": [{"volumeInfo": info}]}).to_string())
    });
    let base = start(App::new(&identity()).route("/books/v1/volumes", volumes)).await;
    let pairs = [("x-request-id", "four"), ("cookie", "a=b"), ("authorization", "x"), ("jwt", "x"), ("end-user", "j")];
    let headers = pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();

    let reply = ask(Config::External(Box::new(Books::at(&base))), "/details/7", headers).await;

    let expected = r#"{"id":7,"author":"W. S.","year":"2002","type":"paperback","pages":4,"publisher":"Courier","language":"English","ISBN-10":"10","ISBN-13":"13"}"#;
    assert_eq!((reply.status, reply.body.as_ref()), (StatusCode::OK, expected.as_bytes()));
}

#[tokio::test]
async fn says_what_is_wrong_with_the_external_service() {
    let app = App::new(&identity()).route("/books/v1/volumes", get(|| async { "{}" }));
    let empty = Config::External(Box::new(Books::at(&start(app).await)));
    let missing = Config::External(Box::new(Books::at(&start(App::new(&identity())).await)));
    for (config, reason) in [
        (empty, "it does not know the book"),
        (missing, "it answered 404"),
        (Config::ExternalEncrypted, "set DO_NOT_ENCRYPT=true"),
    ] {
        let reply = ask(config, "/details/0", HeaderMap::new()).await;
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(body["error"].as_str().unwrap().contains(reason), "{body}");
    }
}

#[test]
fn reads_where_the_facts_come_from() {
    assert!(matches!(read(&[]), Config::BuiltIn));
    assert!(matches!(read(&[("DO_NOT_ENCRYPT", "true")]), Config::BuiltIn));
    assert!(matches!(read(&[("ENABLE_EXTERNAL_BOOK_SERVICE", "true")]), Config::ExternalEncrypted));
    let both = read(&[("ENABLE_EXTERNAL_BOOK_SERVICE", "true"), ("DO_NOT_ENCRYPT", "true")]);
    assert!(matches!(both, Config::External(_)));
}
