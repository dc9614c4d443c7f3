//! The API server's audit log: which requests the program really made.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{access::ClusterAccess, random::random_hex};

/// Longest time that the log may lag behind the responses.
const PATIENCE: Duration = Duration::from_secs(20);
/// Interval between reads of the log until the marker is there.
const POLL: Duration = Duration::from_millis(20);

/// A request with its response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditedRequest {
    /// `get`, `create`, `patch`, ...
    pub verb: String,
    /// Such as `secrets`; empty where the path is no resource.
    pub resource: String,
    /// Such as `token`; empty where there is none.
    pub subresource: String,
    /// The object's name; empty where the request has none.
    pub name: String,
    /// The object's namespace; empty where the resource has none.
    pub namespace: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// Caller, as the API server authenticated it.
    pub user: String,
    /// The `jti` of the token that was shown; empty where it has none.
    pub credential_id: String,
    /// Requested path and query.
    pub uri: String,
}

/// Id of the token, in the API server's words (Kubernetes `staging/src/k8s.io/apiserver/pkg/authentication/user`).
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// A place in the log; what was answered before it is older.
#[derive(Clone, Copy, Debug)]
pub struct Marker {
    offset: u64,
}

/// The audit log of one cluster.
#[derive(Clone, Copy, Debug)]
pub struct AuditLog<'a> {
    access: &'a ClusterAccess,
}

impl<'a> AuditLog<'a> {
    pub(crate) fn new(access: &'a ClusterAccess) -> Self {
        Self { access }
    }

    /// Marks the present: makes a request of its own and waits until the log shows it.
    ///
    /// # Errors
    /// If the API server doesn't answer, or the log doesn't show the request in time.
    pub async fn mark(&self) -> Result<Marker> {
        self.mark_after(Marker { offset: 0 })
            .await
            .map(|(marker, _)| marker)
    }

    /// Requests between `since` and now whose user agent starts with `user_agent` and that belong to `namespace`: for
    /// its objects or, if an object has no namespace (reviews), from one of its service accounts.
    ///
    /// # Errors
    /// As `mark`.
    pub async fn requests(
        &self,
        user_agent: &str,
        namespace: &str,
        since: Marker,
    ) -> Result<Vec<AuditedRequest>> {
        let (_, lines) = self.mark_after(since).await?;
        let mut requests = Vec::new();
        for line in lines.lines() {
            let event: Event = serde_json::from_str(line).context("cannot read an audit event")?;
            if event.stage == "ResponseComplete" && event.user_agent.starts_with(user_agent) {
                let request = AuditedRequest::from(event);
                if request.concerns(namespace) {
                    requests.push(request);
                }
            }
        }
        Ok(requests)
    }

    /// Marks the present and gives the log's lines from `since` up to the marker.
    async fn mark_after(&self, since: Marker) -> Result<(Marker, String)> {
        let name = format!("audit-marker-{}", random_hex()?);
        let client = self.access.client().await?;
        Api::<ConfigMap>::namespaced(client, "default")
            .get_opt(&name)
            .await
            .context("cannot make the audit marker's request")?;

        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.read_from(since.offset)?;
            if let Some(found) = lines.find(&name) {
                let end = lines[found..].find('\n').map(|length| found + length + 1);
                if let Some(end) = end {
                    let offset = since.offset + u64::try_from(end)?;
                    return Ok((Marker { offset }, lines[..end].to_owned()));
                }
            }
            if Instant::now() >= deadline {
                bail!(
                    "the audit log {} did not show the marker {name} within {} s",
                    self.access.audit_log.display(),
                    PATIENCE.as_secs()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn read_from(&self, offset: u64) -> Result<String> {
        let path = &self.access.audit_log;
        let read = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            // The last line may be half written; a character cut in two must not hide the others.
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().with_context(|| format!("cannot read the audit log, {}", path.display()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    #[serde(default)]
    user_agent: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: HashMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl From<Event> for AuditedRequest {
    fn from(event: Event) -> Self {
        let object = event.object_ref.unwrap_or_default();
        let shown = event.user.extra.get(CREDENTIAL_ID).and_then(|ids| ids.first());
        let credential_id = shown.and_then(|id| id.strip_prefix("JTI=")).unwrap_or_default();
        Self {
            verb: event.verb,
            resource: object.resource,
            subresource: object.subresource,
            name: object.name,
            namespace: object.namespace,
            code: event.response_status.map_or(0, |status| status.code),
            credential_id: credential_id.to_owned(),
            user: event.user.username,
            uri: event.request_uri,
        }
    }
}

impl AuditedRequest {
    fn concerns(&self, namespace: &str) -> bool {
        if self.namespace.is_empty() {
            self.user
                .strip_prefix("system:serviceaccount:")
                .and_then(|account| account.split_once(':'))
                .is_some_and(|(of, _)| of == namespace)
        } else {
            self.namespace == namespace
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(event: &str) -> AuditedRequest {
        AuditedRequest::from(serde_json::from_str::<Event>(event).expect("an event"))
    }

    #[test]
    fn event_becomes_a_request_in_the_namespace_of_its_object() {
        let request = request(
            r#"{"stage":"ResponseComplete","verb":"create","userAgent":"p/1",
                "requestURI":"/api/v1/namespaces/a/serviceaccounts/s/token",
                "user":{"username":"system:serviceaccount:b:runner"},
                "objectRef":{"resource":"serviceaccounts","subresource":"token","name":"s","namespace":"a"},
                "responseStatus":{"code":201}}"#,
        );
        assert_eq!((request.subresource.as_str(), request.code), ("token", 201));
        assert!(request.concerns("a") && !request.concerns("b"));
    }

    #[test]
    fn review_belongs_to_the_namespace_of_its_caller() {
        let request = request(
            r#"{"stage":"ResponseComplete","verb":"create","requestURI":"/x",
                "user":{"username":"system:serviceaccount:a:puller"},
                "objectRef":{"resource":"selfsubjectreviews"},"responseStatus":{"code":201}}"#,
        );
        assert!(request.concerns("a") && !request.concerns("puller"));
    }
}
