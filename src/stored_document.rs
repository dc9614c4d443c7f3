//! The document of the stored Secret, as far as the run's registries are concerned.

use crate::{
    clip::clip_name,
    config::Config,
    credential::Credential,
    docker_config::{Document, DocumentError, EditedDocument, Entry, KubeletRefusal, foreign_broken_entry},
    finding::Finding,
    reason::Reason,
    registry_host::RegistryHost,
    secret::{SECRET_TYPE, StoredSecret},
    token::Token,
};

/// The stored document, where this program may touch it at all.
///
/// # Errors
/// `wrong-type`, `document-unreadable`, `document-ambiguous`.
pub fn open<'a>(config: &Config, secret: &'a StoredSecret) -> Result<Document<'a>, Finding> {
    let name = clip_name(config.name.as_str(), 80);
    if secret.secret_type != SECRET_TYPE {
        let found = clip_name(&secret.secret_type, 60);
        return Err(Finding::new(
            Reason::WrongType,
            format!("Secret {name} has the type {found}, not {SECRET_TYPE}, and a type cannot be changed"),
        ));
    }
    let keys: Vec<String> = config.registries.iter().map(|registry| registry.key()).collect();
    let document = Document::parse(secret.document()).and_then(|document| {
        document.check_keys(keys.iter().map(String::as_str))?;
        Ok(document)
    });
    document.map_err(|error| document_finding(config, &error))
}

/// `document-unreadable` or `document-ambiguous`; the document was left as it is.
pub fn document_finding(config: &Config, error: &DocumentError) -> Finding {
    let name = clip_name(config.name.as_str(), 60);
    match error {
        DocumentError::Unreadable(unreadable) => Finding::new(
            Reason::DocumentUnreadable,
            format!("the document of Secret {name} {unreadable}; it was left as it is"),
        ),
        DocumentError::Ambiguous(ambiguity) => Finding::new(
            Reason::DocumentAmbiguous,
            format!(
                "clients read the document of Secret {name} differently: the member {} collides with {}",
                clip_name(ambiguity.name.as_str(), 60),
                clip_name(ambiguity.collides_with.as_str(), 60)
            ),
        )
        .about(ambiguity.name.as_str()),
    }
}

/// The document with this credential for every registry of the run.
///
/// # Errors
/// As [`open`].
pub fn with_credential(
    config: &Config,
    document: &[u8],
    credential: &Credential,
) -> Result<EditedDocument, Finding> {
    let entry = Entry::new(&credential.username, credential.token.secret().clone())
        .map_err(|error| Finding::new(Reason::InvalidConfiguration, error.to_string()))?;
    let keys: Vec<String> = config.registries.iter().map(RegistryHost::key).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), &entry)).collect();
    Document::parse(document)
        .and_then(|document| document.with_entries(&entries))
        .map_err(|error| document_finding(config, &error))
}

/// An entry of somebody else's that makes the kubelet reject the whole document.
pub fn foreign_entry_broken(config: &Config, document: &[u8]) -> Option<Finding> {
    let keys: Vec<String> = config.registries.iter().map(|registry| registry.key()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let refusal = foreign_broken_entry(document, &keys)?;
    let name = clip_name(config.name.as_str(), 80);
    let spoils = "so that the kubelet rejects the whole document";
    Some(match refusal {
        KubeletRefusal::Entry { key, problem } => Finding::new(
            Reason::ForeignEntryBroken,
            format!(
                "in Secret {name} the entry {} {problem}, {spoils}",
                clip_name(key.as_str(), 80)
            ),
        )
        .about(key.to_string()),
        KubeletRefusal::HttpHeaders => Finding::new(
            Reason::ForeignEntryBroken,
            format!("in Secret {name} HttpHeaders is not an object of strings, {spoils}"),
        )
        .about("HttpHeaders"),
        KubeletRefusal::Document | KubeletRefusal::Auths => Finding::new(
            Reason::ForeignEntryBroken,
            format!("the document of Secret {name} is not one that the kubelet reads"),
        ),
    })
}

/// Entries of this program for registries that are not named any more: they stay, and nobody refreshes them.
pub fn forgotten_entries(config: &Config, secret: &StoredSecret, credential: &Credential) -> Vec<String> {
    let Ok(document) = Document::parse(secret.document()) else {
        return Vec::new();
    };
    let keys: Vec<String> = config.registries.iter().map(RegistryHost::key).collect();
    let is_ours = |token: &Token| {
        let claims = token.claims().and_then(|claims| claims.kubernetes.as_ref());
        *token == credential.token
            || claims
                .and_then(|claims| claims.secret.as_ref())
                .is_some_and(|bound| bound.uid == secret.version.uid)
    };
    document
        .keys()
        .filter(|key| !keys.iter().any(|ours| ours == key))
        .filter(|key| document.entry(key).is_some_and(|entry| is_ours(&Credential::stored_in(&entry).token)))
        .map(|key| {
            format!(
                "The entry for {} is not in PULL_SECRET_REGISTRY any more: it stays, and nobody will refresh it.",
                clip_name(key, 120)
            )
        })
        .collect()
}
