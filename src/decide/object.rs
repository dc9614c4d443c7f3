//! Whether the stored Secret can be corrected in place.

use crate::{
    config::Config,
    dockerconfig::{Document, pull_secret},
    kubernetes::secret::{Deletion, SECRET_TYPE, StoredSecret},
    outcome::{Finding, Reason},
    text::{SafeName, clip_name},
};

/// How many finalizers a cause names: it has to fit MESSAGE with the remedy behind it.
const FINALIZERS: usize = 2;

/// The document of the stored Secret, where the Secret may be written at all.
///
/// # Errors
/// `secret-terminating`, `wrong-type`, `document-unreadable`, `document-ambiguous`.
pub fn open<'a>(config: &Config, secret: &'a StoredSecret) -> Result<Document<'a>, Finding> {
    if let Some(deletion) = &secret.deletion {
        return Err(terminating(config, deletion));
    }
    let name = clip_name(config.name.as_str(), 80);
    if secret.secret_type != SECRET_TYPE {
        let found = shown_type(&secret.secret_type);
        return Err(Finding::new(
            Reason::WrongType,
            format!("Secret {name} has {found} {SECRET_TYPE}, and a type cannot be changed"),
        ));
    }
    pull_secret::parse(config, secret.document())
}

/// Part of a sentence. Any text may be a type, so a password too: only `domain/name` and `Opaque` are printed.
fn shown_type(secret_type: &str) -> String {
    let has_domain = secret_type
        .split_once('/')
        .is_some_and(|(domain, _)| domain.contains('.'));
    if secret_type == "Opaque" || (has_domain && SafeName::new(secret_type).as_str() == secret_type) {
        format!("the type {}, not", clip_name(secret_type, 60))
    } else {
        "another type than".to_owned()
    }
}

/// `secret-terminating`. The API server still issues tokens for such a Secret, and refuses them a minute after the
/// deletion began (Kubernetes `pkg/serviceaccount/claims.go`).
fn terminating(config: &Config, deletion: &Deletion) -> Finding {
    let name = clip_name(config.name.as_str(), 60);
    let finalizers = &deletion.finalizers;
    let shown: Vec<String> = finalizers
        .iter()
        .take(FINALIZERS)
        .map(|finalizer| clip_name(SafeName::new(finalizer).as_str(), 50))
        .collect();
    let noun = if finalizers.len() == 1 {
        "finalizer"
    } else {
        "finalizers"
    };
    let shown = shown.join(", ");
    let more = match finalizers.len().saturating_sub(FINALIZERS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if finalizers.is_empty() {
        Finding::new(
            Reason::SecretTerminating,
            format!("Secret {name} is being deleted"),
        )
        .with_remedy("Run ensure again once it is gone, or choose another PULL_SECRET_NAME.")
    } else {
        Finding::new(
            Reason::SecretTerminating,
            format!("Secret {name} is being deleted and is held by the {noun} {shown}{more}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::secret::{DOCUMENT_KEY, Version};

    #[test]
    fn s14_a_type_that_may_be_a_password_is_not_printed() {
        for (secret_type, shown) in [
            ("Opaque", "the type Opaque, not"),
            ("kubernetes.io/tls", "the type kubernetes.io/tls, not"),
            ("helm.sh/release.v1", "the type helm.sh/release.v1, not"),
            ("s3cr3t-robot-pass", "another type than"),
            ("s3cr3t/robot-pass", "another type than"),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "another type than"),
            ("a.test/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0", "another type than"),
            ("robot:pass@quay.io/x", "another type than"),
            ("a.test/\u{1b}[31m", "another type than"),
            ("", "another type than"),
        ] {
            assert_eq!(shown_type(secret_type), shown, "{secret_type:?}");
        }
    }

    fn config() -> Config {
        let variables = [
            ("PULL_SECRET_NAME", "pull"),
            ("PULL_SECRET_REGISTRY", "quay.io"),
            ("PULL_SECRET_TOKEN_FILE", "/robot/token"),
        ];
        Config::from_env(variables.map(|(name, value)| (name.into(), value.into()))).expect("a configuration")
    }

    fn stored(document: &str) -> StoredSecret {
        StoredSecret {
            version: Version {
                uid: "6f2d".to_owned(),
                resource_version: "7".to_owned(),
            },
            data: [(DOCUMENT_KEY.to_owned(), document.as_bytes().to_vec())].into(),
            ..StoredSecret::absent()
        }
    }

    fn opened(secret: &StoredSecret) -> Finding {
        open(&config(), secret).expect_err("a finding")
    }

    #[test]
    fn o1_a_secret_being_deleted_is_named_with_its_finalizers() {
        let deleted = |finalizers: &[&str]| StoredSecret {
            deletion: Some(Deletion {
                finalizers: finalizers.iter().map(|&name| name.to_owned()).collect(),
            }),
            ..stored(r#"{"auths":{}}"#)
        };
        let long = format!("example.test/{}", "x".repeat(300));
        for (finalizers, cause) in [
            (&[][..], "Secret pull is being deleted"),
            (
                &["example.test/hold"],
                "Secret pull is being deleted and is held by the finalizer example.test/hold",
            ),
            (
                &["a.test/a", "b.test/$(b)\n", "c", "d"],
                "Secret pull is being deleted and is held by the finalizers a.test/a, b.test/__b__ and 2 more",
            ),
            (
                &["sha256~AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
                "Secret pull is being deleted and is held by the finalizer redacted",
            ),
        ] {
            let finding = opened(&deleted(finalizers));
            assert_eq!(
                (finding.reason, finding.cause.as_str()),
                (Reason::SecretTerminating, cause)
            );
            assert!(!finding.remedy().to_lowercase().contains("delete"));
        }
        let finding = opened(&deleted(&[&long, &long, &long]));
        assert!(finding.cause.chars().count() < 200, "{}", finding.cause);
        let opaque = StoredSecret {
            secret_type: "Opaque".to_owned(),
            ..deleted(&["a"])
        };
        assert_eq!(opened(&opaque).reason, Reason::SecretTerminating);
    }
}
