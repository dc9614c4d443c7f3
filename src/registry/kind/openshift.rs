//! OpenShift's integrated registry.
//!
//! It takes a Kubernetes token as the password of Basic authentication and asks the API server about every request. So a
//! 401 means a bad token or a missing permission, and only the API server can answer which: see [`AccessQuestion`].
//! `/openshift/token` is never used: it turns outages of the API server into 401.

use http::{Method, StatusCode};

use super::Kind;
use crate::{
    image::{ImageReference, RegistryHost},
    registry::token_service::TokenService,
    transport::Answer,
};

/// OpenShift's integrated registry.
pub struct OpenShift;

impl Kind for OpenShift {
    /// Other registries send this code for a missing repository too.
    fn is_missing_tag(&self, code: &str) -> bool {
        code == "MANIFEST_UNKNOWN"
    }

    /// A 400 without a body: its API server failed. A 400 to HEAD has no body by nature; GET decides then.
    fn is_outage(&self, method: &Method, answer: &Answer) -> bool {
        answer.status == StatusCode::BAD_REQUEST && answer.body.is_empty() && method != Method::HEAD
    }

    fn uses_rbac(&self) -> bool {
        true
    }
}

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
    TokenService::parse(realm, None).is_ok_and(|service| {
        registry.dial().is(service.host(), service.port()) && service.path() == "/openshift/token"
    })
}

/// Whether there can be such a repository: its repositories are image streams, `project/name`. To anything else it answers
/// a bare 400.
pub fn has_repository(image: &ImageReference) -> bool {
    image.repository().split('/').count() == 2
}
