//! A credential as a client reads it.

use std::fmt;

use secrecy::SecretString;

/// What a client would log in with, and the entry that it comes from
/// (Docker's `types.AuthConfig`, by which clients call it).
#[derive(Clone)]
pub struct AuthConfig {
    /// The member of `auths`, as the document has it.
    pub key: String,
    /// The user name; may be empty.
    pub username: String,
    /// The password or token; may be empty.
    pub password: SecretString,
    /// An OAuth2 refresh token, which containers/image uses in place of the password. The kubelet has none.
    pub identity_token: Option<SecretString>,
}

/// Prints nothing of the document: a key or user name may be a misplaced secret.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig").finish_non_exhaustive()
    }
}
