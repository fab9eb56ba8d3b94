use std::{future::pending, time::Duration};

use axum::routing::get;
use kit::{Reply, bind, serve};

use super::*;

const WITH_STARS: &str = r#"{"id": "1","podname": "reviews-v3-f68f94645-bmzrn","clustername": "null","reviews": [{  "reviewer": "Reviewer1",  "text": "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!", "rating": {"stars": 5, "color": "red"}},{  "reviewer": "Reviewer2",  "text": "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.", "rating": {"stars": 4, "color": "red"}}]}"#;
const NO_RATING: &str = r#""rating": {"error": "Ratings service is currently unavailable"}"#;
/// Longer than any answer takes here.
const LONG: Duration = Duration::from_secs(10);

fn identity(service: &'static str) -> Identity {
    Identity { service, version: "v1".to_owned(), pod: None }
}

async fn start(app: App, timeout: Duration) -> Upstream {
    let listener = bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, app, pending()));
    Upstream::new(format!("http://127.0.0.1:{port}"), timeout, Reuse::Keep)
}

fn config(ratings: Option<Upstream>) -> Config {
    let pod = "reviews-v3-f68f94645-bmzrn".to_owned();
    Config { star_color: "red".to_owned(), pod, cluster: "null".to_owned(), ratings }
}

async fn ask(config: Config, path: &str) -> Reply {
    let reviews = start(app(&identity("reviews"), config), LONG).await;
    reviews.get(path, HeaderMap::new()).await.unwrap()
}

/// A ratings service whose answer is always this one.
async fn ratings(status: StatusCode, body: &'static str) -> Option<Upstream> {
    let route = get(move || async move { kit::json(status, body.to_owned()) });
    Some(start(App::new(&identity("ratings")).route("/ratings/1", route), LONG).await)
}

fn text(reply: &Reply) -> &str {
    str::from_utf8(&reply.body).unwrap()
}

#[tokio::test]
async fn version_3_answers_to_the_letter() {
    let ratings = ratings(StatusCode::OK, r#"{"id":1,"ratings":{"Reviewer1":5,"Reviewer2":4}}"#).await;
    let reply = ask(config(ratings), "/reviews/1").await;
    assert_eq!((reply.status, text(&reply)), (StatusCode::OK, WITH_STARS));
    assert_eq!(reply.headers["content-type"], "application/json");
    let hops: Vec<_> = reply.headers.get_all(SERVED_BY).iter().collect();
    assert_eq!(hops, ["reviews v1 -", "ratings v1 -"]);
}

#[tokio::test]
async fn version_1_has_no_ratings() {
    let reply = ask(config(None), "/reviews/1").await;
    let expected = WITH_STARS
        .replace(r#", "rating": {"stars": 5, "color": "red"}"#, "")
        .replace(r#", "rating": {"stars": 4, "color": "red"}"#, "");
    assert_eq!(text(&reply), expected);
    assert_eq!(text(&ask(config(None), "/health").await), r#"{"status": "Reviews is healthy"}"#);
}

#[tokio::test]
async fn the_id_is_an_integer() {
    assert_eq!(ask(config(None), "/reviews/one").await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(config(None), "/reviews/99999999999").await.status, StatusCode::NOT_FOUND);
    assert!(text(&ask(config(None), "/reviews/007").await).starts_with(r#"{"id": "7","#));
}

#[tokio::test]
async fn a_failure_of_ratings_shows_in_place_of_the_stars() {
    let hangs = App::new(&identity("ratings")).route("/ratings/1", get(pending::<()>));
    let slow = start(hangs, Duration::from_millis(200)).await;
    for ratings in [
        ratings(StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"Service unavailable"}"#).await,
        ratings(StatusCode::OK, "no JSON").await,
        ratings(StatusCode::OK, "[]").await,
        ratings(StatusCode::OK, r#"{"ratings":{"Reviewer1":"five"}}"#).await,
        Some(slow),
    ] {
        let reply = ask(config(ratings), "/reviews/1").await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(text(&reply).matches(NO_RATING).count(), 2, "{}", text(&reply));
    }
}

#[tokio::test]
async fn one_missing_rating_leaves_the_other() {
    let ratings = ratings(StatusCode::OK, r#"{"id":1,"ratings":{"Reviewer2":3}}"#).await;
    let reply = ask(config(ratings), "/reviews/1").await;
    assert_eq!(text(&reply).matches(NO_RATING).count(), 1);
    assert!(text(&reply).contains(r#"{"stars": 3, "color": "red"}"#));
}

#[test]
fn reads_its_settings() {
    let pairs = [("ENABLE_RATINGS", "true"), ("SERVICES_DOMAIN", "shop"), ("CLUSTER_NAME", "east")];
    let read = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned());
    let config = Config::read(&mut Env::new(&read));
    assert_eq!((config.star_color.as_str(), config.pod.as_str(), config.cluster.as_str()), ("black", "null", "east"));
    assert_eq!(config.ratings.unwrap().base(), "http://ratings.shop:9080");
    assert!(Config::read(&mut Env::new(&|_| None)).ratings.is_none());
}

#[test]
fn names_are_quoted_as_json() {
    let config = Config { pod: "a\"b".to_owned(), ..config(None) };
    let value: Value = serde_json::from_str(&render(&config, 1, None)).unwrap();
    assert_eq!(value["podname"], "a\"b");
}
