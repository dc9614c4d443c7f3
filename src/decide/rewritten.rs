//! Another manager that rewrote the document since the last run (CONTRACT section 1, "Changed by others").

use crate::{
    config::Config,
    credential::KnownSecrets,
    dockerconfig::{Document, Entry},
    kubernetes::{secret::StoredSecret, secret_fields},
    outcome::{Finding, Reason},
    text::{SafeName, clip_name},
};

/// Warning that another manager rewrote the document: own annotations are there, the document belongs to another manager,
/// and no entry holds the credential that the annotations name.
pub fn rewritten(config: &Config, secret: &StoredSecret, secrets: &KnownSecrets) -> Option<Finding> {
    let own = secret_fields::own_annotations(secret)?;
    if secret.is_document_owned() {
        return None;
    }
    let document = Document::parse(secret.document()).ok()?;
    let is_named = |entry: &Entry| match own.credential_id {
        Some(id) => {
            let credential = entry.credential();
            credential.token.claims().and_then(|claims| claims.id.as_deref()) == Some(id)
        }
        None => entry.username() == config.username,
    };
    if document.all_entries().any(|entry| is_named(&entry)) {
        return None;
    }
    let by = secret.rewriter().map(SafeName::new);
    let by = by.filter(|by| !secrets.show_in(by.as_str()));
    let by = by.map_or_else(String::new, |by| format!(", {},", clip_name(by.as_str(), 60)));
    let name = clip_name(config.name.as_str(), 60);
    let cause = format!("another manager{by} rewrote .dockerconfigjson of Secret {name} since the last run");
    Some(Finding::new(Reason::Reverted, cause).as_warning())
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::kubernetes::secret::DOCUMENT_KEY;

    const EXPIRES_AT: &str = "ensure-pull-secret/expires-at";
    const CREDENTIAL_ID: &str = "ensure-pull-secret/credential-id";
    /// base64 of `<token>:` and a JWT whose `jti` is `id-1`.
    const JWT: &str = "e30.eyJqdGkiOiJpZC0xIiwia3ViZXJuZXRlcy5pbyI6e319.c2ln";

    fn config() -> Config {
        let variables = [("PULL_SECRET_NAME", "pull"), ("PULL_SECRET_REGISTRY", "quay.io")];
        let more = [
            ("PULL_SECRET_TOKEN_FILE", "/robot/token"),
            ("PULL_SECRET_USERNAME", "team+robot"),
        ];
        let variables = variables.into_iter().chain(more);
        Config::from_env(variables.map(|(name, value)| (name.into(), value.into()))).expect("a configuration")
    }

    fn document(username: &str, password: &str) -> String {
        let entry = Entry::new(username, SecretString::from(password)).expect("an entry");
        let empty = Document::parse(br#"{"auths":{}}"#).expect("a document");
        let edited = empty.with_entries(&[("quay.io", &entry)]);
        String::from_utf8(edited.bytes).expect("text")
    }

    fn secret(document: &str, annotations: &[(&str, &str)], managers: &[&str]) -> StoredSecret {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        StoredSecret {
            data: [(DOCUMENT_KEY.to_owned(), document.as_bytes().to_vec())].into(),
            annotations: annotations.iter().map(owned).collect(),
            document_managers: managers.iter().map(|name| (*name).to_owned()).collect(),
            ..StoredSecret::absent()
        }
    }

    fn found(secret: &StoredSecret) -> Option<String> {
        let secrets = KnownSecrets::default();
        secrets.add("robot", &"a-robots-password".to_owned().into());
        rewritten(&config(), secret, &secrets).map(|finding| {
            assert!(finding.warning);
            assert_eq!(finding.reason, Reason::Reverted);
            finding.cause
        })
    }

    #[test]
    fn o2_a_document_that_another_manager_rewrote_is_found() {
        let (id, expiry) = ((CREDENTIAL_ID, "id-1"), (EXPIRES_AT, ""));
        let (other, robot) = (document("other", "x"), document("team+robot", "x"));
        let token = document("anybody", JWT);
        let sync = &["external-secrets"][..];
        for (document, annotations, managers, is_rewritten) in [
            (&other, &[id][..], sync, true),
            (&robot, &[id], sync, true),
            (&token, &[id], sync, false),
            (&token, &[(CREDENTIAL_ID, "id-2")], sync, true),
            // A credential without an id: the user name counts.
            (&other, &[expiry], sync, true),
            (&robot, &[expiry], sync, false),
            // Without own annotations nothing was written before.
            (&other, &[], sync, false),
            (&other, &[("app", "x")], sync, false),
            // This program's field manager owns it still.
            (&other, &[id], &["ensure-pull-secret"], false),
            (&other, &[id], &["external-secrets", "ensure-pull-secret"], false),
            (&other, &[id], &[], true),
        ] {
            let found = found(&secret(document, annotations, managers));
            assert_eq!(
                found.is_some(),
                is_rewritten,
                "{annotations:?} {managers:?} {found:?}"
            );
        }
        let unreadable = secret("{", &[id], sync);
        assert_eq!(found(&unreadable), None, "it has a finding of its own");
    }

    #[test]
    fn o2_the_manager_is_named_unless_its_name_shows_a_secret() {
        let named = |managers: &[&str], owner: Option<&str>| {
            let secret = secret("{\"auths\":{}}", &[(CREDENTIAL_ID, "id-1")], managers);
            let owner_kind = owner.map(str::to_owned);
            found(&StoredSecret { owner_kind, ..secret }).expect("a finding")
        };
        let of = " rewrote .dockerconfigjson of Secret pull since the last run";
        for (managers, owner, expected) in [
            (
                &["external-secrets"][..],
                None,
                "another manager, external-secrets,",
            ),
            (&["a", "b"], Some("ExternalSecret"), "another manager, a,"),
            (&[], Some("SealedSecret"), "another manager, SealedSecret,"),
            (&[], None, "another manager"),
            (&["a-robots-password"], None, "another manager"),
            (&["x\u{1b}[31m"], None, "another manager, x__31m,"),
        ] {
            assert_eq!(named(managers, owner), format!("{expected}{of}"));
        }
    }
}
