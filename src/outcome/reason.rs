//! Reasons with exit code, status, severity, meaning and remedy, in one table.
//!
//! The table in README and the exit codes of the CronJob are generated from here.

use std::fmt;

/// Status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The Secret is valid and was verified as far as requested.
    Success,
    /// The work is done, the verification is incomplete; exit code 0.
    Warning,
    /// The verification failed.
    Failure,
    /// The work or the verification could not be completed.
    Error,
}

impl Status {
    /// Value of the result STATUS.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Warning => "WARNING",
            Self::Failure => "FAILURE",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Row of the table of reasons.
#[derive(Clone, Copy, Debug)]
pub struct ReasonInfo {
    /// Value of the result REASON.
    pub word: &'static str,
    /// Exit code of the process, from sysexits.h where one fits.
    pub exit_code: u8,
    /// Status.
    pub status: Status,
    /// Severity, 0 is the most severe: the most severe finding decides.
    pub severity: u8,
    /// Meaning, half a sentence.
    pub meaning: &'static str,
    /// Remedy, one sentence.
    pub remedy: &'static str,
}

macro_rules! reasons {
    ($($variant:ident = $word:literal, $exit:literal, $status:ident, $severity:literal,
        $meaning:literal, $remedy:literal;)+) => {
        /// Reason of the end of a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)+
        }

        impl Reason {
            /// All reasons, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Row of the table.
            pub const fn info(self) -> ReasonInfo {
                match self {
                    $(Self::$variant => ReasonInfo {
                        word: $word,
                        exit_code: $exit,
                        status: Status::$status,
                        severity: $severity,
                        meaning: $meaning,
                        remedy: $remedy,
                    },)+
                }
            }
        }
    };
}

