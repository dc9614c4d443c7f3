//! Recorded HTTPS requests, and a client that sends them again with as little else as can be.
//!
//! Values that the API server creates for each object (uid, version, token) can't be sent as recorded: the recording
//! has placeholders in these places, which are replaced by the values of the replay's own responses.

pub mod client;
mod learned;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// In a body: the uid of the object in the latest answer that had one.
pub const UID: &str = "@UID@";
/// In a body: its resourceVersion.
pub const RESOURCE_VERSION: &str = "@RESOURCE-VERSION@";
/// Placeholder of an Authorization header's value: Basic, with the last requested token.
pub const TOKEN_BASIC: &str = "@TOKEN-BASIC@";

/// In place of an Authorization header's value: Bearer, with that token.
pub const TOKEN_BEARER: &str = "@TOKEN-BEARER@";

/// The requests of one run, in their order.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Recording {
    /// Servers of the requests; each gets one connection, opened by its first request.
    pub servers: Vec<Server>,
    /// User name beside a requested token.
    pub username: String,
    /// The requests.
    pub exchanges: Vec<Exchange>,
}

/// A server with TLS.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Server {
    /// `host:port` for the Host header; its certificate is for the host.
    pub name: String,
    /// Address to connect to.
    pub address: SocketAddr,
    /// The authority of its certificate, PEM.
    pub authority: String,
}

/// A request and the status of its response.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Exchange {
    /// Index of the server.
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
