//! Credential as a client reads it.

use std::fmt;

use secrecy::SecretString;

/// Credential that a client would use, and its entry (Docker's `types.AuthConfig`).
#[derive(Clone)]
pub struct AuthConfig {
    /// Key of `auths`, as in the document.
    pub key: String,
    /// User name; may be empty.
    pub username: String,
    /// Password or token; may be empty.
    pub password: SecretString,
    /// OAuth2 refresh token, which containers/image uses instead of the password. The kubelet has none.
    pub identity_token: Option<SecretString>,
}

/// Prints nothing of the document: a key or user name may be a misplaced secret.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig").finish_non_exhaustive()
    }
}
