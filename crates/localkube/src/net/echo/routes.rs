//! The routes of httpbin, with the JSON of go-httpbin: what a request looked like when it arrived, and answers to order.

use std::{io::Write, time::Duration};

use base64::{Engine, engine::general_purpose};
use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use futures::{StreamExt, stream};
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, ETAG, LOCATION, SET_COOKIE, WWW_AUTHENTICATE},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::request::{Asked, decode};
use crate::net::httpd::{Body, answer, pieces, text};

/// No answer takes longer, and none made to order is larger.
const MAX_WAIT: Duration = Duration::from_secs(60);
const MAX_BYTES: usize = 10 << 20;
const MAX_LINES: usize = 100;

/// The routes that are for some methods only.
const METHODS: &[(&str, &[Method])] = &[
    ("/get", &[Method::GET, Method::HEAD]),
    ("/head", &[Method::HEAD]),
    ("/post", &[Method::POST]),
    ("/put", &[Method::PUT]),
    ("/patch", &[Method::PATCH]),
    ("/delete", &[Method::DELETE]),
];

/// An answer, or why there is none.
type Answered = Result<Response<Body>, (StatusCode, String)>;

/// Answers a request by its path.
pub(super) async fn route(asked: &Asked) -> Response<Body> {
    let mut answered = match try_route(asked).await {
        Ok(answered) => answered,
        Err((status, detail)) => error(status, &detail),
    };
    answered.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answered
}

async fn try_route(asked: &Asked) -> Answered {
    let path = decode(asked.head.uri.path(), false);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let method = &asked.head.method;
    if METHODS.iter().any(|(route, allowed)| *route == path && !allowed.contains(method)) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, format!("method {method} is not allowed for {path}")));
    }
    Ok(match segments.as_slice() {
        [""] => html(INDEX),
        ["get" | "head"] => json_answer(&asked.told()),
        ["post" | "put" | "patch" | "delete"] | ["anything", ..] => with_body(asked)?,
        ["headers"] => json_answer(&json!({"headers": asked.headers()})),
        ["ip"] => json_answer(&json!({"origin": asked.origin()})),
        ["user-agent"] => json_answer(&json!({"user-agent": asked.header("user-agent").unwrap_or_default()})),
        ["hostname"] => json_answer(&json!({"hostname": super::hostname()})),
        ["uuid"] => json_answer(&json!({"uuid": uuid()})),
        ["status", codes] => status(codes)?,
        ["delay", seconds] => {
            sleep(wait(seconds)?).await;
            with_body(asked)?
        }
        ["bytes", count] | ["stream-bytes", count] => {
            let count = number(count)?.min(MAX_BYTES);
            answer(StatusCode::OK, "application/octet-stream", (0..count).map(|_| rand::random()).collect::<Vec<u8>>())
        }
        ["stream", lines] => stream_lines(asked, number(lines)?),
        ["drip"] => drip(asked).await?,
        ["html"] => html(PAGE),
        ["json"] => json_answer(&json!({"slideshow": {
            "author": "Lateen", "date": "today", "title": "Sample Slide Show",
            "slides": [{"title": "One", "type": "all"}, {"items": ["Two", "Three"], "title": "More", "type": "all"}],
        }})),
        ["xml"] => {
            answer(StatusCode::OK, "application/xml", "<?xml version='1.0'?>\n<slideshow><slide/></slideshow>\n")
        }
        ["robots.txt"] => text(StatusCode::OK, "User-agent: *\nDisallow: /deny\n"),
        ["deny"] => text(StatusCode::OK, "Not for robots.\n"),
        ["redirect" | "relative-redirect", count] => redirect(asked, number(count)?, false)?,
        ["absolute-redirect", count] => redirect(asked, number(count)?, true)?,
        ["redirect-to"] => redirect_to(asked)?,
        ["response-headers"] => response_headers(asked)?,
        ["cookies"] => json_answer(&cookies(asked)),
        ["cookies", "set"] => set_cookies(asked, "; HttpOnly")?,
        ["cookies", "delete"] => set_cookies(asked, "; Max-Age=0; HttpOnly")?,
        ["basic-auth", user, password] => basic(asked, user, password, StatusCode::UNAUTHORIZED),
        ["hidden-basic-auth", user, password] => basic(asked, user, password, StatusCode::NOT_FOUND),
        ["bearer"] => bearer(asked),
        ["gzip"] => compressed(asked, "gzipped", "gzip")?,
        ["deflate"] => compressed(asked, "deflated", "deflate")?,
        ["cache", seconds] => {
            with_header(json_answer(&asked.told()), "cache-control", &format!("public, max-age={seconds}"))?
        }
        ["etag", tag] => etag(asked, tag)?,
        ["base64", coded] | ["base64", "decode", coded] => base64_decoded(coded)?,
        ["base64", "encode", plain] => text(StatusCode::OK, general_purpose::URL_SAFE.encode(plain)),
        ["dump", "request"] => text(StatusCode::OK, dump(asked)),
        _ => return Err((StatusCode::NOT_FOUND, String::new())),
    })
}