// Severities: 70, 64, api-forbidden, 65 but unmanaged-entry-invalid, 73, 76, 67, 78, unmanaged-entry-invalid, pull-forbidden,
// 66, 75, WARNING (its reasons in the order of `Finding::severity`), ok.
reasons! {
    Ok = "ok", 0, Success, 16,
        "the Secret is valid and was verified as far as requested", "Nothing to do.";
    NotVerified = "not-verified", 0, Warning, 13,
        "the credential was not verified: PULL_SECRET_VERIFY excludes it",
        "Set PULL_SECRET_VERIFY to registry, where the registry can be reached.";
    RegistryAnonymous = "registry-anonymous", 0, Warning, 14,
        "the registry allows anonymous access, so the credential could not be verified",
        "Nothing to do, if anonymous access is intended; a private image in PULL_SECRET_IMAGE can be verified.";
    InvalidConfiguration = "invalid-configuration", 64, Error, 1,
        "an environment variable or argument is invalid",
        "Set the named variables as the report shows.";
    NotInCluster = "not-in-cluster", 64, Error, 1,
        "the pod's API server address, token or CA is missing",
        "Run it in a pod whose service account token is mounted, or set PULL_SECRET_SERVICE_ACCOUNT_DIR.";
    ApiUntrusted = "api-untrusted", 64, Error, 1,
        "the API server's certificate is not trusted by the mounted ca.crt",
        "Start the pod again, so that the current ca.crt is mounted; check KUBERNETES_SERVICE_HOST and PULL_SECRET_SERVICE_ACCOUNT_DIR.";
    NamespaceMissing = "namespace-missing", 64, Error, 1,
        "the namespace does not exist or is being deleted",
        "Create the namespace, or correct PULL_SECRET_NAMESPACE.";
    ServiceAccountMissing = "service-account-missing", 64, Error, 1,
        "the ServiceAccount does not exist",
        "Create the ServiceAccount, or correct PULL_SECRET_SERVICE_ACCOUNT.";
    WrongType = "wrong-type", 65, Error, 3,
        "the Secret has another type, and the type of a Secret cannot be changed",
        "Choose another PULL_SECRET_NAME and reference that Secret in the services.";
    Immutable = "immutable", 65, Error, 3,
        "the Secret is immutable, but must be changed",
        "Choose another PULL_SECRET_NAME and reference that Secret in the services.";
    SecretTerminating = "secret-terminating", 65, Error, 3,
        "the Secret is being deleted: a token bound to it stops working within a minute",
        "Wait for the finalizer's controller or remove the finalizer, then run ensure again; or choose another PULL_SECRET_NAME.";
    DocumentUnreadable = "document-unreadable", 65, Error, 3,
        ".dockerconfigjson is not UTF-8 or not a JSON object, or its auths is not an object; it was left unchanged",
        "Correct it or restore it from its source, or choose another PULL_SECRET_NAME.";
    DocumentAmbiguous = "document-ambiguous", 65, Error, 3,
        ".dockerconfigjson has duplicate keys that clients interpret differently, or an auths inside auths; it was left unchanged",
        "Keep one of the keys that are duplicate or differ only in case, and run again.";
    UnmanagedEntryInvalid = "unmanaged-entry-invalid", 65, Failure, 8,
        "another entry is malformed, so the kubelet rejects the whole .dockerconfigjson; the managed entry was written",
        "Fix or remove the named entry.";
    ApiRejected = "api-rejected", 65, Error, 3,
        "the API server refuses the Secret or a request for good: it is too large, invalid or unknown to it",
        "Correct what the cause names; the same request is refused again. Check that KUBERNETES_SERVICE_HOST is a supported API server.";
    RepositoryMissing = "repository-missing", 66, Failure, 10,
        "the credential is accepted, but the registry has no such repository",
        "Push the image, or correct PULL_SECRET_IMAGE.";
    TagMissing = "tag-missing", 66, Failure, 10,
        "the credential is accepted, but the repository has no such tag or digest",
        "Push the tag, or correct PULL_SECRET_IMAGE.";
    CredentialRejected = "credential-rejected", 67, Failure, 6,
        "the registry or the API server rejects the credential",
        "Run ensure again for a new token; with PULL_SECRET_TOKEN_FILE, put a valid one there.";
    CredentialExpired = "credential-expired", 67, Failure, 6,
        "the credential has expired",
        "Run ensure to refresh it; with PULL_SECRET_TOKEN_FILE, put a fresh token there.";
    PodBoundToken = "pod-bound-token", 67, Failure, 6,
        "the token is bound to a pod and becomes invalid when the pod is deleted",
        "Run ensure without PULL_SECRET_TOKEN_FILE to request a token that is bound to the Secret.";
    Internal = "internal", 70, Error, 0,
        "a defect of this program",
        "Report it with the log; no credential is in it.";
    Reverted = "reverted", 73, Error, 4,
        "another controller reverted the change to the Secret",
        "Exclude this Secret's data from that controller (Argo CD: ignoreDifferences with RespectIgnoreDifferences).";
    ApiUnavailable = "api-unavailable", 75, Error, 11,
        "the API server was unreachable or returned an unexpected response",
        "Run it again later; a stored credential that worked before still works.";
    RegistryUnavailable = "registry-unavailable", 75, Error, 11,
        "the registry did not answer",
        "Run it again when the registry answers; check its name and the network policy.";
    Conflict = "conflict", 75, Error, 11,
        "gave up after repeated write conflicts",
        "Run it again; if it happens again, find out who else writes this Secret.";
    Deadline = "deadline", 75, Error, 11,
        "the run timed out or received SIGTERM",
        "Run it again; after a timeout, raise PULL_SECRET_TIMEOUT.";
    RegistryProtocol = "registry-protocol", 76, Error, 5,
        "the endpoint is not a container registry",
        "Check the name and port in PULL_SECRET_REGISTRY.";
    RegistryUntrusted = "registry-untrusted", 76, Error, 5,
        "the registry's certificate, or a host that requests the credential, is not trusted",
        "Put the CA certificate into PULL_SECRET_REGISTRY_CA_FILE, or add the host to PULL_SECRET_TRUSTED_HOSTS.";
    ApiForbidden = "api-forbidden", 77, Error, 2,
        "the API server does not permit a call",
        "Apply the Role in the log, bound to the ServiceAccount that runs the program, or correct the name.";
    PullForbidden = "pull-forbidden", 77, Failure, 9,
        "the credential is accepted, but is not allowed to pull the image",
        "Grant the ServiceAccount permission to pull; the log has the YAML.";
    SecretMissing = "secret-missing", 78, Failure, 7,
        "verify found no such Secret",
        "Run ensure to create it, or correct PULL_SECRET_NAME.";
    NoMatchingEntry = "no-matching-entry", 78, Failure, 7,
        "verify found no usable entry for the registry",
        "Run ensure to write it.";
    AuthsMissing = "auths-missing", 78, Failure, 7,
        "verify found a document without the auths wrapper: clients find no credential in it",
        "Run ensure to wrap it.";
    ExpiresBeforeNextRun = "expires-before-next-run", 78, Failure, 7,
        "even a new credential expires before the next run",
        "Run more often, or raise PULL_SECRET_TOKEN_LIFETIME up to what the API server grants.";
}

impl Reason {
    /// Value of the result REASON.
    pub const fn as_str(self) -> &'static str {
        self.info().word
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(reason: Reason) -> u8 {
        reason.info().severity
    }

