//! Why a document is left alone.

use std::fmt;

use crate::text::SafeName;

/// Why a document can't be edited. Nothing of it is repeated but names, made safe to print.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// No client can read it: reason `document-unreadable`.
    #[error("{0}; it is never replaced: correct it by hand")]
    Unreadable(Unreadable),
    /// Clients read it differently: reason `document-ambiguous`.
    #[error(
        "{0}; clients read that differently: keep the one that is meant, spelled so, and remove the other"
    )]
    Ambiguous(Ambiguity),
    /// The only member of `auths` is another object `auths`, which clients take for a registry of that name: reason
    /// `document-ambiguous`.
    #[error("the only member of auths is another object auths")]
    WrappedTwice,
}

/// What makes a document unreadable: a whole clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not UTF-8.
    #[error(".dockerconfigjson is not UTF-8 text")]
    NotUtf8,
    /// A byte order mark in front, which JSON parsers refuse.
    #[error(".dockerconfigjson starts with a byte order mark")]
    ByteOrderMark,
    /// Not JSON, or with something behind it.
    #[error(".dockerconfigjson is not JSON (line {line}, column {column})")]
    NotJson {
        /// Where reading stopped, from 1.
        line: usize,
        /// Where in that line, in bytes from 1.
        column: usize,
    },
    /// JSON, but no object.
    #[error(".dockerconfigjson is JSON, but not an object")]
    NotAnObject,
    /// Nested deeper than Go's JSON parser goes.
    #[error(".dockerconfigjson is nested deeper than 10000 levels, more than Kubernetes reads")]
    TooDeep,
    /// `auths` is another kind of JSON value, which may be the only copy of something.
    #[error("auths is {0}, not an object")]
    AuthsNotAnObject(&'static str),
}

/// A name that is there twice, or spelled as only some clients read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// Where in the document.
    pub place: Place,
    /// The name, as the later of two members has it.
    pub name: SafeName,
    /// What it collides with: an earlier member, or the spelling that every client reads.
    pub collides_with: SafeName,
}

/// A place in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The outermost object.
    Top,
    /// The object `auths`.
    Auths,
    /// The entry of this name.
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
