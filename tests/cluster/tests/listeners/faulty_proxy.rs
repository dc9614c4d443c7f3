//! The proxy that injects faults: the client's view, and whether the server got the request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use test_cluster::certificates::Authority;
use test_cluster::clients::HttpsClient;
use test_cluster::listener::faulty::{
    Certificates, ConnectionFault, Cut, Ending, Fault, FaultyProxy, Invented, Place, Plan, RequestFault,
    ResponseFault, Side,
};
use test_cluster::listener::upstream::Upstream;
use test_cluster::listener::{Reply, ScriptedServer};
use test_cluster::registry::Host;

const NAME: &str = "server.test:443";
/// Longer than a single refusal, and than a slow response.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time without data that counts as never.
const NEVER: Duration = Duration::from_millis(300);

/// A real server that counts its answers, and a client of the proxy before it.
struct Setting {
    server: ScriptedServer,
    proxy: FaultyProxy,
    client: HttpsClient,
}

impl Setting {
    fn new(plan: Plan) -> Result<Self> {
        let authority = Authority::new("servers")?;
        let server = ScriptedServer::start(Some(&authority.issue(&["server.test"])?), |request| {
            Reply::json(StatusCode::OK, format!("{{\"number\":{}}}", request.number))
        })?;
        let upstream = Upstream::named(NAME, server.address(), &authority.pem())?;
        let certificates = Arc::new(Certificates::new(&authority, "server.test")?);
        let opens = std::future::ready(());
        let proxy = FaultyProxy::start(
            Side::Registry,
            upstream,
            certificates,
            plan,
            HashMap::new(),
            opens,
        )?;
        let host = Host {
            name: NAME.to_owned(),
            address: proxy.address(),
        };
        let client = HttpsClient::new(&host, &authority.pem())?;
        Ok(Self {
            server,
            proxy,
            client,
        })
    }

    async fn get(&self) -> Result<Response<Bytes>> {
        self.client
            .exchange(Request::get("/v2/").body(Bytes::new())?)
            .await
    }

    /// The answers so far, by the server's own count.
    fn asked(&self) -> usize {
        self.server.record().requests.len()
    }
}

#[tokio::test]
async fn only_the_planned_call_gets_the_fault() -> Result<()> {
    let cut = |place, ending| Fault::Cut(Cut { place, ending });
    let broken = [
        (Fault::Connection(ConnectionFault::ResetOnAccept), 0),
        (Fault::Connection(ConnectionFault::CloseOnAccept), 0),
        (Fault::Connection(ConnectionFault::CloseAfterHello), 0),
        (Fault::Connection(ConnectionFault::CloseInHandshake), 0),
        (Fault::Connection(ConnectionFault::Alert), 0),
        (Fault::Connection(ConnectionFault::ResetAfterHandshake), 0),
        (Fault::Connection(ConnectionFault::CloseAfterHandshake), 0),
        (Fault::Connection(ConnectionFault::UnknownAuthority), 0),
        (Fault::Connection(ConnectionFault::OtherName), 0),
        (Fault::Connection(ConnectionFault::Expired), 0),
        (Fault::Connection(ConnectionFault::PlainHttp), 0),
        (Fault::Request(RequestFault::ResetAfterHead), 0),
        (Fault::Request(RequestFault::Reset), 0),
        (Fault::Request(RequestFault::Close), 0),
        (Fault::Instead(Invented::Garbage), 0),
        (cut(Place::Start, Ending::Reset), 1),
        (cut(Place::FirstByte, Ending::Close), 1),
        (cut(Place::StatusLine, Ending::Abort), 1),
        (cut(Place::Headers, Ending::Close), 1),
        (cut(Place::Header, Ending::Close), 1),
        (cut(Place::EmptyLine, Ending::Reset), 1),
        (cut(Place::Body, Ending::Close), 1),
        (cut(Place::BodyFirst, Ending::Abort), 1),
        (cut(Place::BodyMiddle, Ending::Reset), 1),
        (cut(Place::LastByte, Ending::Close), 1),
        (cut(Place::Thousandths(999), Ending::Close), 1),
    ];
    for (fault, asked) in broken {
        let setting = Setting::new(Plan::none().once(2, fault))?;
        assert_eq!(
            setting.get().await?.status(),
            StatusCode::OK,
            "{fault}: the first"
        );
        assert!(setting.get().await.is_err(), "{fault} does not break the second");
        assert_eq!(
            setting.asked(),
            1 + asked,
            "{fault}: whether the server was asked"
        );
        assert_eq!(
            setting.get().await?.status(),
            StatusCode::OK,
            "{fault}: the third"
        );
        let faults: Vec<_> = setting.proxy.calls().iter().map(|call| call.fault).collect();
        assert_eq!(faults, [None, Some(fault), None], "{fault}");
    }
    Ok(())
}

