//! Document as the kubelet reads it (kubelet `pkg/credentialprovider/config.go`).
//!
//! The kubelet rejects the whole document if it can't parse one entry, and pulls without any credential.

use std::fmt;

use secrecy::SecretString;

use super::auth_config::AuthConfig;
use super::auth_field::{self, AuthFieldError, NotBase64, UsernamePassword};
use super::go_json::{self, Member, fold};
use super::hash::keep_last;
use crate::{
    image::{ImageReference, KeyringIndex},
    text::SafeName,
};
/// Error for which the kubelet rejects the whole document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeletRefusal {
    /// Neither a JSON object nor null.
    #[error("the kubelet can't read the document: it is not a JSON object")]
    Document,
    /// `auths` is neither an object nor null.
    #[error("the kubelet rejects the whole document: auths is not an object")]
    Auths,
    /// `HttpHeaders` is not an object of strings.
    #[error(
        "the kubelet rejects the whole document: HttpHeaders is not an object of strings; correct or remove it"
    )]
    HttpHeaders,
    /// An entry that the kubelet can't parse.
    #[error(
        "the kubelet rejects the whole document: the entry {key} {problem}; correct or remove that entry"
    )]
    Entry {
        /// Key of the entry.
        key: SafeName,
        /// Error in the entry.
        problem: EntryProblem,
    },
}

/// Error in an entry; continues "the entry …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// Neither an object nor null.
    #[error("is not an object")]
    NotAnObject,
    /// A member that must be a string is something else.
    #[error("has a member {0} that is not a string")]
    NotAString(&'static str),
    /// `auth` is not base64.
    #[error("has an auth that {0}")]
    AuthNotBase64(NotBase64),
    /// `auth` decodes to a text without colon.
    #[error("has an auth without a colon between user and password")]
    AuthWithoutColon,
}

/// Parsed document of the kubelet.
#[derive(Clone)]
pub struct Keyring<T = AuthConfig> {
    /// Entries by decreasing index, equal ones in the document's order.
    entries: Vec<(KeyringIndex, T)>,
}

impl<T> Keyring<T> {
    /// Keyring of entries in the document's order, each with the index of its key.
    pub(super) fn new(mut entries: Vec<(KeyringIndex, T)>) -> Self {
        entries.sort_by(|(one, _), (other, _)| other.cmp(one));
        Self { entries }
    }

    /// Credentials that the kubelet would try for an image, in this order. Its order of several keys for one registry, such
    /// as `quay.io` and `https://quay.io`, is random.
    pub fn lookup(&self, image: &ImageReference) -> Vec<&T> {
        let find = |chosen: &dyn Fn(&KeyringIndex) -> bool| -> Vec<&T> {
            self.entries
                .iter()
                .filter(|(index, _)| chosen(index))
                .map(|(_, entry)| entry)
                .collect()
        };
        let matching = find(&KeyringIndex::matcher(image));
        if matching.is_empty() {
            find(&|index| index.is_default_for(image))
        } else {
            matching
        }
    }
}

/// Prints only the number of entries.
impl<T> fmt::Debug for Keyring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// Parses `.dockerconfigjson` as the kubelet does: member names are case-insensitive, the last duplicate counts, several
/// `auths` are merged. Only UTF-8 is accepted.
///
/// # Errors
/// The kubelet rejects the whole document; the first cause of several in the document's order.
pub fn kubelet_reads(bytes: &[u8]) -> Result<Keyring, KubeletRefusal> {
    read(bytes, &|_| true)
}

/// As [`kubelet_reads`], with the entries alone that it could try for one of `images`: of 100,000 entries only few are
/// kept in memory.
///
/// # Errors
/// As [`kubelet_reads`].
pub fn kubelet_reads_for(bytes: &[u8], images: &[&ImageReference]) -> Result<Keyring, KubeletRefusal> {
    read(bytes, &KeyringIndex::matcher_of_any(images))
}

fn read(bytes: &[u8], is_kept: &dyn Fn(&KeyringIndex) -> bool) -> Result<Keyring, KubeletRefusal> {
    let mut read: Vec<(KeyringIndex, AuthConfig)> = Vec::new();
    for part in parts(bytes)? {
        match part {
            Part::Refused(refusal) => return Err(refusal),
            Part::NullAuths => read.clear(),
            Part::Entry(entry) => {
                let credential = read_entry(entry.value).map_err(|problem| refused(&entry, problem))?;
                if let Some(index) = KeyringIndex::new(&entry.name).filter(is_kept) {
                    let entry = AuthConfig {
                        key: entry.name.into_owned(),
                        username: credential.0,
                        password: SecretString::from(credential.1),
                        identity_token: None,
                    };
                    read.push((index, entry));
                }
            }
        }
    }
    keep_last(&mut read, |(_, entry)| &entry.key);
    Ok(Keyring::new(read))
}

