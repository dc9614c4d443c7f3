//! Entry of `auths`: the credential for one registry.

use crate::credential::{Credential, Token};

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::auth_field;
use super::defect::{self, EntryDefect};
use super::go_json;
use super::kubelet;

/// Error of a credential that can't be written. Messages never contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The user name is empty, which containers/image and registries treat as no credential.
    #[error("the user name is empty; set the one of the robot account, or <token> for a Kubernetes token")]
    EmptyUsername,
    /// The user name has a colon, so `auth` could not be split again (RFC 7617 section 2).
    #[error("the user name has a colon, which ends a user name in Basic authentication")]
    ColonInUsername,
    /// The user name has a control character (RFC 7617 section 2).
    #[error("the user name has a control character")]
    ControlCharacterInUsername,
}

/// Entry of `auths`.
#[derive(Clone)]
pub struct Entry {
    username: String,
    password: SecretString,
    well_formed: bool,
    defect: Option<EntryDefect>,
    defect_for_some: Option<EntryDefect>,
}

impl Entry {
    /// Managed entry.
    ///
    /// # Errors
    /// The user name is empty, or has a colon or a control character.
    pub fn new(username: &str, password: SecretString) -> Result<Self, EntryError> {
        if username.is_empty() {
            return Err(EntryError::EmptyUsername);
        }
        if username.contains(':') {
            return Err(EntryError::ColonInUsername);
        }
        if username.contains(char::is_control) {
            return Err(EntryError::ControlCharacterInUsername);
        }
        Ok(Self {
            username: username.to_owned(),
            password,
            well_formed: true,
            defect: None,
            defect_for_some: None,
        })
    }

    /// Parses an entry as the kubelet does: `auth` takes precedence. An unreadable entry has an empty user name and
    /// password.
    pub(super) fn read(value: &str) -> Self {
        let (username, password) = kubelet::read_entry(value).unwrap_or_default();
        let well_formed = is_well_formed(value, &username, &password);
        Self {
            username,
            password: SecretString::from(password),
            well_formed,
            defect: defect::of_entry(value),
            defect_for_some: defect::for_some_clients(value),
        }
    }

    /// Credential of the entry.
    pub fn credential(&self) -> Credential {
        Credential::of(&self.username, Token::new(self.password.clone()))
    }

    /// True if all clients find exactly this credential in it.
    pub fn holds(&self, credential: &Credential) -> bool {
        self.well_formed && self.credential() == *credential
    }

    /// User name; may be empty in a parsed entry.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Password or token; may be empty in a parsed entry.
    pub fn password(&self) -> &SecretString {
        &self.password
    }

    /// True for the form that this program writes: exactly the members `username`, `password` and `auth`, in any order, and
    /// `auth` agrees with the others, so that all clients find the same credential.
    pub fn is_well_formed(&self) -> bool {
        self.well_formed
    }

    /// True if it contains a credential by the kubelet's rule.
    pub fn decodes(&self) -> bool {
        !self.username.is_empty() && !self.password.expose_secret().is_empty()
    }

    /// Why the kubelet finds no usable credential in it.
    pub fn defect(&self) -> Option<EntryDefect> {
        self.defect
    }

    /// Why not every client finds its credential, although the kubelet does.
    pub fn defect_for_some_clients(&self) -> Option<EntryDefect> {
        self.defect_for_some
    }

    /// Entry as JSON: compact, with only the required escapes.
    pub(super) fn to_json(&self) -> String {
        let password = self.password.expose_secret();
        let auth = auth_field::encode(&self.username, password);
        let [username, password, auth] = [self.username.as_str(), password, auth.as_str()].map(Value::from);
        format!(r#"{{"username":{username},"password":{password},"auth":{auth}}}"#)
    }

    /// True if an entry of a document is equal, so that its bytes can stay.
    pub(super) fn is_same_as(&self, found: &Self) -> bool {
        found.well_formed
            && self.username == found.username
            && self.password.expose_secret() == found.password.expose_secret()
    }
}

/// Prints nothing of the credential: a user name may be a misplaced secret.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("well_formed", &self.well_formed)
            .finish_non_exhaustive()
    }
}

fn is_well_formed(value: &str, username: &str, password: &str) -> bool {
    let auth = auth_field::encode(username, password);
    let members = go_json::members(value, 0).unwrap_or_default();
    let has_member = |name: &str, text: &str| {
        members
            .clone()
            .any(|member| member.name == name && go_json::string(member.value).as_deref() == Some(text))
    };
    !username.is_empty()
        && members.clone().count() == 3
        && has_member("username", username)
        && has_member("password", password)
        && has_member("auth", &auth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_classified_by_what_clients_find() {
        let ours = r#"{"username":"u","password":"p","auth":"dTpw"}"#;
        for (value, decodes, well_formed) in [
            (ours, true, true),
            (r#"{"auth":"dTpw","password":"p","username":"u"}"#, true, true),
            (
                r#"{"username":"u","password":"p","auth":"dTpw","email":""}"#,
                true,
                false,
            ),
            (r#"{"username":"x","password":"p","auth":"dTpw"}"#, true, false),
            (r#"{"username":"u","password":"x","auth":"dTpw"}"#, true, false),
            (r#"{"auth":"dTpw"}"#, true, false),
            // Without its padding, which only the kubelet accepts.
            (r#"{"auth":"dTpwYQ"}"#, true, false),
            (r#"{"auth":"dTpwYQ=="}"#, true, false),
            (r#"{"username":"u","password":"p"}"#, true, false),
            // A NUL around the password, which containers/image drops.
            (r#"{"auth":"dToAcAA="}"#, true, false),
            (r#"{"auth":"dTo="}"#, false, false),
            (r#"{"auth":"OnA="}"#, false, false),
            (r#"{"username":"u","password":"","auth":"dTo="}"#, false, true),
            (r#"{"username":"","password":"p","auth":"OnA="}"#, false, false),
            ("{}", false, false),
            ("null", false, false),
            ("5", false, false),
        ] {
            let entry = Entry::read(value);
            assert_eq!(
                (entry.decodes(), entry.is_well_formed()),
                (decodes, well_formed),
                "{value}"
            );
        }
    }

    #[test]
    fn equal_entry_in_the_written_form_is_kept() {
        let ours = Entry::new("u", SecretString::from("p")).unwrap();
        for (value, same) in [
            (r#"{ "auth":"dTpw","password":"p","username":"u"}"#, true),
            (r#"{"auth":"dTpw"}"#, false),
            (r#"{"username":"x","password":"p","auth":"eDpw"}"#, false),
            (r#"{"username":"u","password":"x","auth":"dTp4"}"#, false),
        ] {
            assert_eq!(ours.is_same_as(&Entry::read(value)), same, "{value}");
        }
        assert!(Entry::read(&ours.to_json()).is_well_formed());
    }

    #[test]
    fn user_name_that_cannot_be_decoded_is_rejected() {
        for (username, error) in [
            ("", EntryError::EmptyUsername),
            ("a:b", EntryError::ColonInUsername),
            ("a\n", EntryError::ControlCharacterInUsername),
        ] {
            assert_eq!(Entry::new(username, SecretString::from("p")).err(), Some(error));
        }
    }
}
