//! Document of the stored Secret, and its managed entries.

use crate::{
    config::Config,
    credential::Credential,
    dockerconfig::{Document, DocumentError, EditedDocument, Entry, KubeletRefusal, invalid_unmanaged_entry},
    image::RegistryHost,
    outcome::{Finding, Reason},
    text::{SafeName, clip_name},
};

/// Most entries that have a note of their own.
const MAX_NOTES: usize = 64;

/// Parses the stored document for editing.
///
/// # Errors
/// `document-unreadable`, `document-ambiguous`.
pub fn parse<'a>(config: &Config, document: &'a [u8]) -> Result<Document<'a>, Finding> {
    Document::parse(document).map_err(|error| document_finding(config, &error))
}

/// Finding for a document that was left unchanged: `document-unreadable` or `document-ambiguous`.
pub fn document_finding(config: &Config, error: &DocumentError) -> Finding {
    let name = clip_name(config.name.as_str(), 60);
    match error {
        DocumentError::Unreadable(unreadable) => Finding::new(
            Reason::DocumentUnreadable,
            format!("in Secret {name}, {unreadable}; it was left unchanged"),
        ),
        DocumentError::WrappedTwice => Finding::new(
            Reason::DocumentAmbiguous,
            format!("in Secret {name}, the only member of auths is another object named auths"),
        )
        .about("auths")
        .with_remedy(
            "Remove one of the two, so that the registries are directly under auths, and run ensure again.",
        ),
        DocumentError::Ambiguous(ambiguity) => Finding::new(
            Reason::DocumentAmbiguous,
            format!(
                "clients interpret the document of Secret {name} differently: the member {} collides with {}",
                clip_name(ambiguity.name.as_str(), 60),
                clip_name(ambiguity.collides_with.as_str(), 60)
            ),
        )
        .about(ambiguity.name.as_str()),
    }
}

/// Document with this credential for every registry of the run.
///
/// # Errors
/// Those of [`parse`].
pub fn with_credential(
    config: &Config,
    document: &[u8],
    credential: &Credential,
) -> Result<EditedDocument, Finding> {
    let entry = Entry::new(&credential.username, credential.token.secret().clone())
        .map_err(|error| Finding::new(Reason::InvalidConfiguration, error.to_string()))?;
    let keys = managed_keys(config);
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), &entry)).collect();
    Document::parse(document)
        .map(|document| document.with_entries(&entries))
        .map_err(|error| document_finding(config, &error))
}

/// Finding for an unmanaged entry that makes the kubelet reject the whole document.
pub fn unmanaged_entry_invalid(config: &Config, document: &[u8]) -> Option<Finding> {
    let keys = managed_keys(config);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let refusal = invalid_unmanaged_entry(document, &keys)?;
    let name = clip_name(config.name.as_str(), 80);
    let effect = "so the kubelet rejects the whole document";
    Some(match refusal {
        KubeletRefusal::Entry { key, problem } => Finding::new(
            Reason::UnmanagedEntryInvalid,
            format!(
                "in Secret {name} the entry {} {problem}, {effect}",
                clip_name(key.as_str(), 80)
            ),
        )
        .about(key.to_string()),
        KubeletRefusal::HttpHeaders => Finding::new(
            Reason::UnmanagedEntryInvalid,
            format!("in Secret {name} HttpHeaders is not an object of strings, {effect}"),
        )
        .about("HttpHeaders"),
        KubeletRefusal::Document | KubeletRefusal::Auths => Finding::new(
            Reason::UnmanagedEntryInvalid,
            format!("the kubelet can't parse the document of Secret {name}"),
        ),
    })
}

