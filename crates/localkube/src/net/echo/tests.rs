use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, process::Command};

use super::*;

async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(httpd::serve(listener, None, Arc::new(answer)));
    format!("http://{address}")
}

/// curl is the judge: the answer's head and body.
async fn curl(args: &[&str], url: &str) -> (String, String) {
    let output =
        Command::new("curl").args(["-sS", "-i", "--max-time", "10"]).args(args).arg(url).output().await.unwrap();
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn curl_json(args: &[&str], url: &str) -> Value {
    let (head, body) = curl(args, url).await;
    serde_json::from_str(&body).unwrap_or_else(|e| panic!("{url}: {e}\n{head}\n{body}"))
}

#[tokio::test]
async fn get_tells_the_request_field_for_field() {
    let base = server().await;
    let url = format!("{base}/get?a=1&a=2&b=x%20y+z");
    let (head, body) = curl(&["-H", "X-Two: 1", "-H", "x-two: 2", "-A", "me"], &url).await;
    assert!(head.to_lowercase().contains("content-type: application/json; charset=utf-8"), "{head}");
    assert!(head.to_lowercase().contains("access-control-allow-origin: *"), "{head}");
    let host = base.trim_start_matches("http://");
    let expected = format!(
        r#"{{
  "args": {{
    "a": [
      "1",
      "2"
    ],
    "b": [
      "x y z"
    ]
  }},
  "headers": {{
    "Accept": [
      "*/*"
    ],
    "Host": [
      "{host}"
    ],
    "User-Agent": [
      "me"
    ],
    "X-Two": [
      "1",
      "2"
    ]
  }},
  "method": "GET",
  "origin": "127.0.0.1",
  "url": "{url}"
}}
"#
    );
    assert_eq!(body, expected);
}

#[tokio::test]
async fn bodies_are_told_by_their_type() {
    let base = server().await;
    let url = format!("{base}/post");
    let form = curl_json(&["-d", "x=1&y=a%26b"], &url).await;
    assert_eq!(form["form"], json!({"x": ["1"], "y": ["a&b"]}));
    assert_eq!(form["data"], "x=1&y=a%26b");
    let object = curl_json(&["-H", "Content-Type: application/json", "-d", r#"{"k": [1]}"#], &url).await;
    assert_eq!(object["json"], json!({"k": [1]}));
    let bytes = curl_json(&["-H", "Content-Type: image/x", "-d", "hi"], &url).await;
    assert_eq!(bytes["data"], "data:image/x;base64,aGk=");
    let wrong = curl_json(&["-H", "Content-Type: application/json", "-d", "{"], &url).await;
    assert_eq!(wrong["status_code"], 400);
    assert_eq!(curl_json(&["-X", "PUT"], &url).await["status_code"], 405);
    assert_eq!(curl_json(&["-X", "PUT"], &format!("{base}/anything/else")).await["method"], "PUT");
}

#[tokio::test]
async fn answers_to_order() {
    let base = server().await;
    let table: &[(&[&str], &str, &str, &str)] = &[
        (&[], "/status/418", "418", "I'm a teapot!"),
        (&[], "/status/503", "503", ""),
        (&[], "/status/200:0,404:1", "404", ""),
        (&[], "/status/x", "400", ""),
        (&[], "/nothing", "404", ""),
        (&[], "/redirect/2", "302", ""),
        (&["-L"], "/redirect/2", "302", "\"url\": \""),
        (&[], "/redirect-to?url=http%3A%2F%2Fx.example%2F&status_code=307", "307", ""),
        (&["-u", "u:p"], "/basic-auth/u/p", "200", "\"authenticated\": true"),
        (&["-u", "u:q"], "/basic-auth/u/p", "401", "\"authenticated\": false"),
        (&["-H", "Authorization: Bearer t"], "/bearer", "200", "\"token\": \"t\""),
        (&[], "/bearer", "401", ""),
        (&["--compressed"], "/gzip", "200", "\"gzipped\": true"),
        (&["--compressed"], "/deflate", "200", "\"deflated\": true"),
        (&[], "/base64/aGVsbG8=", "200", "hello"),
        (&["-b", "a=b; c=d"], "/cookies", "200", "\"c\": \"d\""),
        (&[], "/response-headers?X-Own=1", "200", "\"X-Own\": [\n    \"1\"\n  ]"),
        (&["-H", "If-None-Match: \"t\""], "/etag/t", "304", ""),
        (&[], "/delay/0.1", "200", "\"method\": \"GET\""),
        (&[], "/drip?numbytes=5&duration=0.1", "200", "*****"),
        (&[], "/stream/2", "200", "{\"id\":1,"),
        (&["-H", "X-Forwarded-For: 9.9.9.9, 8.8.8.8"], "/ip", "200", "9.9.9.9"),
        (&["-d", "b"], "/dump/request", "200", "POST /dump/request HTTP/1.1"),
        (&["--http2-prior-knowledge"], "/get", "200", "\"method\": \"GET\""),
        (&["-I"], "/get", "200", ""),
    ];
    for (args, path, status, part) in table {
        let (head, body) = curl(args, &format!("{base}{path}")).await;
        assert_eq!(head.split(' ').nth(1), Some(*status), "{path}: {head}");
        assert!(body.contains(part), "{path}: {body}");
    }
    let (head, _) = curl(&[], &format!("{base}/cookies/set?a=b")).await;
    assert!(head.contains("set-cookie: a=b; HttpOnly") && head.contains("location: /cookies"), "{head}");
    let (_, body) = curl(&[], &format!("{base}/uuid")).await;
    assert_eq!(body.len(), "{\n  \"uuid\": \"00000000-0000-4000-8000-000000000000\"\n}\n".len());
    let (_, sized) = curl(&["-o", "/dev/null", "-w", "\r\n\r\n%{size_download}"], &format!("{base}/bytes/1000")).await;
    assert_eq!(sized, "1000");
}

#[tokio::test]
async fn lines_come_back_after_a_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    tokio::spawn(echo_lines(listener, "hello".into()));
    stream.write_all(b"world\nthere").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello world\nhello there");
}

#[test]
fn the_arguments_of_the_samples_are_understood() {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }
    let parse = |args: &[&str]| <Cli as clap::Parser>::try_parse_from(args).map(|cli| cli.args);
    let tcp = parse(&["echo", "--tcp", "9000,9001,9002", "hello"]).unwrap();
    assert_eq!((tcp.ports, tcp.word.as_str()), (vec![9000, 9001, 9002], "hello"));
    let http = parse(&["echo", "--listen", "0.0.0.0:80"]).unwrap();
    assert_eq!(http.listen, ["0.0.0.0:80".parse().unwrap()]);
    let hello = parse(&["echo", "--listen", "0.0.0.0:5000", "--hello", "v1"]).unwrap();
    assert_eq!(hello.hello.as_deref(), Some("v1"));
    assert!(parse(&["echo", "--tcp", "--listen", "0.0.0.0:80"]).is_err());
}

#[test]
fn hello_tells_version_and_instance() {
    let answer = say_hello("v1", "/hello");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(say_hello("v1", "/other").status(), StatusCode::NOT_FOUND);
}
