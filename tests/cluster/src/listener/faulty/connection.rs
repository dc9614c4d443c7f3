//! One connection of a faulty proxy, from the handshake to its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt as _;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};
use tokio_rustls::server::TlsStream;

use super::answer::{Wire, with_duplicate_members};
use super::fault::{ConnectionFault, Cut, Ending, Fault, Invented, Place, RequestFault, ResponseFault};
use super::{Call, State, invented};
use crate::listener::scripted::{ReceivedRequest, head_length, parse};
use crate::listener::upstream::full;

/// Bytes and pause of a slow answer: a whole one takes less than a second.
const SLOW: (usize, Duration) = (64, Duration::from_millis(2));
/// Length of a response that never arrives.
const TOO_SLOW: (usize, Duration) = (1, Duration::from_millis(200));
/// The longest TLS record with its header (RFC 8446, section 5.2).
const RECORD: usize = 16_645;

/// Serves a connection to its end.
pub(super) async fn serve(state: &State, mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let fault = state.connected();
    let certificate = state.certificates.shown(fault);
    match fault {
        Some(ConnectionFault::Refused | ConnectionFault::CloseOnAccept) => return Ok(()),
        Some(ConnectionFault::ResetOnAccept) => return reset(&stream),
        Some(ConnectionFault::HangInHandshake) => {
            stream.read_exact(&mut [0]).await?;
            std::future::pending::<()>().await;
        }
        Some(ConnectionFault::CloseAfterHello) => {
            stream.read_buf(&mut Vec::with_capacity(RECORD)).await?;
            return Ok(stream.shutdown().await?);
        }
        Some(ConnectionFault::CloseInHandshake) => return half_a_handshake(stream, certificate).await,
        Some(ConnectionFault::Alert) => {
            stream.read_buf(&mut Vec::with_capacity(RECORD)).await?;
            // An alert record: fatal, internal_error (RFC 8446, section 6).
            stream.write_all(&[21, 3, 3, 0, 2, 2, 80]).await?;
            return Ok(stream.shutdown().await?);
        }
        Some(ConnectionFault::PlainHttp) => {
            stream.read_buf(&mut Vec::with_capacity(RECORD)).await?;
            // Text of Go's net/http.
            let answer = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
            stream.write_all(answer).await?;
            return Ok(stream.shutdown().await?);
        }
        Some(
            ConnectionFault::ResetAfterHandshake
            | ConnectionFault::CloseAfterHandshake
            | ConnectionFault::UnknownAuthority
            | ConnectionFault::OtherName
            | ConnectionFault::Expired,
        )
        | None => {}
    }
    let mut stream = TlsAcceptor::from(certificate).accept(stream).await?;
    match fault {
        Some(ConnectionFault::ResetAfterHandshake) => reset(stream.get_ref().0),
        Some(_) => Ok(stream.shutdown().await?),
        None => requests(state, stream).await,
    }
}

async fn requests(state: &State, mut stream: TlsStream<TcpStream>) -> Result<()> {
    let mut unread = Vec::new();
    let mut changes = state.changed.subscribe();
    loop {
        while head_length(&unread)?.is_none() {
            changes.mark_unchanged();
            if unread.is_empty() && state.needs_no_idle() {
                return end(state, stream, Ending::Close).await;
            }
            let read = tokio::select! {
                read = stream.read_buf(&mut unread) => read?,
                _ = changes.changed() => continue,
            };
            if read == 0 {
                return Ok(());
            }
        }
        let number = state.begun();
        let fault = state.plan.at(number);
        if fault == Some(Fault::Request(RequestFault::ResetAfterHead)) {
            state.prepare_after(number).await;
            state.over(number);
            return reset(stream.get_ref().0);
        }
        let request = loop {
            if let Some((length, request)) = parse(&unread)? {
                unread.drain(..length);
                break request;
            }
            if stream.read_buf(&mut unread).await? == 0 {
                return Ok(());
            }
        };
        state.received(number, &request);
        let faulty = inject(state, number, fault, &request).await?;
        let closes = state.plan.breaks_connection(number + 1);
        state.prepare_after(number).await;
        // Before the client can know it and dial again.
        state.over(number);
        let ending = send(&mut stream, faulty, closes, request.method == Method::HEAD).await?;
        match ending {
            Some(ending) => return end(state, stream, ending).await,
            None if closes => return end(state, stream, Ending::Close).await,
            None => {}
        }
    }
}

/// Response to the client.
enum Back {
    Whole(Response<Bytes>),
    InPieces(Response<Bytes>, (usize, Duration)),
    Cut(Response<Bytes>, Cut),
    Raw(Bytes),
    Nothing(Ending),
}