/// First unmanaged entry that makes the kubelet reject the document, in its order. Entries with a key in `managed_keys` are
/// skipped, since this program fixes those, and so is an `auths` of the wrong type, which [`super::Document::parse`]
/// rejects. `None` if there is none, or if the document can't be parsed.
///
/// Call it with the document to store: before that, `auths` may be missing.
pub fn invalid_unmanaged_entry(bytes: &[u8], managed_keys: &[&str]) -> Option<KubeletRefusal> {
    parts(bytes).ok()?.find_map(|part| match part {
        // Null is replaced; a document with another type is left unchanged.
        Part::NullAuths | Part::Refused(KubeletRefusal::Auths) => None,
        Part::Refused(refusal) => Some(refusal),
        Part::Entry(entry) if managed_keys.contains(&&*entry.name) => None,
        Part::Entry(entry) => read_entry(entry.value)
            .err()
            .map(|problem| refused(&entry, problem)),
    })
}

fn refused(entry: &Member<'_>, problem: EntryProblem) -> KubeletRefusal {
    KubeletRefusal::Entry {
        key: SafeName::new(&entry.name),
        problem,
    }
}

/// Parts that the kubelet reads, in the document's order.
enum Part<'a> {
    Entry(Member<'a>),
    /// `"auths":null` discards earlier entries.
    NullAuths,
    Refused(KubeletRefusal),
}

/// Parses the document as `DockerConfigJSON`.
fn parts(bytes: &[u8]) -> Result<impl Iterator<Item = Part<'_>>, KubeletRefusal> {
    let source = std::str::from_utf8(bytes).map_err(|_| KubeletRefusal::Document)?;
    let members = go_json::document_members(source).ok_or(KubeletRefusal::Document)?;
    Ok(members.flat_map(|member| {
        let entries = go_json::members(member.value, member.value_start);
        let (part, entries) = match (&*fold(&member.name), member.value) {
            ("auths", "null") => (Some(Part::NullAuths), None),
            ("auths", _) if entries.is_none() => (Some(Part::Refused(KubeletRefusal::Auths)), None),
            ("auths", _) => (None, entries),
            ("httpheaders", value) if !is_map_of_strings(value) => {
                (Some(Part::Refused(KubeletRefusal::HttpHeaders)), None)
            }
            _ => (None, None),
        };
        part.into_iter()
            .chain(entries.unwrap_or_default().map(Part::Entry))
    }))
}

/// Value of a Go field of type `map[string]string`.
pub(super) fn is_map_of_strings(value: &str) -> bool {
    value == "null"
        || go_json::members(value, 0).is_some_and(|mut members| {
            members.all(|member| go_json::decode_string(&mut String::new(), member.value).is_some())
        })
}

/// Parses one entry: an `auth` that isn't empty outranks `username` and `password`
/// (`DockerConfigEntry.UnmarshalJSON`).
pub(super) fn read_entry(value: &str) -> Result<UsernamePassword, EntryProblem> {
    if value == "null" {
        return Ok(UsernamePassword::default());
    }
    let (mut username, mut password, mut auth) = (String::new(), String::new(), String::new());
    // Unused, but a type error in it counts.
    let mut email = String::new();
    for member in go_json::members(value, 0).ok_or(EntryProblem::NotAnObject)? {
        let (field, name) = match &*fold(&member.name) {
            "username" => (&mut username, "username"),
            "password" => (&mut password, "password"),
            "email" => (&mut email, "email"),
            "auth" => (&mut auth, "auth"),
            _ => continue,
        };
        go_json::decode_string(field, member.value).ok_or(EntryProblem::NotAString(name))?;
    }
    if auth.is_empty() {
        return Ok((username, password));
    }
    auth_field::decode_as_kubelet(&auth).map_err(|error| match error {
        AuthFieldError::NotBase64 => EntryProblem::AuthNotBase64(auth_field::why_not_base64(&auth)),
        AuthFieldError::NoColon => EntryProblem::AuthWithoutColon,
    })
}
