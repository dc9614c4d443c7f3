//! Reasons to renew the stored credential.

/// Why a new credential is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewReason {
    /// The document has no `auths` object.
    NoAuths,
    /// A registry of the run has no entry, or not one that every client reads.
    EntryMissing,
    /// The entries of the run's registries differ, or have another user name.
    EntriesDiffer,
    /// The file holds another token.
    NotTheFile,
    /// It is not a service account's token.
    NotAServiceAccountToken,
    /// It belongs to another service account.
    OtherAccount,
    /// It is bound to a pod.
    BoundToPod,
    /// It is not bound to this Secret.
    NotBoundToSecret,
    /// It is for another audience.
    OtherAudience,
    /// It is expired, or too little of its life is left.
    LittleLifeLeft,
    /// It was rejected.
    Rejected,
}

impl RenewReason {
    /// For the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAuths => "the document has no auths wrapper",
            Self::EntryMissing => "a registry has no entry that every client reads",
            Self::EntriesDiffer => "the entries differ from each other or in their user name",
            Self::NotTheFile => "PULL_SECRET_TOKEN_FILE holds another token",
            Self::NotAServiceAccountToken => "the stored token is not a service account's",
            Self::OtherAccount => "the stored token belongs to another service account",
            Self::BoundToPod => "the stored token is bound to a pod and becomes invalid with it",
            Self::NotBoundToSecret => "the stored token is not bound to this Secret",
            Self::OtherAudience => "the stored token is for another audience",
            Self::LittleLifeLeft => "the stored token expires too soon",
            Self::Rejected => "the stored token is not accepted any more",
        }
    }
}
