//! Errors of a document that can't be edited.

use std::fmt;

use crate::text::SafeName;

/// Error of a document that can't be edited. Messages contain only names, made safe to print.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Unreadable: reason `document-unreadable`.
    #[error("{0}; it was left unchanged: fix it manually")]
    Unreadable(Unreadable),
    /// Clients interpret it differently: reason `document-ambiguous`.
    #[error("{0}; clients interpret that differently: keep the correct member and remove the other")]
    Ambiguous(Ambiguity),
    /// The only member of `auths` is another object `auths`, which clients interpret as a registry of that name: reason
    /// `document-ambiguous`.
    #[error("the only member of auths is another object auths")]
    WrappedTwice,
}

/// Cause of an unreadable document, a whole clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not UTF-8.
    #[error(".dockerconfigjson is not UTF-8 text")]
    NotUtf8,
    /// Starts with a byte order mark, which JSON parsers reject.
    #[error(".dockerconfigjson starts with a byte order mark")]
    ByteOrderMark,
    /// Not JSON, or JSON with trailing text.
    #[error(".dockerconfigjson is not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, in bytes from 1.
        column: usize,
    },
    /// JSON, but no object.
    #[error(".dockerconfigjson is JSON, but not an object")]
    NotAnObject,
    /// Nested deeper than Go's JSON parser allows.
    #[error(".dockerconfigjson is nested deeper than 10000 levels, more than Kubernetes reads")]
    TooDeep,
    /// `auths` is another JSON value, which may be the only copy of a credential.
    #[error("auths is {0}, not an object")]
    AuthsNotAnObject(&'static str),
}

/// Duplicate name, or one in a spelling that only some clients accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// Part of the document.
    pub place: Place,
    /// Name of the later member.
    pub name: SafeName,
    /// Name of the earlier member, or the spelling that all clients accept.
    pub collides_with: SafeName,
}

/// Part of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Outermost object.
    Top,
    /// Object `auths`.
    Auths,
    /// Entry of this name.
    Entry(SafeName),
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Top => f.write_str("the document")?,
            Place::Auths => f.write_str("auths")?,
            Place::Entry(key) => write!(f, "the entry {key} of auths")?,
        }
        if self.name == self.collides_with {
            write!(f, " has the member {} twice", self.name)
        } else {
            write!(
                f,
                " has the member {} where {} is expected",
                self.name, self.collides_with
            )
        }
    }
}