/// Notes about managed entries for registries that are no longer configured: they stay and are not refreshed.
pub fn forgotten_entries(
    config: &Config,
    document: &[u8],
    uid: &str,
    credential: &Credential,
) -> Vec<String> {
    let Ok(document) = Document::parse(document) else {
        return Vec::new();
    };
    let keys = managed_keys(config);
    let is_managed = |found: &Credential| {
        let claims = found.token.claims().and_then(|claims| claims.kubernetes.as_ref());
        found == credential || claims.and_then(|claims| claims.secret_uid.as_deref()) == Some(uid)
    };
    let mut forgotten = document
        .named_entries()
        .filter(|(key, _)| !keys.iter().any(|managed| *managed == **key))
        .filter(|(_, entry)| is_managed(&entry.credential()))
        .map(|(key, _)| {
            format!(
                "The entry for {} is no longer in PULL_SECRET_REGISTRY: it stays in the Secret and will not be refreshed.",
                clip_name(SafeName::new(&key).as_str(), 120)
            )
        });
    let mut notes: Vec<String> = forgotten.by_ref().take(MAX_NOTES).collect();
    let others = forgotten.count();
    if others > 0 {
        notes.push(format!(
            "{others} other entries are no longer in PULL_SECRET_REGISTRY."
        ));
    }
    notes
}

