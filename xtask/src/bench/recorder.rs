//! The program's own requests, as the replay needs them: recorded by proxies that it takes for the servers.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use replay::{Exchange, MINTED, MINTED_BEARER, RESOURCE_VERSION, Recording, Server, UID};
use serde_json::Value;
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    listener::{Action, InterceptingProxy, RequestParts, upstream::Upstream},
    registry::OPENSHIFT,
};

/// Headers that belong to a connection or to its body; the replay makes its own.
const NOT_RECORDED: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];

/// The servers' places in a recording.
const API_SERVER: usize = 0;
const REGISTRY: usize = 1;

type Arrivals = Arc<Mutex<Vec<(usize, RequestParts)>>>;

/// Proxies in front of the API server and of the registry, for one run of the program.
pub struct Recorder {
    authority: String,
    servers: Vec<Server>,
    proxies: [InterceptingProxy; 2],
    arrivals: Arrivals,
}

impl Recorder {
    /// Starts both; `registry_authority` is one that the program trusts.
    ///
    /// # Errors
    /// Where a certificate can't be made, or no port is free.
    pub fn start(access: &ClusterAccess, registry_authority: &Authority) -> Result<Self> {
        let arrivals = Arrivals::default();
        let record = |server: usize| {
            let arrivals = Arc::clone(&arrivals);
            move |request: &RequestParts| {
                let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                arrivals.push((server, request.clone()));
                Action::Forward
            }
        };
        let registries = access.registries()?;
        let registry = registries.openshift.host.address;
        let authority = Authority::new("recorder")?;
        let api_server = InterceptingProxy::start(
            Upstream::new(
                &format!("https://{}", access.api_server),
                Some(&access.certificate_authority),
                true,
            )?,
            &authority.issue(&["127.0.0.1"])?,
            record(API_SERVER),
        )?;
        let host = OPENSHIFT.rsplit_once(':').map_or(OPENSHIFT, |(host, _)| host);
        let registry_proxy = InterceptingProxy::start(
            Upstream::named(OPENSHIFT, registry, &registries.ca)?,
            &registry_authority.issue(&[host])?,
            record(REGISTRY),
        )?;
        Ok(Self {
            authority: authority.pem(),
            servers: vec![
                Server {
                    name: access.api_server.to_string(),
                    address: access.api_server,
                    authority: access.certificate_authority.clone(),
                },
                Server {
                    name: OPENSHIFT.to_owned(),
                    address: registry,
                    authority: registries.ca.clone(),
                },
            ],
            proxies: [api_server, registry_proxy],
            arrivals,
        })
    }

    /// The authority of what stands in for the API server, PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What stands in for the API server, and for the registry.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.proxies.each_ref().map(InterceptingProxy::address)
    }

    /// What the run asked, in the order in which it arrived.
    ///
    /// # Errors
    /// Where a request got no answer, or isn't text.
    pub fn recording(self) -> Result<Recording> {
        let passages = self.proxies.each_ref().map(InterceptingProxy::passages);
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recording = Recording {
            servers: self.servers,
            username: String::new(),
            exchanges: Vec::new(),
        };
        let mut minted = false;
        for (server, request) in arrivals.iter() {
            let status = passages
                .get(*server)
                .and_then(|passages| {
                    passages
                        .iter()
                        .find(|passage| passage.request.number == request.number)
                })
                .and_then(|passage| passage.status)
                .with_context(|| format!("{} {} got no answer", request.method, request.path))?;
            let mut headers = headers(request)?;
            if minted && *server == REGISTRY {
                for (_, value) in headers.iter_mut().filter(|(name, _)| name == "authorization") {
                    recording.username = username(value)?;
                    MINTED.clone_into(value);
                }
            }
            // A review is asked with the credential that it is about.
            if minted && request.path.contains("/selfsubject") {
                for (_, value) in headers.iter_mut().filter(|(name, _)| name == "authorization") {
                    MINTED_BEARER.clone_into(value);
                }
            }
            minted |= request.method == "POST" && request.path.ends_with("/token");
            recording.exchanges.push(Exchange {
                server: *server,
                method: request.method.to_string(),
                target: target(request),
                headers,
                body: with_placeholders(std::str::from_utf8(&request.body).context("a body is not UTF-8")?),
                status: status.as_u16(),
            });
        }
        Ok(recording)
    }
}

fn target(request: &RequestParts) -> String {
    match request.query.as_str() {
        "" => request.path.clone(),
        query => format!("{}?{query}", request.path),
    }
}

fn headers(request: &RequestParts) -> Result<Vec<(String, String)>> {
    request
        .headers
        .iter()
        .filter(|(name, _)| !NOT_RECORDED.contains(&name.as_str()))
        .map(|(name, value)| Ok((name.as_str().to_owned(), value.to_str()?.to_owned())))
        .collect()
}

/// The user name of a Basic header.
fn username(authorization: &str) -> Result<String> {
    let decode = || {
        let pair = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
        Some(String::from_utf8(pair).ok()?.split_once(':')?.0.to_owned())
    };
    decode().context("the registry was sent another header than Basic")
}

/// The body with placeholders for what names the object as it is at the time; every other byte stays.
fn with_placeholders(body: &str) -> String {
    let mut text = body.to_owned();
    let Ok(object) = serde_json::from_str::<Value>(body) else {
        return text;
    };
    for (pointer, placeholder) in [
        ("/metadata/uid", UID),
        ("/metadata/resourceVersion", RESOURCE_VERSION),
        ("/spec/boundObjectRef/uid", UID),
    ] {
        if let Some(value) = object.pointer(pointer).and_then(Value::as_str) {
            text = text.replace(&format!("\"{value}\""), &format!("\"{placeholder}\""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_the_object_becomes_a_placeholder() {
        assert_eq!(
            with_placeholders(r#"{"metadata":{"uid":"a-b", "resourceVersion":"7"},"data":{"x":"a-b7"}}"#),
            r#"{"metadata":{"uid":"@UID@", "resourceVersion":"@RESOURCE-VERSION@"},"data":{"x":"a-b7"}}"#
        );
        assert_eq!(
            with_placeholders(r#"{"spec":{"boundObjectRef":{"uid":"a-b"}}}"#),
            r#"{"spec":{"boundObjectRef":{"uid":"@UID@"}}}"#
        );
        assert_eq!(with_placeholders(""), "");
    }

    #[test]
    fn the_user_name_of_a_basic_header_is_read() -> Result<()> {
        assert_eq!(username("Basic PHRva2VuPjphYmM=")?, "<token>");
        username("Bearer abc").expect_err("not Basic");
        Ok(())
    }
}
