//! The scripted server and the CONNECT proxy, on loopback alone.

mod connect_proxy;
mod faulty_proxy;
mod scripted_server;