/// An error as JSON.
pub(super) fn error(status: StatusCode, detail: &str) -> Response<Body> {
    let mut body = json!({"status_code": status.as_u16(), "error": status.canonical_reason().unwrap_or_default()});
    if !detail.is_empty() {
        body["detail"] = detail.into();
    }
    with_status(json_answer(&body), status)
}

fn json_answer(value: &impl Serialize) -> Response<Body> {
    let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
    body.push(b'\n');
    answer(StatusCode::OK, "application/json; charset=utf-8", body)
}

fn html(page: &'static str) -> Response<Body> {
    answer(StatusCode::OK, "text/html; charset=utf-8", page)
}

fn with_body(asked: &Asked) -> Answered {
    asked.told_with_body().map(|told| json_answer(&told)).map_err(bad)
}

fn with_status(mut answer: Response<Body>, status: StatusCode) -> Response<Body> {
    *answer.status_mut() = status;
    answer
}

fn with_header(mut answer: Response<Body>, name: &str, value: &str) -> Answered {
    let name = HeaderName::try_from(name).map_err(|e| bad(format!("header {name:?}: {e}")))?;
    let value = HeaderValue::from_str(value).map_err(|e| bad(format!("header {name}: {e}")))?;
    answer.headers_mut().append(name, value);
    Ok(answer)
}

fn bad(detail: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, detail.into())
}

fn number(text: &str) -> Result<usize, (StatusCode, String)> {
    text.parse().map_err(|_| bad(format!("invalid count: {text:?}")))
}

/// Seconds as a number, or as `1.5s` or `500ms`.
fn wait(text: &str) -> Result<Duration, (StatusCode, String)> {
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => (millis, 0.001),
        (None, Some(seconds)) => (seconds, 1.0),
        (None, None) => (text, 1.0),
    };
    let seconds = digits.parse::<f64>().ok().map(|n| n * unit);
    let wait = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    wait.filter(|w| *w <= MAX_WAIT).ok_or_else(|| bad(format!("invalid duration: {text:?} (at most {MAX_WAIT:?})")))
}

/// One code, or one of several by chance: `200:0.9,500:0.1`.
fn status(codes: &str) -> Answered {
    let mut choices = Vec::new();
    for choice in codes.split(',') {
        let (code, weight) = choice.split_once(':').unwrap_or((choice, "1"));
        let status =
            code.parse::<u16>().ok().filter(|c| (100..600).contains(c)).and_then(|c| StatusCode::from_u16(c).ok());
        let weight = weight.parse::<f64>().ok().filter(|w| *w >= 0.0);
        choices.push(status.zip(weight).ok_or_else(|| bad(format!("invalid status code: {choice:?}")))?);
    }
    let mut left = rand::random::<f64>() * choices.iter().map(|(_, weight)| weight).sum::<f64>();
    let chosen = choices.iter().find(|(_, weight)| {
        left -= weight;
        left <= 0.0
    });
    let status = chosen.or(choices.last()).map_or(StatusCode::OK, |(status, _)| *status);
    let body = if status == StatusCode::IM_A_TEAPOT { "I'm a teapot!" } else { "" };
    let plain = text(status, body);
    match status.as_u16() {
        301 | 302 | 303 | 305 | 307 => with_header(plain, LOCATION.as_str(), "/redirect/1"),
        401 => with_header(plain, WWW_AUTHENTICATE.as_str(), "Basic realm=\"Fake Realm\""),
        // Interim answers end no request.
        100..200 => Err(bad(format!("status {status} cannot end a request"))),
        _ => Ok(plain),
    }
}

