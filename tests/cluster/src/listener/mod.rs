//! Servers on free loopback ports that a single test owns: scripted and hostile ones, and proxies.
//!
//! Each runs on a thread and a runtime of its own, so a test may block, sleep in a child process or be asynchronous,
//! and each ends when its value is dropped, after a panic too. None of them ever connects to anything but loopback.

pub mod background;
pub mod connect_proxy;
pub mod faulty;
pub mod forwarder;
pub mod gate;
pub mod http_server;
pub mod intercepting_proxy;
pub mod reply;
pub mod scripted;
pub mod tls;
pub mod upstream;

pub use connect_proxy::ConnectProxy;
pub use forwarder::Forwarder;
pub use intercepting_proxy::{Action, InterceptingProxy, RequestParts};
pub use reply::Reply;
pub use scripted::{ReceivedRequest, ScriptedServer};
