//! OpenShift's integrated registry, as far as it differs from the distribution spec.
//!
//! It takes a Kubernetes token as the password of Basic authentication and asks the API server about every request. So a
//! 401 means a bad token or a missing permission, and which of both, only the API server can tell: see
//! [`AccessQuestion`].

use http::{Method, StatusCode};

use crate::{
    image::{ImageReference, RegistryHost},
    registry::client::url,
    transport::Answer,
};

/// A question that the registry's answer leaves to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessQuestion {
    /// May the credential pull the image?
    Pull,
    /// May it push to the image's repository?
    Push,
}

/// Whether a Bearer challenge is OpenShift's: its realm is a path of the registry itself.
pub fn is_realm(registry: &RegistryHost, realm: &str) -> bool {
    realm == url(registry, "/openshift/token")
}

/// Whether an answer is the registry's way to report that its API server failed: a 400 without a body. A 400 to HEAD has
/// no body by nature; GET decides then.
pub fn is_outage(method: &Method, answer: &Answer) -> bool {
    answer.status == StatusCode::BAD_REQUEST && answer.body.is_empty() && method != Method::HEAD
}

/// Whether there can be such a repository: its repositories are image streams, `project/name`. To anything else it answers
/// a bare 400.
pub fn has_repository(image: &ImageReference) -> bool {
    image.repository().split('/').count() == 2
}

/// Whether an error code for a manifest means that the tag alone is missing; other registries send it for both.
pub fn is_missing_tag(code: &str) -> bool {
    code == "MANIFEST_UNKNOWN"
}
