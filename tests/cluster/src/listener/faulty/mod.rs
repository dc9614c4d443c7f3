//! A proxy in front of a real server that injects faults. It counts the calls, and a plan has the fault of each.
//!
//! It ends TLS itself and reads requests and writes responses byte by byte, so a fault can be anywhere: in the
//! handshake, between head and body, after the server's work. Calls without a planned fault are forwarded unchanged.

mod answer;
mod certificates;
mod connection;
mod fault;
mod invented;
mod plan;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, Response};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

pub use self::certificates::Certificates;
pub use self::fault::{ConnectionFault, Cut, Ending, Fault, Invented, Place, RequestFault, ResponseFault};
pub use self::plan::Plan;
use super::upstream::Upstream;

/// Duration of a refused call if only this one is refused: a retry comes 0.1 to 0.2 s after the first.
const REFUSAL: Duration = Duration::from_millis(250);

/// Protocol: an invented response looks like one of that protocol's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Kubernetes' API server.
    ApiServer,
    /// OpenShift's registry.
    Registry,
}

/// One call, as far as it got.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method; none if the connection was broken before a request came.
    pub method: Option<Method>,
    /// Path and query; empty where there is no request.
    pub target: String,
    /// True if the request has a body.
    pub has_body: bool,
    /// Fault of the call.
    pub fault: Option<Fault>,
    /// Body of the server's response, even if it was changed on its way; empty if the server did not get the request.
    pub answered: Bytes,
    /// True if it is known what goes back, and that is on its way.
    pub is_over: bool,
}

/// A running proxy; ends when dropped, with everything that hangs on it.
#[derive(Debug)]
pub struct FaultyProxy {
    address: SocketAddr,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    side: Side,
    upstream: Upstream,
    certificates: Arc<Certificates>,
    plan: Plan,
    seen: Mutex<Seen>,
    changed: watch::Sender<()>,
    /// True if what hangs is to end.
    let_go: watch::Sender<bool>,
    refuse: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    calls: Vec<Call>,
    /// The first answer to each GET.
    first_answers: HashMap<String, Response<Bytes>>,
}

impl FaultyProxy {
    /// Starts a proxy on the caller's runtime. `earlier` is what a stale read gets for a target that was not read through
    /// this proxy before. Until `opens` ends, connections wait.
    ///
    /// # Errors
    /// If the system gives no port.
    pub fn start(
        side: Side,
        upstream: Upstream,
        certificates: Arc<Certificates>,
        plan: Plan,
        earlier: HashMap<String, Response<Bytes>>,
        opens: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Self> {
        // Keeps the port while no process listens on it.
        let reservation = socket(None)?;
        let address = reservation
            .local_addr()?
            .as_socket()
            .context("an IP socket has an address")?;
        let (refuse, refusals) = mpsc::unbounded_channel();
        let refused = plan.refuses(1);
        let state = Arc::new(State {
            side,
            upstream,
            certificates,
            plan,
            seen: Mutex::new(Seen {
                calls: Vec::new(),
                first_answers: earlier,
            }),
            changed: watch::Sender::new(()),
            let_go: watch::Sender::new(false),
            refuse,
        });
        let listener = if refused { None } else { Some(listen(address)?) };
        let serving = serve(Arc::clone(&state), reservation, address, listener, refusals);
        let listening = tokio::spawn(async move {
            opens.await;
            serving.await;
        });
        Ok(Self {
            address,
            state,
            listening,
        })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All calls so far, in the order of their start. A refused call is listed if it is refused once: lasting refusals
    /// are not seen.
    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().calls.clone()
    }

    /// Resets the connections of the calls that hang, and of those that will.
    pub fn let_go(&self) {
        self.state.let_go.send_replace(true);
    }

    /// Ends when a call that `wanted` accepts is over.
    pub fn after<Wanted>(&self, wanted: Wanted) -> impl Future<Output = ()> + Send + use<Wanted>
    where
        Wanted: Fn(&Call) -> bool + Send + 'static,
    {
        let state = Arc::clone(&self.state);
        let mut changes = state.changed.subscribe();
        async move {
            loop {
                changes.mark_unchanged();
                if state.lock().calls.iter().any(|call| call.is_over && wanted(call)) {
                    return;
                }
                // The sender is a part of the state.
                let _ = changes.changed().await;
            }
        }
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fault of a new connection; it counts as a call if it is broken. A connection that is opened during a call is not
    /// for the next call: clients dial while they wait for a busy connection.
    fn connected(&self) -> Option<ConnectionFault> {
        let mut seen = self.lock();
        if seen.calls.last().is_some_and(|call| !call.is_over) {
            return None;
        }
        let Some(Fault::Connection(fault)) = self.plan.at(seen.calls.len() + 1) else {
            return None;
        };
        seen.calls.push(Call::without_request(fault));
        Some(fault)
    }

    /// True if the next call is to have a broken connection: one that is there and idle is not for it.
    fn needs_no_idle(&self) -> bool {
        let next = self.lock().calls.len() + 1;
        self.plan.breaks_connection(next)
    }

    /// Stops listening if the call after the `number`th must be refused; returns when no connection is accepted any
    /// more.
    async fn prepare_after(&self, number: usize) {
        if self.plan.refuses(number + 1) {
            let (done, is_done) = oneshot::channel();
            // The receiver lives as long as the proxy, which this is a part of.
            let _ = self.refuse.send(done);
            let _ = is_done.await;
        }
    }
}

impl Call {
    fn without_request(fault: ConnectionFault) -> Self {
        Self {
            method: None,
            target: String::new(),
            has_body: false,
            fault: Some(Fault::Connection(fault)),
            answered: Bytes::new(),
            is_over: true,
        }
    }
}

async fn serve(
    state: Arc<State>,
    _reservation: Socket,
    address: SocketAddr,
    mut listener: Option<TcpListener>,
    mut refusals: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
) {
    let mut connections = JoinSet::new();
    let mut until = Instant::now() + REFUSAL;
    loop {
        tokio::select! {
            Some(done) = refusals.recv() => {
                listener = None;
                until = Instant::now() + REFUSAL;
                let _ = done.send(());
            }
            () = tokio::time::sleep_until(until), if listener.is_none() => {
                let number = {
                    let mut seen = state.lock();
                    seen.calls.push(Call::without_request(ConnectionFault::Refused));
                    seen.calls.len()
                };
                if state.plan.refuses(number + 1) {
                    until = Instant::now() + REFUSAL;
                } else if let Ok(again) = listen(address) {
                    listener = Some(again);
                }
            }
            Ok(stream) = accept(listener.as_ref()) => {
                let state = Arc::clone(&state);
                connections.spawn(async move {
                    // The client breaks off, or is broken off; it sees that itself.
                    let _ = connection::serve(&state, stream).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<tokio::net::TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = socket(Some(address))?;
    socket.listen(64).context("cannot listen on loopback")?;
    TcpListener::from_std(socket.into()).context("cannot listen on the runtime")
}

/// A socket on loopback at this address, or a free one; it shares the port with other sockets of this process.
fn socket(address: Option<SocketAddr>) -> Result<Socket> {
    let socket =
        Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).context("cannot make a socket")?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    let address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    socket.bind(&address.into()).context("cannot bind on loopback")?;
    Ok(socket)
}
