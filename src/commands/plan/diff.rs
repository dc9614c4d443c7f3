//! What would change of the Secret, line by line, without anything secret.

use std::collections::BTreeMap;

use crate::{
    commands::stored_value,
    config::Config,
    credential::{Credential, KnownSecrets, rfc3339},
    decide::CredentialSource,
    dockerconfig::{Auths, Document, removed_keys},
    image::RegistryHost,
    kubernetes::{
        secret::{AppliedFields, DOCUMENT_KEY, StoredSecret},
        secret_fields,
    },
    outcome::{Change, Diff},
    text::{SafeName, clip_name, one_line},
};

/// Longest value that is shown, in characters.
const VALUE: usize = 80;

/// Labels, annotations and keys alone.
pub fn of_metadata(
    target: (&Config, &str, &KnownSecrets),
    stored: &StoredSecret,
    fields: &AppliedFields,
) -> Diff {
    let (config, namespace, secrets) = target;
    let mut diff = head(config, namespace, Change::Keep);
    labels_and_annotations(&mut diff, Some(stored), fields, false, secrets);
    data(&mut diff, Some(stored), fields, secrets);
    let after = fields.data.get(DOCUMENT_KEY).map_or(&[][..], Vec::as_slice);
    if !removed_keys(stored.document(), after).is_empty() {
        diff.line(Change::Keep, format!("  data {DOCUMENT_KEY}"));
        diff.line(Change::Keep, "    auths:");
        removed(&mut diff, stored.document(), after);
    }
    diff
}

/// Entries that are removed.
fn removed(diff: &mut Diff, before: &[u8], after: &[u8]) {
    for key in removed_keys(before, after) {
        let shown = SafeName::new(&key);
        diff.line(
            Change::Remove,
            format!("      {shown}: expired token, which skopeo and buildah would choose"),
        );
    }
}

/// A new credential with all that belongs to it.
pub fn of_renewal(
    target: (&Config, &str, &KnownSecrets),
    source: &CredentialSource,
    stored: Option<&StoredSecret>,
    fields: &AppliedFields,
) -> Diff {
    let (config, namespace, secrets) = target;
    let whole = if stored.is_some() {
        Change::Keep
    } else {
        Change::Add
    };
    let mut diff = head(config, namespace, whole);
    let is_requested = matches!(source, CredentialSource::TokenRequest { .. });
    labels_and_annotations(&mut diff, stored, fields, is_requested, secrets);
    data(&mut diff, stored, fields, secrets);
    document(&mut diff, config, source, stored, fields);
    diff
}

fn head(config: &Config, namespace: &str, change: Change) -> Diff {
    let mut diff = Diff::default();
    let namespace = clip_name(namespace, VALUE);
    let name = clip_name(config.name.as_str(), VALUE);
    diff.line(change, format!("Secret {namespace}/{name}"));
    diff
}

fn labels_and_annotations(
    diff: &mut Diff,
    stored: Option<&StoredSecret>,
    fields: &AppliedFields,
    is_requested: bool,
    secrets: &KnownSecrets,
) {
    let foreign = |old: &String| stored_value::shown(old.as_bytes(), secrets);
    let nothing = BTreeMap::new();
    let (labels, annotations) = stored.map_or((&nothing, &nothing), |stored| {
        (&stored.labels, &stored.annotations)
    });
    section(diff, "labels", |diff| {
        for (name, value) in &fields.labels {
            diff.value(name, labels.get(name).map(foreign), Some(one_line(value)));
        }
        left_out(diff, labels.keys(), &fields.labels);
    });
    section(diff, "annotations", |diff| {
        for (name, value) in &fields.annotations {
            let old = annotations.get(name);
            match secret_fields::known_after_request(name).filter(|_| is_requested) {
                // Whatever is expected, another value comes.
                Some(words) => diff.value(name, old.map(foreign), Some(words.to_owned())),
                None if old == Some(value) => {}
                None => diff.value(name, old.map(foreign), Some(one_line(value))),
            }
        }
        left_out(diff, annotations.keys(), &fields.annotations);
    });
}

