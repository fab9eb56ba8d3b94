use std::time::{Instant, SystemTime};

use http::{HeaderMap, Method, Version};
use mesh_snapshot::Transport;

use super::*;

fn downstream(destination: &str, server_name: Option<&str>) -> Downstream {
    Downstream {
        bound: "virtualOutbound".into(),
        source: ([10, 0, 0, 1], 40_000).into(),
        destination: destination.parse().unwrap(),
        transport: Transport::Raw,
        server_name: server_name.map(Into::into),
        protocols: Vec::new(),
        secured: None,
        began: Instant::now(),
    }
}

fn request(authority: &str, path: &str) -> Kept {
    Kept {
        started: SystemTime::now(),
        version: Version::HTTP_11,
        method: Method::POST,
        path: path.to_owned(),
        authority: authority.to_owned(),
        headers: HeaderMap::new(),
        response: HeaderMap::new(),
        trailers: None,
        route: Box::default(),
        virtual_host: Box::default(),
    }
}

#[test]
fn a_command_leads_where_the_request_was_going() {
    for (at, name, authority, path, command) in [
        ("10.96.0.1:9080", None, "reviews:9080", "/a", "POST http://reviews:9080/a"),
        ("10.96.0.1:80", None, "reviews", "/a?b=c&d", "POST 'http://reviews/a?b=c&d'"),
        ("10.96.0.1:8080", None, "reviews", "/", "POST http://10.96.0.1:8080/ -H 'host: reviews'"),
        ("[fd00::1]:8080", None, "", "/", "POST 'http://[fd00::1]:8080/'"),
        ("10.96.0.1:443", Some("a.test"), "a.test", "/", "POST https://a.test/"),
        ("10.96.0.1:80", None, "$(id)", "/", "POST 'http://$(id)/'"),
    ] {
        let mut downstream = downstream(at, name);
        // Requests are read from TLS where it ends here.
        downstream.secured = name.map(|_| {
            let (protocol, peer, own_uri) = (None, None, None);
            Box::new(crate::plane::tls::Secured { protocol, version: "TLSv1.3", peer, own_uri })
        });
        let told = of_request("web-1.shop", &downstream, &request(authority, path));
        assert_eq!(told.as_deref(), Some(&*format!("lateenctl explain web-1.shop {command}")));
    }
    assert_eq!(of_request("a.b", &downstream("10.96.0.1:80", None), &request("a", &"/x".repeat(2_000))), None);
}

#[test]
fn a_connection_is_called_by_its_server_name_or_its_address() {
    let named = downstream("10.96.0.1:443", Some("google.com"));
    assert_eq!(called(&named), "google.com");
    assert_eq!(&*of_connection("a.b", &named), "lateenctl explain a.b GET tls://google.com:443");
    let bare = downstream("10.96.0.1:5432", None);
    assert_eq!(called(&bare), "10.96.0.1:5432");
    assert_eq!(&*of_connection("a.b", &bare), "lateenctl explain a.b GET tcp://10.96.0.1:5432");
}