#[tokio::test]
async fn hanging_response_never_ends_and_a_slow_one_does() -> Result<()> {
    for fault in [
        Fault::Connection(ConnectionFault::HangInHandshake),
        Fault::Request(RequestFault::Hang),
        Fault::Response(ResponseFault::TooSlow),
        Fault::Cut(Cut {
            place: Place::BodyMiddle,
            ending: Ending::Hang,
        }),
    ] {
        let setting = Setting::new(Plan::none().once(1, fault))?;
        let hung = tokio::time::timeout(NEVER, setting.get()).await;
        assert!(hung.is_err(), "{fault} does not hang");
        assert_eq!(
            setting.get().await?.status(),
            StatusCode::OK,
            "{fault}: the second"
        );
    }
    let setting = Setting::new(Plan::none().once(1, Fault::Response(ResponseFault::Slow)))?;
    let slow = tokio::time::timeout(PATIENCE, setting.get()).await??;
    assert_eq!(slow.body().as_ref(), b"{\"number\":1}");
    Ok(())
}

#[tokio::test]
async fn refusal_lasts_for_one_call_or_for_all() -> Result<()> {
    let refused = Fault::Connection(ConnectionFault::Refused);
    let once = Setting::new(Plan::none().once(2, refused))?;
    once.get().await?;
    assert!(once.get().await.is_err(), "no process listens");
    tokio::time::timeout(PATIENCE, async { while once.get().await.is_err() {} })
        .await
        .context("it was to be refused once")?;
    assert_eq!(once.asked(), 2);

    let lasting = Setting::new(Plan::none().lasting(1, refused))?;
    let listens = tokio::time::timeout(2 * NEVER, async { while lasting.get().await.is_err() {} }).await;
    assert!(listens.is_err(), "it was to be refused for good");
    assert_eq!(lasting.asked(), 0);
    Ok(())
}

#[tokio::test]
async fn scripted_responses_replace_the_servers_and_a_stale_one_is_its_first() -> Result<()> {
    for (invented, status) in [
        (Invented::Status(503), 503),
        (Invented::Html, 200),
        (Invented::Empty, 200),
        (Invented::Redirect, 307),
    ] {
        let setting = Setting::new(Plan::none().lasting(1, Fault::Instead(invented)))?;
        for _ in 0..2 {
            assert_eq!(setting.get().await?.status().as_u16(), status);
        }
        assert_eq!(setting.asked(), 0);
    }
    let setting = Setting::new(Plan::none().once(3, Fault::Instead(Invented::Stale)))?;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(setting.get().await?.into_body());
    }
    assert_eq!(bodies[2], bodies[0]);
    assert_ne!(bodies[1], bodies[0]);

    let twice = Setting::new(Plan::none().once(1, Fault::Response(ResponseFault::DuplicateMembers)))?;
    assert_eq!(
        twice.get().await?.body().as_ref(),
        b"{\"number\":null,\"number\":1}"
    );
    Ok(())
}
