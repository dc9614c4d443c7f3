//! A scripted server: its replies as a client sees them, and its records.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use test_cluster::certificates::Authority;
use test_cluster::clients::HttpsClient;
use test_cluster::listener::scripted::flaky;
use test_cluster::listener::{Reply, ScriptedServer};
use test_cluster::registry::Host;

const GET: &[u8] = b"GET /v2/ HTTP/1.1\r\nHost: registry\r\nAuthorization: Basic c2VjcmV0\r\n\r\n";

/// Data of one plain connection until its end.
fn exchange(server: &ScriptedServer, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn answer_of(reply: Reply) -> String {
    let server = ScriptedServer::start(None, move |_| reply.clone()).expect("a server");
    String::from_utf8(exchange(&server, GET).expect("an answer")).expect("text")
}

fn client(server: &ScriptedServer, authority: &Authority) -> HttpsClient {
    let host = Host {
        name: "hostile.test:443".to_owned(),
        address: server.address(),
    };
    HttpsClient::new(&host, &authority.pem()).expect("a client")
}

fn get(path: &str) -> Request<Bytes> {
    Request::builder()
        .uri(path)
        .body(Bytes::new())
        .expect("a request")
}

#[test]
fn every_byte_is_recorded_even_of_half_a_request() {
    let server = ScriptedServer::start(None, |_| Reply::status(StatusCode::OK)).expect("a server");
    exchange(&server, GET).expect("an answer");
    exchange(&server, b"GET /half HTTP/1.1\r\nAuthorization: Bear").expect("the end");
    let record = server.record();
    assert!(record.contains("authorization: basic c2VjcmV0"));
    assert!(record.contains("/half") && record.contains("Bear"));
    assert!(!record.contains("Authorization: Digest"));
    assert_eq!((record.connections, record.requests.len()), (2, 1));
    assert_eq!(record.requests[0].target, "/v2/");
}

#[test]
fn replies_are_sent_as_they_are() {
    assert!(
        answer_of(Reply::challenge("Bearer realm=\"https://elsewhere.test/token\""))
            .contains("\r\nwww-authenticate: Bearer realm=\"https://elsewhere.test/token\"\r\n")
    );
    assert!(answer_of(Reply::redirect("https://elsewhere.test/v2/")).starts_with("HTTP/1.1 307 "));
    assert!(answer_of(Reply::html(StatusCode::OK, "<html>")).ends_with("\r\n\r\n<html>"));
    assert_eq!(
        answer_of(Reply::Raw(Bytes::from_static(b"SSH-2.0\r\n"))),
        "SSH-2.0\r\n"
    );
    assert_eq!(answer_of(Reply::Close), "");
    let response = Response::new(Bytes::from_static(b"0123456789"));
    assert_eq!(answer_of(Reply::Truncate(response, 12)), "HTTP/1.1 200");
}

#[test]
fn a_reset_is_not_an_orderly_close() {
    let server = ScriptedServer::start(None, |_| Reply::Reset).expect("a server");
    let error = exchange(&server, GET).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_hanging_reply_sends_nothing_and_keeps_the_connection() {
    let server = ScriptedServer::start(None, |_| Reply::Hang).expect("a server");
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    stream.write_all(GET).expect("sent");
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a limit");
    let error = stream.read(&mut [0]).expect_err("nothing, not even the end");
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
}

#[test]
fn a_dripping_reply_comes_whole_but_slowly() {
    let reply = Reply::Drip {
        response: Response::new(Bytes::from_static(b"0123456789")),
        piece: 8,
        pause: Duration::from_millis(20),
    };
    let begin = Instant::now();
    let answer = answer_of(reply);
    assert!(answer.ends_with("0123456789"), "{answer}");
    let pieces = u32::try_from(answer.len().div_ceil(8)).expect("a few");
    assert!(
        begin.elapsed() >= Duration::from_millis(20) * pieces,
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn flaky_server_works_after_its_failures() {
    let script = flaky(2, Reply::status(StatusCode::BAD_GATEWAY), |_| {
        Reply::json(StatusCode::OK, "{}")
    });
    let authority = Authority::new("hostile-ca").expect("an authority");
    let certificate = authority.issue(&["hostile.test"]).expect("a certificate");
    let server = ScriptedServer::start(Some(&certificate), script).expect("a server");
    let client = client(&server, &authority);
    let statuses = [(); 3].map(|()| client.send(get("/v2/")).expect("an answer").status().as_u16());
    assert_eq!(statuses, [502, 502, 200]);
}

#[test]
fn a_client_that_does_not_trust_the_certificate_sends_nothing() {
    let authority = Authority::new("hostile-ca").expect("an authority");
    let certificate = authority.issue(&["hostile.test"]).expect("a certificate");
    let server =
        ScriptedServer::start(Some(&certificate), |_| Reply::status(StatusCode::OK)).expect("a server");
    let stranger = Authority::new("hostile-ca").expect("another of the same name");
    client(&server, &stranger)
        .send(get("/v2/"))
        .expect_err("untrusted");
    // The server notices the refusal after the client has returned with it.
    let begin = Instant::now();
    while server.record().failed_handshakes == 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "the handshake did not fail"
        );
        std::thread::yield_now();
    }
    assert_eq!(server.record().bytes, b"");

    client(&server, &authority).send(get("/v2/")).expect("trusted");
    assert_eq!(server.record().requests.len(), 1);
}