fn stream_lines(asked: &Asked, count: usize) -> Response<Body> {
    let lines: Vec<Bytes> = (0..count.clamp(1, MAX_LINES))
        .map(|id| Bytes::from(serde_json::to_string(&asked.told_line(id)).unwrap_or_default() + "\n"))
        .collect();
    let mut answered = answer(StatusCode::OK, "application/json; charset=utf-8", "");
    *answered.body_mut() = pieces(stream::iter(lines).boxed());
    answered
}

/// `numbytes` bytes over `duration`, after `delay`.
async fn drip(asked: &Asked) -> Answered {
    let count = asked.parameter("numbytes").map_or(Ok(10), number)?.clamp(1, MAX_BYTES);
    let duration = wait(asked.parameter("duration").unwrap_or("2"))?;
    let code = asked
        .parameter("code")
        .map_or(Ok(StatusCode::OK), |c| StatusCode::try_from(c).map_err(|e| bad(e.to_string())))?;
    sleep(wait(asked.parameter("delay").unwrap_or("0"))?).await;
    let pause = duration / u32::try_from(count).unwrap_or(u32::MAX);
    let bytes = stream::iter(0..count).then(move |index| async move {
        sleep(if index == 0 { Duration::ZERO } else { pause }).await;
        Bytes::from_static(b"*")
    });
    let mut answered = answer(code, "application/octet-stream", "");
    *answered.body_mut() = pieces(bytes.boxed());
    Ok(answered)
}

fn redirect(asked: &Asked, count: usize, is_absolute: bool) -> Answered {
    let is_absolute = is_absolute || asked.parameter("absolute") == Some("true");
    let (base, kind) = if is_absolute { (asked.base(), "absolute") } else { (String::new(), "relative") };
    match count {
        0 => Err(bad("redirect count must be > 0")),
        1 => see(&format!("{base}/get"), StatusCode::FOUND),
        _ => see(&format!("{base}/{kind}-redirect/{}", count - 1), StatusCode::FOUND),
    }
}

fn redirect_to(asked: &Asked) -> Answered {
    let url = asked.parameter("url").ok_or_else(|| bad("missing required query parameter: url"))?;
    let code = asked.parameter("status_code").unwrap_or("302");
    let status = StatusCode::try_from(code).ok().filter(StatusCode::is_redirection);
    see(url, status.ok_or_else(|| bad(format!("invalid status code: {code:?}")))?)
}

fn see(place: &str, status: StatusCode) -> Answered {
    with_header(text(status, ""), LOCATION.as_str(), place)
}

fn response_headers(asked: &Asked) -> Answered {
    let mut told = asked.query.clone();
    told.entry("Content-Type".to_owned()).or_insert_with(|| vec!["application/json; charset=utf-8".to_owned()]);
    let mut answered = json_answer(&told);
    answered.headers_mut().clear();
    for (name, values) in &told {
        for value in values {
            answered = with_header(answered, name, value)?;
        }
    }
    Ok(answered)
}

fn cookies(asked: &Asked) -> Value {
    let pairs = asked.header("cookie").unwrap_or_default().split(';').filter_map(|pair| pair.trim().split_once('='));
    Value::Object(pairs.map(|(name, value)| (name.to_owned(), value.into())).collect())
}