    #[test]
    fn reasons_and_statuses_are_printed_as_their_words() {
        for reason in Reason::ALL {
            assert_eq!(reason.to_string(), reason.as_str());
        }
        let statuses = [Status::Success, Status::Warning, Status::Failure, Status::Error];
        assert_eq!(
            statuses.map(|status| status.to_string()),
            ["SUCCESS", "WARNING", "FAILURE", "ERROR"]
        );
    }

    #[test]
    fn words_are_unique() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    #[test]
    fn exit_codes_follow_the_contract_and_avoid_those_of_shells() {
        let contract: &[(u8, &[&str])] = &[
            (0, &["ok", "not-verified", "registry-anonymous"]),
            (
                64,
                &[
                    "invalid-configuration",
                    "not-in-cluster",
                    "api-untrusted",
                    "namespace-missing",
                    "service-account-missing",
                ],
            ),
            (
                65,
                &[
                    "wrong-type",
                    "immutable",
                    "secret-terminating",
                    "document-unreadable",
                    "document-ambiguous",
                    "unmanaged-entry-invalid",
                    "api-rejected",
                ],
            ),
            (66, &["repository-missing", "tag-missing"]),
            (
                67,
                &["credential-rejected", "credential-expired", "pod-bound-token"],
            ),
            (70, &["internal"]),
            (73, &["reverted"]),
            (
                75,
                &["api-unavailable", "registry-unavailable", "conflict", "deadline"],
            ),
            (76, &["registry-protocol", "registry-untrusted"]),
            (77, &["api-forbidden", "pull-forbidden"]),
            (
                78,
                &[
                    "secret-missing",
                    "no-matching-entry",
                    "auths-missing",
                    "expires-before-next-run",
                ],
            ),
        ];
        for reason in Reason::ALL {
            let code = reason.info().exit_code;
            let row = contract
                .iter()
                .find(|(_, words)| words.contains(&reason.as_str()));
            assert_eq!(row.map(|(code, _)| *code), Some(code), "{reason}");
            assert!(!matches!(code, 1 | 2 | 9 | 101 | 125..), "{reason}");
        }
        let words: usize = contract.iter().map(|(_, words)| words.len()).sum();
        assert_eq!(words, Reason::ALL.len());
    }

    #[test]
    fn severity_follows_the_order_of_the_contract() {
        let order = [
            Reason::Internal,
            Reason::InvalidConfiguration,
            Reason::ApiForbidden,
            Reason::WrongType,
            Reason::Reverted,
            Reason::RegistryProtocol,
            Reason::CredentialRejected,
            Reason::SecretMissing,
            Reason::UnmanagedEntryInvalid,
            Reason::PullForbidden,
            Reason::TagMissing,
            Reason::ApiUnavailable,
            Reason::NotVerified,
            Reason::RegistryAnonymous,
            Reason::Ok,
        ];
        for pair in order.windows(2) {
            assert!(
                severity(pair[0]) < severity(pair[1]),
                "{} before {}",
                pair[0],
                pair[1]
            );
        }
    }

    #[test]
    fn reasons_of_one_exit_code_share_a_severity_with_two_exceptions() {
        for (one, other) in Reason::ALL
            .iter()
            .flat_map(|one| Reason::ALL.iter().map(move |other| (one, other)))
        {
            let exception = |reason: Reason| {
                matches!(
                    reason,
                    Reason::UnmanagedEntryInvalid
                        | Reason::ApiForbidden
                        | Reason::NotVerified
                        | Reason::RegistryAnonymous
                )
            };
            if one.info().exit_code == other.info().exit_code && !exception(*one) && !exception(*other) {
                assert_eq!(severity(*one), severity(*other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn failure_is_a_failed_verification_and_error_everything_else() {
        for reason in Reason::ALL {
            let info = reason.info();
            let verification = matches!(info.exit_code, 66 | 67 | 78)
                || matches!(reason, Reason::PullForbidden | Reason::UnmanagedEntryInvalid);
            let expected = match (info.exit_code, verification) {
                (0, _) => info.status,
                (_, true) => Status::Failure,
                (_, false) => Status::Error,
            };
            assert_eq!(info.status, expected, "{reason}");
        }
    }

    #[test]
    fn remedy_of_uncorrectable_secrets_never_says_delete() {
        for reason in [Reason::WrongType, Reason::Immutable, Reason::SecretTerminating] {
            let remedy = reason.info().remedy;
            assert!(!remedy.to_lowercase().contains("delete"), "{remedy}");
            assert!(remedy.contains("PULL_SECRET_NAME"), "{remedy}");
        }
    }
}