fn data(diff: &mut Diff, stored: Option<&StoredSecret>, fields: &AppliedFields, secrets: &KnownSecrets) {
    section(diff, "data", |diff| {
        for (key, value) in fields.data.iter().filter(|(key, _)| *key != DOCUMENT_KEY) {
            let old = stored.and_then(|stored| stored.data.get(key));
            let old = old.map(|old| stored_value::shown(old, secrets));
            diff.value(key, old, Some(one_line(&String::from_utf8_lossy(value))));
        }
        left_out(
            diff,
            stored.iter().flat_map(|stored| stored.data.keys()),
            &fields.data,
        );
    });
}

/// What was written before and is left out now.
fn left_out<'k, V>(diff: &mut Diff, there: impl Iterator<Item = &'k String>, fields: &BTreeMap<String, V>) {
    for name in there {
        if secret_fields::OPTIONAL_FIELDS.contains(&name.as_str()) && !fields.contains_key(name) {
            diff.line(
                Change::Remove,
                format!("    {name} (kept where another field manager owns it)"),
            );
        }
    }
}

/// Most unmanaged entries that have a line of their own.
const MAX_UNMANAGED: usize = 256;

/// The entries, each by what it is.
fn document(
    diff: &mut Diff,
    config: &Config,
    source: &CredentialSource,
    stored: Option<&StoredSecret>,
    fields: &AppliedFields,
) {
    let bytes = fields.data.get(DOCUMENT_KEY).map_or(&[][..], Vec::as_slice);
    let Ok(then) = Document::parse(bytes) else {
        return;
    };
    let now = stored.and_then(|stored| Document::parse(stored.document()).ok());
    let wrapped = now.as_ref().is_none_or(|now| now.auths() == Auths::Present);
    diff.line(Change::Keep, format!("  data {DOCUMENT_KEY}"));
    if wrapped {
        diff.line(Change::Keep, "    auths:");
    } else {
        diff.line(
            Change::Remove,
            "    (no auths object: no client finds a credential)",
        );
        diff.line(Change::Add, "    auths:");
    }
    let ours: Vec<String> = config.registries.iter().map(RegistryHost::key).collect();
    let unmanaged = if wrapped { Change::Keep } else { Change::Add };
    let mut left = MAX_UNMANAGED;
    let mut others = 0_usize;
    for key in then.keys() {
        let shown = SafeName::new(&key);
        if !ours.iter().any(|ours| *ours == key) {
            match left.checked_sub(1) {
                Some(less) => {
                    left = less;
                    diff.line(unmanaged, format!("      {shown}: unchanged"));
                }
                None => others = others.saturating_add(1),
            }
            continue;
        }
        let old = now.as_ref().and_then(|now| Some(now.entry(&key)?.credential()));
        if let Some(old) = old {
            diff.line(Change::Remove, format!("      {shown}: {}", described(&old)));
        }
        diff.line(Change::Add, format!("      {shown}: {}", coming(config, source)));
    }
    if others > 0 {
        diff.line(unmanaged, format!("      {others} other entries: unchanged"));
    }
    removed(diff, stored.map_or(&[][..], StoredSecret::document), bytes);
}

/// A stored credential, without its secret parts.
fn described(credential: &Credential) -> String {
    let summary = credential.summary();
    let whose = match summary.service_account {
        Some(account) => format!("token of {}", clip_name(&account, VALUE)),
        None => "password".to_owned(),
    };
    match summary.expires_at {
        Some(expires_at) => format!("{whose} that expires at {}", rfc3339(expires_at)),
        None => whose,
    }
}

/// The credential to come.
fn coming(config: &Config, source: &CredentialSource) -> String {
    match source {
        CredentialSource::TokenRequest { service_account, .. } => format!(
            "new token of {} for {}, bound to this Secret",
            clip_name(&service_account.to_string(), VALUE),
            config.token_lifetime
        ),
        CredentialSource::File(_) if config.token_file.is_none() => "the stored token".to_owned(),
        CredentialSource::File(_) => "the content of PULL_SECRET_TOKEN_FILE".to_owned(),
    }
}

/// Adds a head only where something comes below it.
fn section(diff: &mut Diff, head: &str, fill: impl FnOnce(&mut Diff)) {
    let mut lines = Diff::default();
    fill(&mut lines);
    if !lines.0.is_empty() {
        diff.line(Change::Keep, format!("  {head}"));
        diff.0.append(&mut lines.0);
    }
}

#[cfg(test)]
mod tests;