fn set_cookies(asked: &Asked, attributes: &str) -> Answered {
    let mut answered = see("/cookies", StatusCode::FOUND)?;
    for (name, values) in &asked.query {
        let value = values.first().map(String::as_str).unwrap_or_default();
        answered = with_header(answered, SET_COOKIE.as_str(), &format!("{name}={value}{attributes}"))?;
    }
    Ok(answered)
}

fn basic(asked: &Asked, user: &str, password: &str, refusal: StatusCode) -> Response<Body> {
    let given = asked.credentials().unwrap_or_default();
    let is_right = given == (user.to_owned(), password.to_owned());
    let told = json_answer(&json!({"authenticated": is_right, "authorized": is_right, "user": given.0}));
    match (is_right, refusal) {
        (true, _) => told,
        (false, StatusCode::UNAUTHORIZED) => challenge(with_status(told, refusal), "Basic realm=\"Fake Realm\""),
        (false, _) => error(refusal, ""),
    }
}

fn bearer(asked: &Asked) -> Response<Body> {
    match asked.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) => json_answer(&json!({"authenticated": true, "token": token})),
        None => challenge(text(StatusCode::UNAUTHORIZED, ""), "Bearer"),
    }
}

fn challenge(mut answer: Response<Body>, what: &'static str) -> Response<Body> {
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(what));
    answer
}

fn compressed(asked: &Asked, mark: &'static str, coding: &'static str) -> Answered {
    let mut told = asked.told();
    told.encoding.insert(mark, true);
    let plain = serde_json::to_vec_pretty(&told).unwrap_or_default();
    let packed = if coding == "gzip" {
        let mut writer = GzEncoder::new(Vec::new(), Compression::default());
        writer.write_all(&plain).and_then(|()| writer.finish())
    } else {
        let mut writer = ZlibEncoder::new(Vec::new(), Compression::default());
        writer.write_all(&plain).and_then(|()| writer.finish())
    };
    let packed = packed.map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    with_header(answer(StatusCode::OK, "application/json; charset=utf-8", packed), CONTENT_ENCODING.as_str(), coding)
}

fn etag(asked: &Asked, tag: &str) -> Answered {
    let quoted = format!("\"{tag}\"");
    let is_known = asked.header("if-none-match").is_some_and(|known| known == "*" || known.contains(&quoted));
    let told = if is_known { text(StatusCode::NOT_MODIFIED, "") } else { json_answer(&asked.told()) };
    with_header(told, ETAG.as_str(), &quoted)
}

fn base64_decoded(coded: &str) -> Answered {
    let plain = general_purpose::URL_SAFE.decode(coded).or_else(|_| general_purpose::STANDARD.decode(coded));
    plain.map(|plain| text(StatusCode::OK, plain)).map_err(|e| bad(format!("base64 decode failed: {e}")))
}

/// The request as it was sent.
fn dump(asked: &Asked) -> Vec<u8> {
    let path = asked.head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut lines = vec![format!("{} {path} {:?}", asked.head.method, asked.head.version)];
    for (name, values) in asked.headers() {
        lines.extend(values.iter().map(|value| format!("{name}: {value}")));
    }
    [lines.join("\r\n").as_bytes(), b"\r\n\r\n", &asked.body].concat()
}

/// A random UUID, version 4.
fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

const INDEX: &str = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>httpbin</title></head>\n<body>\n\
    <h1>httpbin</h1>\n<p>It tells what a request looked like when it arrived, and answers to order.</p>\n\
    <p><a href=\"/get\">/get</a> <a href=\"/headers\">/headers</a> <a href=\"/ip\">/ip</a> \
    <a href=\"/anything\">/anything</a> <a href=\"/status/418\">/status/418</a> <a href=\"/delay/1\">/delay/1</a></p>\n\
    </body>\n</html>\n";

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>A page</title></head>\n<body>\n\
    <h1>A lateen sail</h1>\n<p>Triangular, on a long yard: it sails closer to the wind.</p>\n</body>\n</html>\n";
