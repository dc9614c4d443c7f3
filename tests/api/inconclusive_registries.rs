//! Registries whose answer about a credential is inconclusive, one for each cause.

use anyhow::Result;
use http::StatusCode;
use test_cluster::{
    certificates::Authority,
    listener::{Reply, ScriptedServer},
    program::Program,
};

use crate::world::World;

/// Cause of an inconclusive answer.
#[derive(Clone, Copy, Debug)]
pub enum Cause {
    /// No listener at its address.
    Unreachable,
    /// It allows anonymous access.
    Anonymous,
    /// Its certificate is from an unknown CA.
    Untrusted,
    /// It uses another protocol.
    OtherProtocol,
}

/// A server in place of a registry, while this lives.
pub struct InconclusiveRegistry {
    server: Option<ScriptedServer>,
}

impl InconclusiveRegistry {
    /// Replaces `registry` (`host:port`) by an inconclusive one.
    pub fn start(world: &World, registry: &str, cause: Cause) -> Result<Self> {
        let reply = match cause {
            Cause::Unreachable => return Ok(Self { server: None }),
            Cause::Anonymous | Cause::Untrusted => Reply::json(StatusCode::OK, "{}"),
            Cause::OtherProtocol => Reply::html(StatusCode::NOT_FOUND, "<html>"),
        };
        let authority = Authority::new("silent")?;
        let host = registry.split(':').next().unwrap_or_default();
        let server = ScriptedServer::start(Some(&authority.issue(&[host])?), move |request| match cause {
            Cause::Anonymous if request.target.contains("/manifests/") => Reply::manifest(),
            _ => reply.clone(),
        })?;
        if !matches!(cause, Cause::Untrusted) {
            std::fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
        }
        Ok(Self { server: Some(server) })
    }

    /// The program that finds it under the name `registry`, and gives up soon.
    pub fn instead_of(&self, registry: &str, program: &Program) -> Program {
        // Port 1 of this machine has no listener.
        let address = self
            .server
            .as_ref()
            .map_or_else(|| "127.0.0.1:1".to_owned(), |server| server.address().to_string());
        program
            .clone()
            .env("PULL_SECRET_CONNECT_TO", format!("{registry}={address}"))
            .env("PULL_SECRET_TIMEOUT", "4s")
    }
}
