//! Sends the requests of a row to the gateway, with the API server in the row's state, and compares the responses.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use test_cluster::clients::HttpsClient;

use super::backstage::Backstage;
use super::comparing::compare;
use super::rows::{Authorization, Expected, Row};
use super::stage::{Stage, basic};
use crate::world::World;

/// Sends a row's requests on a stage.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    world: &'a World,
    stage: &'a Stage,
}

struct Question<'a> {
    request: &'a str,
    account: &'a str,
    authorization: &'a Authorization,
    accept: &'a str,
}

impl<'a> Asker<'a> {
    pub fn new(world: &'a World, stage: &'a Stage) -> Self {
        Self { world, stage }
    }

    /// Every answer that isn't as expected, in words.
    pub fn ask_all(self, row: &Row, expected: &Expected) -> Vec<String> {
        let mut wrong = Vec::new();
        for state in &row.api_server {
            let backstage = Backstage::of(self.world, state);
            let client = match &backstage {
                Some(backstage) => backstage.client(),
                None => self.world.openshift(),
            };
            for request in &row.ask {
                for account in &row.r#as {
                    for authorization in &row.with {
                        for accept in &row.accept {
                            let question = Question {
                                request,
                                account,
                                authorization,
                                accept,
                            };
                            if let Err(difference) = self.ask(&client, &question, expected) {
                                wrong.push(format!(
                                    "{}\n  {request} as {account} with {authorization:?}, Accept {accept}, API server \
                                     {state:?}: {difference}",
                                    row.row
                                ));
                            }
                        }
                    }
                }
            }
            wrong.extend(backstage.and_then(|backstage| backstage.wrong_count(state, row)));
        }
        wrong
    }

    fn ask(&self, client: &HttpsClient, question: &Question<'_>, expected: &Expected) -> Result<(), String> {
        let filled = |text: &str| self.stage.fill(text, question.account);
        let target = filled(question.request);
        let (method, path) = target.split_once(' ').ok_or("not METHOD path")?;
        let mut request = Request::new(Bytes::from_static(if method == "PUT" { b"{}" } else { b"" }));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        *request.uri_mut() = path.parse().map_err(|_| format!("not a path: {path}"))?;
        if let Some(value) = authorization(question.authorization, filled) {
            let value = HeaderValue::from_str(&value).map_err(|error| error.to_string())?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        if let Some(accept) = accept(question.accept) {
            request
                .headers_mut()
                .insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        let begin = Instant::now();
        let response = client.send(request).map_err(|error| format!("{error:#}"))?;
        if let Some(seconds) = expected.after_seconds {
            let elapsed = begin.elapsed();
            let expected = Duration::from_secs(seconds);
            if elapsed < expected || elapsed > 2 * expected {
                return Err(format!("answered after {elapsed:?}, not {expected:?}"));
            }
        }
        compare(&response, method == "HEAD", path, expected, |text| filled(text))
    }
}

fn authorization(template: &Authorization, filled: impl Fn(&str) -> String) -> Option<String> {
    Some(match template {
        Authorization::None => return None,
        Authorization::Header(text) => filled(text),
        Authorization::Basic(text) => basic(&filled(text)),
        Authorization::BasicInCapitals(text) => format!("BASIC {}", STANDARD.encode(filled(text))),
        Authorization::BasicUnpadded(text) => {
            let mut credentials = filled(text);
            while credentials.len().is_multiple_of(3) {
                credentials.insert(0, 'u');
            }
            format!("Basic {}", STANDARD_NO_PAD.encode(credentials))
        }
        Authorization::BasicUrlSafe(text) => {
            let encoded = URL_SAFE.encode(filled(text));
            assert!(encoded.contains(['-', '_']), "the same in both alphabets");
            format!("Basic {encoded}")
        }
    })
}

fn accept(name: &str) -> Option<&'static str> {
    Some(match name {
        "none" => return None,
        "all" => {
            "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
             application/vnd.docker.distribution.manifest.v2+json, \
             application/vnd.docker.distribution.manifest.list.v2+json"
        }
        "*/*" => "*/*",
        "docker" => "application/vnd.docker.distribution.manifest.v2+json",
        "schema 1" => "application/vnd.docker.distribution.manifest.v1+json",
        other => panic!("no Accept {other:?}"),
    })
}
