//! Requests to a registry, one JSON object per line, readable from other processes while it grows.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};

/// A request and its response. The credential is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// Account of the credential, if the registry accepted it: a Kubernetes user name
    /// (`system:serviceaccount:namespace:name`) for OpenShift's registry, an account's name for the others.
    pub user: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
}

/// A log that is written to.
#[derive(Debug)]
pub struct RequestLog {
    file: Mutex<File>,
}

impl RequestLog {
    /// An empty log at `path`.
    pub fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot write the request log {}", path.display()))?;
        Ok(Self {
            file: Mutex::new(file),
        })
    }

    /// Writes one line, in one piece. It is there before the client has the answer.
    pub fn append(
        &self,
        method: &http::Method,
        path: &str,
        headers: &HeaderMap,
        status: StatusCode,
        user: Option<String>,
    ) {
        let request = LoggedRequest {
            method: method.to_string(),
            path: path.to_owned(),
            status: status.as_u16(),
            user,
            user_agent: headers
                .get(header::USER_AGENT)
                .and_then(|agent| agent.to_str().ok())
                .map(str::to_owned),
        };
        let Ok(mut line) = serde_json::to_vec(&request) else {
            return;
        };
        line.push(b'\n');
        // A full disk shows in the test that looks for the line.
        let _ = self
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&line);
    }
}

/// Every request in the log at `path` so far, in order.
pub fn read(path: &Path) -> Result<Vec<LoggedRequest>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the request log {}", path.display()))?;
    text.lines()
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("not a line of a request log: {line:?}"))
        })
        .collect()
}
