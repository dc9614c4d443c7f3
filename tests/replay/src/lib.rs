//! Recorded HTTPS requests, and a client that sends them again with as little else as can be.
//!
//! What the API server gives an object anew each time (uid, version, token) can't be sent again as it was: the recording
//! has placeholders in these places, which are filled from the answers of the replay itself.

pub mod client;
mod learned;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// In a body: the uid of the object in the latest answer that had one.
pub const UID: &str = "@UID@";
/// In a body: its resourceVersion.
pub const RESOURCE_VERSION: &str = "@RESOURCE-VERSION@";
/// In place of an Authorization header's value: Basic, with the token that was minted last.
pub const MINTED: &str = "@MINTED@";

/// In place of an Authorization header's value: Bearer, with that token.
pub const MINTED_BEARER: &str = "@MINTED-BEARER@";

/// The requests of one run, in their order.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Recording {
    /// Whom they go to; each gets one connection, made with its first request.
    pub servers: Vec<Server>,
    /// The user name beside a minted token.
    pub username: String,
    /// The requests.
    pub exchanges: Vec<Exchange>,
}

/// A server with TLS.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Server {
    /// `host:port` for the Host header; its certificate is for the host.
    pub name: String,
    /// Where to connect.
    pub address: SocketAddr,
    /// The authority of its certificate, PEM.
    pub authority: String,
}

/// One request, and how it was answered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Exchange {
    /// Which of the servers it goes to.
    pub server: usize,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers, without Host and Content-Length.
    pub headers: Vec<(String, String)>,
    /// The body; empty where there is none.
    pub body: String,
    /// The status of the answer; the replay must get the same, or it did other work.
    pub status: u16,
}
