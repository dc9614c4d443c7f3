//! Records the requests of the program with a proxy in front of each server.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use replay::{Exchange, RESOURCE_VERSION, Recording, Server, TOKEN_BASIC, TOKEN_BEARER, UID};
use serde_json::Value;
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    listener::{Action, InterceptingProxy, RequestParts, upstream::Upstream},
    registry::OPENSHIFT,
};

/// Headers of a connection or a body; the replay sets its own.
const NOT_RECORDED: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];

/// Index of each server in a recording.
const API_SERVER: usize = 0;
const REGISTRY: usize = 1;

type Arrivals = Arc<Mutex<Vec<(usize, RequestParts)>>>;

/// Proxies in front of the API server and the registry, for one run.
pub struct Recorder {
    authority: String,
    servers: Vec<Server>,
    proxies: [InterceptingProxy; 2],
    arrivals: Arrivals,
}

impl Recorder {
    /// Starts both; the program trusts `registry_authority`.
    ///
    /// # Errors
    /// When a certificate can't be created or no port is free.
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

    /// CA certificate of the proxy in front of the API server, PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Addresses of the proxies: API server, registry.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.proxies.each_ref().map(InterceptingProxy::address)
    }

    /// Requests of the run, in the order of their arrival.
    ///
    /// # Errors
    /// When a request got no answer or isn't text.
    pub fn recording(self) -> Result<Recording> {
        let passages = self.proxies.each_ref().map(InterceptingProxy::passages);
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recording = Recording {
            servers: self.servers,
            username: String::new(),
            exchanges: Vec::new(),
        };
        let mut requested_token = false;
        for (server, request) in arrivals.iter() {
            let passages = passages.get(*server).into_iter().flatten();
            let status = passages
                .filter(|passage| passage.request.number == request.number)
                .find_map(|passage| passage.status)
                .with_context(|| format!("{} {} got no answer", request.method, request.path))?;
            let mut headers = headers(request)?;
            let authorization = headers.iter_mut().find(|(name, _)| name == "authorization");
            // The registry and the reviews of the API server get the new token.
            if let Some((_, value)) = authorization.filter(|_| requested_token) {
                if *server == REGISTRY {
                    recording.username = username(value)?;
                    TOKEN_BASIC.clone_into(value);
                } else if request.path.contains("/selfsubject") {
                    TOKEN_BEARER.clone_into(value);
                }
            }
            requested_token |= request.method == "POST" && request.path.ends_with("/token");
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

/// User name in a Basic header.
fn username(authorization: &str) -> Result<String> {
    let decode = || {
        let pair = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
        Some(String::from_utf8(pair).ok()?.split_once(':')?.0.to_owned())
    };
    decode().context("the program sent the registry no Basic header")
}

/// The body with placeholders for uid and resourceVersion; every other byte stays.
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
    fn only_uid_and_resource_version_become_placeholders() {
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