/// Keys of the managed entries.
fn managed_keys(config: &Config) -> Vec<String> {
    config.registries.iter().map(RegistryHost::key).collect()
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use secrecy::SecretString;

    use super::*;
    use crate::credential::Token;

    fn config() -> Config {
        let variables = [
            ("PULL_SECRET_NAME", "pull"),
            ("PULL_SECRET_REGISTRY", "quay.io"),
            ("PULL_SECRET_TOKEN_FILE", "/robot/token"),
        ];
        Config::from_env(variables.map(|(name, value)| (name.into(), value.into()))).expect("a configuration")
    }

    #[test]
    fn o10_the_search_for_managed_entries_is_linear() {
        let time = |(before, after): (&str, &str), entries: u32| {
            let entries: Vec<_> = (0..entries)
                .map(|number| format!("\"{number}.x\":{{}}"))
                .collect();
            let document = format!("{before}{}{after}", entries.join(","));
            let started = std::time::Instant::now();
            let notes = forgotten_entries(&config(), document.as_bytes(), "uid", &robot("password"));
            assert_eq!(notes.len(), 0);
            started.elapsed()
        };
        // Ten times as many entries: a quadratic search takes a hundred times as long.
        for shape in [("{\"auths\":{", "}}"), ("{", "}")] {
            let (few, many) = (time(shape, 3_000), time(shape, 30_000));
            assert!(many < few * 40, "{shape:?} {few:?} {many:?}");
        }
    }

    #[test]
    fn o12_thousands_of_forgotten_entries_have_one_note() {
        let notes = |count: u32| {
            let entry = |n| format!(r#""{n}.x":{{"username":"robot","password":"password"}}"#);
            let entries: Vec<_> = (0..count).map(entry).collect();
            let document = format!("{{\"auths\":{{{}}}}}", entries.join(","));
            forgotten_entries(&config(), document.as_bytes(), "uid", &robot("password"))
        };
        assert_eq!(notes(64).len(), 64);
        let many = notes(5_000);
        assert_eq!(many.len(), 65);
        assert_eq!(
            many[64],
            "4936 other entries are no longer in PULL_SECRET_REGISTRY."
        );
    }

    fn robot(password: &str) -> Credential {
        Credential::of("robot", Token::new(SecretString::from(password)))
    }

    /// ServiceAccount token that is bound to the Secret of this uid.
    fn bound_to(uid: &str) -> String {
        let part = |claims: &str| URL_SAFE_NO_PAD.encode(claims);
        let claims = format!(r#"{{"kubernetes.io":{{"secret":{{"name":"pull","uid":"{uid}"}}}}}}"#);
        format!("{}.{}.c2ln", part("{}"), part(&claims))
    }

    #[test]
    fn v7_cause_has_the_type_of_auths_and_a_remedy() {
        for (document, reason, cause) in [
            (
                r#"{"auths":[]}"#,
                Reason::DocumentUnreadable,
                "in Secret pull, auths is a list, not an object; it was left unchanged",
            ),
            (
                r#"{"auths":"{}"}"#,
                Reason::DocumentUnreadable,
                "in Secret pull, auths is a string, not an object; it was left unchanged",
            ),
            (
                r#""{}""#,
                Reason::DocumentUnreadable,
                "in Secret pull, .dockerconfigjson is JSON, but not an object; it was left unchanged",
            ),
            (
                r#"{"auths":{"auths":{}}}"#,
                Reason::DocumentAmbiguous,
                "in Secret pull, the only member of auths is another object named auths",
            ),
        ] {
            let finding = parse(&config(), document.as_bytes()).expect_err("a finding");
            assert_eq!((finding.reason, finding.cause.as_str()), (reason, cause));
            let written = with_credential(&config(), document.as_bytes(), &robot("pw"));
            assert_eq!(written.err(), Some(finding), "{document}");
        }
    }

    #[test]
    fn invalid_unmanaged_entry_is_reported() {
        for (document, subject, words) in [
            (
                r#"{"auths":{"other.test":{"auth":"?"}}}"#,
                Some("other.test"),
                "in Secret pull the entry other.test has an auth that",
            ),
            (
                r#"{"auths":{},"HttpHeaders":{"a":1}}"#,
                Some("HttpHeaders"),
                "in Secret pull HttpHeaders is not an object of strings, so the",
            ),
        ] {
            let finding = unmanaged_entry_invalid(&config(), document.as_bytes()).expect("a finding");
            assert_eq!(finding.reason, Reason::UnmanagedEntryInvalid);
            assert_eq!(finding.subject.as_deref(), subject, "{document}");
            assert!(finding.cause.starts_with(words), "{}", finding.cause);
        }
        for document in [
            r#"{"auths":{"quay.io":{"auth":"?"}}}"#,
            r#"{"auths":{}}"#,
            r#"{"auths":[]}"#,
        ] {
            assert_eq!(unmanaged_entry_invalid(&config(), document.as_bytes()), None);
        }
    }

    #[test]
    fn entry_is_managed_by_its_credential_or_the_bound_secret() {
        let of = |username: &str, password: &str| {
            let document = format!(
                r#"{{"auths":{{"old.test":{{"username":"{username}","password":"{password}"}},"quay.io":{{}}}}}}"#
            );
            forgotten_entries(&config(), document.as_bytes(), "6f2d", &robot("ours")).len()
        };
        let forgotten = |password: &str| of("robot", password);
        assert_eq!(forgotten("ours"), 1);
        assert_eq!(of("another", "ours"), 0);
        assert_eq!(of("another", &bound_to("6f2d")), 1);
        assert_eq!(forgotten(&bound_to("6f2d")), 1);
        assert_eq!(forgotten(&bound_to("another")), 0);
        assert_eq!(forgotten("another's"), 0);
        assert!(forgotten_entries(&config(), b"none", "6f2d", &robot("ours")).is_empty());
    }

    #[test]
    fn document_gets_the_credential_and_unreadable_parts_stay() {
        let edited =
            with_credential(&config(), br#"{"auths":{}}"#, &robot("pw")).expect("an edited document");
        let entry = r#"{"username":"robot","password":"pw","auth":"cm9ib3Q6cHc="}"#;
        assert_eq!(
            String::from_utf8_lossy(&edited.bytes),
            format!(r#"{{"auths":{{"quay.io":{entry}}}}}"#)
        );
        let reason = |document: &[u8], username| {
            let credential = Credential {
                username,
                ..robot("pw")
            };
            let error = with_credential(&config(), document, &credential).err();
            error.map(|finding| finding.reason)
        };
        let robot = || "robot".to_owned();
        assert_eq!(reason(b"none", robot()), Some(Reason::DocumentUnreadable));
        assert_eq!(
            reason(br#"{"auths":{"quay.io":{},"quay.io":{}}}"#, robot()),
            Some(Reason::DocumentAmbiguous)
        );
        assert_eq!(
            reason(b"{}", "a:b".to_owned()),
            Some(Reason::InvalidConfiguration)
        );
    }
}
