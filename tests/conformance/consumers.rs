//! Clients of a pull secret, called through `tests/cluster/consumers/verdict` over a pipe.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use test_cluster::servers;

/// A process that answers questions. It ends with its input, so with its owner.
pub struct Consumers {
    process: RefCell<Process>,
}

struct Process {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Results of all clients for one document; the lists have one element for each image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verdict {
    pub kubelet: KubeletVerdict,
    /// Every different result of several calls.
    #[serde(deserialize_with = "null_is_empty")]
    pub containers_image: Vec<Vec<Finding>>,
    /// As `containers_image`.
    #[serde(deserialize_with = "null_is_empty")]
    pub go_container_registry: Vec<Vec<Finding>>,
    pub plain: Plain,
}

/// Result of the kubelet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeletVerdict {
    /// It finds no credential in this Secret.
    pub refused: bool,
    /// All entries that it reads, in no order.
    #[serde(deserialize_with = "null_is_empty")]
    pub entries: Vec<Entry>,
    /// For each image the entries that it tries, in its order; entries of one registry are a group, in no order.
    #[serde(deserialize_with = "null_is_empty")]
    pub lookups: Vec<Vec<Vec<Entry>>>,
}

/// The document as a reader takes it that minds the case of names, and lets the first of two win.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    pub entries: Vec<Entry>,
    pub keys: Vec<String>,
    /// A name is there twice, but for case, or a known one is spelled in another case.
    pub collides: bool,
}

/// Member of `auths`. Base64 may decode to bytes that aren't text: these are U+FFFD here.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub key: String,
    #[serde(deserialize_with = "base64")]
    pub username: String,
    #[serde(deserialize_with = "base64")]
    pub password: String,
}

/// Credential that a client finds for an image: none without an error means that it pulls anonymously.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub refusal: Option<Refusal>,
    pub credential: Option<Credential>,
}

/// Cause of an inconclusive result.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Refusal {
    /// It rejects the whole document.
    Document,
    /// The `auth` of the entry that it chose doesn't decode.
    Auth,
    /// It would call a credential helper.
    Helper,
    /// It can't parse the image's name.
    Image,
}

/// Login of a client.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    #[serde(deserialize_with = "base64")]
    pub username: String,
    #[serde(deserialize_with = "base64")]
    pub password: String,
    pub identity_token: String,
}

/// Image reference as each of them parses it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Readings {
    pub kubelet: Reading,
    pub containers_image: Reading,
    pub go_container_registry: Reading,
}

/// An image reference taken apart.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    pub refused: bool,
    /// Registry and repository.
    pub name: String,
    /// The registry; empty where all of the name is taken for a repository.
    pub domain: String,
    pub tag: String,
    pub digest: String,
}

/// The first challenge of a WWW-Authenticate header, as one program reads it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeReading {
    /// Lower case; empty where it reads none.
    pub scheme: String,
    /// Names in lower case.
    pub parameters: BTreeMap<String, String>,
}

/// The reading of each program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ChallengeReadings {
    pub containers_image: ChallengeReading,
    pub go_container_registry: ChallengeReading,
}

/// A server with a certificate, until the next question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsServer {
    /// Where it listens.
    pub address: String,
    /// The name to verify.
    pub host: String,
    /// What is trusted, PEM.
    pub roots: String,
    /// What Go's client makes of it: ok, expired, name, unknown, usage or invalid.
    pub verdict: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    direct: bool,
}

impl Consumers {
    /// Builds the program where the cache lacks it, and starts it.
    pub fn start() -> Self {
        let program = servers::verdict().expect("the real consumers can be built");
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the real consumers can be started");
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Self {
            process: RefCell::new(Process {
                child,
                questions,
                answers,
            }),
        }
    }

    /// Results of all clients for a document, for each of `images`.
    pub fn read(&self, document: &[u8], images: &[&str]) -> Verdict {
        self.read_often(document, images, 1)
    }

    /// Like [`Consumers::read`], repeated until a result that depends on the order of a Go map has occurred in each
    /// form.
    pub fn read_often(&self, document: &[u8], images: &[&str], attempts: u32) -> Verdict {
        let document = STANDARD.encode(document);
        self.ask(&json!({ "document": document, "images": images, "attempts": attempts }))
    }

    /// Image reference as each of them parses it.
    pub fn read_reference(&self, text: &str) -> Readings {
        self.ask(&json!({ "reference": text }))
    }

    /// Whether Go's clients reach `host` (`host:port`) without the proxy that is set.
    pub fn is_direct(&self, no_proxy: &str, host: &str) -> bool {
        let question = json!({ "proxy": { "noProxy": no_proxy, "host": host } });
        self.ask::<Route>(&question).direct
    }

    /// How each program reads a WWW-Authenticate header.
    pub fn read_challenge(&self, header: &str) -> ChallengeReadings {
        self.ask(&json!({ "challenge": header }))
    }

    /// A server whose certificate is of this kind, and that speaks no higher version of TLS; 0 for the newest.
    pub fn tls_server(&self, trust: &str, validity: &str, name: &str, key: &str, version: u16) -> TlsServer {
        self.ask(&json!({ "certificate": {
            "trust": trust, "validity": validity, "name": name, "key": key, "version": version,
        } }))
    }

    fn ask<T: for<'de> Deserialize<'de>>(&self, question: &Value) -> T {
        let mut process = self.process.borrow_mut();
        let questions = process.questions.as_mut().expect("it is open until the end");
        questions
            .write_all(format!("{question}\n").as_bytes())
            .expect("the real consumers take a question");
        let mut answer = String::new();
        process
            .answers
            .read_line(&mut answer)
            .expect("the real consumers answer in UTF-8");
        assert!(
            !answer.is_empty(),
            "the real consumers ended; standard error has the cause"
        );
        serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("an answer is not what was agreed ({error}): {answer}"))
    }
}

impl Drop for Consumers {
    fn drop(&mut self) {
        let process = self.process.get_mut();
        drop(process.questions.take());
        let _ = process.child.wait();
    }
}

/// Go writes an empty list that was never made as null.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let bytes = STANDARD
        .decode(String::deserialize(deserializer)?)
        .map_err(serde::de::Error::custom)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
