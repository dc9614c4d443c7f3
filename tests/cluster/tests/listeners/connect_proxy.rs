//! A proxy that leads to the targets it was given and to nothing else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use http::StatusCode;
use test_cluster::listener::{ConnectProxy, Reply, ScriptedServer};

fn connect(proxy: &ConnectProxy, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a limit");
    stream.write_all(request.as_bytes()).expect("sent");
    stream
}

fn status_line(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).expect("text");
    head.lines().next().expect("a line").to_owned()
}

#[test]
fn a_known_name_leads_to_its_address() {
    let server = ScriptedServer::start(None, |request| {
        Reply::json(StatusCode::OK, request.target.clone())
    })
    .expect("a server");
    let proxy = ConnectProxy::start([("registry.test:5000".to_owned(), server.address())]).expect("a proxy");
    let mut stream = connect(
        &proxy,
        "CONNECT registry.test:5000 HTTP/1.1\r\nHost: registry.test:5000\r\n\r\n",
    );
    assert!(status_line(&mut stream).contains(" 200 "));
    stream
        .write_all(b"GET /through HTTP/1.1\r\nConnection: close\r\n\r\n")
        .expect("sent");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("nothing more to say");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("/through"), "{answer}");
    assert_eq!(proxy.targets(), ["registry.test:5000"]);
}

#[test]
fn unknown_name_is_refused_and_recorded() {
    let proxy = ConnectProxy::start([]).expect("a proxy");
    for target in ["registry.test:5000", "127.0.0.1:22"] {
        let mut stream = connect(&proxy, &format!("CONNECT {target} HTTP/1.1\r\n\r\n"));
        assert!(status_line(&mut stream).contains(" 502 "), "{target}");
    }
    let mut stream = connect(&proxy, "GET http://registry.test/ HTTP/1.1\r\n\r\n");
    assert!(status_line(&mut stream).contains(" 405 "));
    assert_eq!(proxy.targets(), ["registry.test:5000", "127.0.0.1:22"]);
}
