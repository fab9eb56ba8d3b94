use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    thread,
};

use super::*;

#[test]
fn an_answer_has_a_status_and_a_body() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while !request.ends_with("\r\n\r\n") {
            reader.read_line(&mut request).unwrap();
        }
        assert!(request.starts_with("GET /page HTTP/1.1\r\n"), "{request}");
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno").unwrap();
    });
    assert_eq!(get(address, "/page").unwrap(), Answer { status: 404, body: "no".to_owned() });
    server.join().unwrap();
}

#[test]
fn what_is_not_http_is_no_answer() {
    for text in ["", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
        assert_eq!(parse(text), None, "{text:?}");
    }
}