async fn inject(
    state: &State,
    number: usize,
    fault: Option<Fault>,
    request: &ReceivedRequest,
) -> Result<Back> {
    Ok(match fault {
        // A connection's fault is over when there is a request.
        None | Some(Fault::Connection(_)) => Back::Whole(forward(state, number, request).await?),
        Some(Fault::Request(RequestFault::Hang)) => Back::Nothing(Ending::Hang),
        Some(Fault::Request(RequestFault::Close)) => Back::Nothing(Ending::Close),
        Some(Fault::Request(RequestFault::Reset | RequestFault::ResetAfterHead)) => {
            Back::Nothing(Ending::Reset)
        }
        Some(Fault::Cut(cut)) => Back::Cut(forward(state, number, request).await?, cut),
        Some(Fault::Response(ResponseFault::Slow)) => {
            Back::InPieces(forward(state, number, request).await?, SLOW)
        }
        Some(Fault::Response(ResponseFault::TooSlow)) => {
            Back::InPieces(forward(state, number, request).await?, TOO_SLOW)
        }
        Some(Fault::Response(ResponseFault::DuplicateMembers)) => {
            Back::Whole(with_duplicate_members(forward(state, number, request).await?))
        }
        Some(Fault::Instead(Invented::Garbage)) => Back::Raw(Bytes::from_static(b"SSH-2.0-OpenSSH_9.9\r\n")),
        Some(Fault::Instead(Invented::Stale)) => {
            let earlier = state.lock().first_answers.get(&request.target).cloned();
            match earlier {
                Some(earlier) => Back::Whole(earlier),
                None => Back::Whole(forward(state, number, request).await?),
            }
        }
        Some(Fault::Instead(invented)) => Back::Whole(invented::answer(state.side, request, invented)),
    })
}

/// The server's answer, whole. A server that can't be reached looks to the client as it would without a proxy.
async fn forward(state: &State, number: usize, request: &ReceivedRequest) -> Result<Response<Bytes>> {
    let mut passed_on = Request::new(full(request.body.clone()));
    *passed_on.method_mut() = request.method.clone();
    *passed_on.uri_mut() = request.target.parse().context("the target is no URI")?;
    *passed_on.headers_mut() = request.headers.clone();
    let (head, body) = state.upstream.send(passed_on).await?.into_parts();
    let response = Response::from_parts(head, body.collect().await?.to_bytes());
    let mut seen = state.lock();
    if let Some(call) = seen.calls.get_mut(number - 1) {
        call.answered = response.body().clone();
    }
    if request.method == Method::GET {
        let first = seen.first_answers.entry(request.target.clone());
        first.or_insert_with(|| response.clone());
    }
    drop(seen);
    Ok(response)
}

/// Sends it; returns how the connection ends, if it does.
async fn send(
    stream: &mut TlsStream<TcpStream>,
    back: Back,
    closes: bool,
    to_head: bool,
) -> Result<Option<Ending>> {
    let wire = |mut response: Response<Bytes>| {
        if closes {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Wire::new(&response, to_head)
    };
    let ending = match back {
        Back::Whole(response) => {
            stream.write_all(&wire(response).bytes).await?;
            None
        }
        Back::InPieces(response, (size, pause)) => {
            for piece in wire(response).bytes.chunks(size) {
                stream.write_all(piece).await?;
                stream.flush().await?;
                tokio::time::sleep(pause).await;
            }
            None
        }
        Back::Cut(response, Cut { place, ending }) => {
            if place != Place::Start {
                stream.write_all(wire(response).up_to(place)).await?;
            }
            Some(ending)
        }
        Back::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            Some(Ending::Close)
        }
        Back::Nothing(ending) => Some(ending),
    };
    stream.flush().await?;
    Ok(ending)
}

async fn end(state: &State, mut stream: TlsStream<TcpStream>, ending: Ending) -> Result<()> {
    match ending {
        Ending::Close => Ok(stream.shutdown().await?),
        Ending::Abort => Ok(stream.into_inner().0.shutdown().await?),
        Ending::Reset => reset(stream.get_ref().0),
        Ending::Hang => {
            let mut let_go = state.let_go.subscribe();
            // The sender is a part of the state.
            let _ = let_go.wait_for(|let_go| *let_go).await;
            reset(stream.get_ref().0)
        }
    }
}

/// The connection is reset when it is dropped.
fn reset(stream: &TcpStream) -> Result<()> {
    Ok(SockRef::from(stream).set_linger(Some(Duration::ZERO))?)
}

async fn half_a_handshake(mut stream: TcpStream, certificate: Arc<ServerConfig>) -> Result<()> {
    let mut tls = ServerConnection::new(certificate)?;
    let mut received = Vec::with_capacity(RECORD);
    while !tls.wants_write() {
        received.clear();
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        tls.read_tls(&mut received.as_slice())?;
        tls.process_new_packets()?;
    }
    let mut flight = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut flight)?;
    }
    let half = flight.len() / 2;
    stream.write_all(flight.get(..half).unwrap_or_default()).await?;
    Ok(stream.shutdown().await?)
}

impl State {
    /// A request has begun to arrive; gives its number.
    fn begun(&self) -> usize {
        let mut seen = self.lock();
        let number = seen.calls.len() + 1;
        seen.calls.push(Call {
            method: None,
            target: String::new(),
            has_body: false,
            fault: self.plan.at(number),
            answered: Bytes::new(),
            is_over: false,
        });
        drop(seen);
        self.changed.send_replace(());
        number
    }

    fn over(&self, number: usize) {
        if let Some(call) = self.lock().calls.get_mut(number - 1) {
            call.is_over = true;
        }
        self.changed.send_replace(());
    }

    fn received(&self, number: usize, request: &ReceivedRequest) {
        if let Some(call) = self.lock().calls.get_mut(number - 1) {
            call.method = Some(request.method.clone());
            call.target.clone_from(&request.target);
            call.has_body = !request.body.is_empty();
        }
    }
}
