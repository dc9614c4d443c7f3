//! Entries that earlier runs wrote for registries that are no longer configured.

use std::borrow::Cow;

use k8s_openapi::jiff::Timestamp;

use super::{Document, containers_image_reads_for, hash::Set};
use crate::{config::Config, image::RegistryHost};

/// Most entries that a run removes: for each, the document is read anew.
const MAX_REMOVED: usize = 64;

/// The document without expired tokens that were requested for the Secret `uid` and that containers/image would choose for
/// a configured image. All other bytes stay.
pub fn without_expired_leftovers(config: &Config, document: Vec<u8>, uid: &str, now: Timestamp) -> Vec<u8> {
    let mut bytes = document;
    // Behind one, containers/image may choose the next one. The next run removes what is left.
    for _ in 0..MAX_REMOVED {
        match without_first(config, &bytes, uid, now) {
            Some(shorter) => bytes = shorter,
            None => break,
        }
    }
    bytes
}

/// Keys of `before` that [`without_expired_leftovers`] removed.
pub fn removed_keys(before: &[u8], after: &[u8]) -> Vec<String> {
    let (Ok(before), Ok(after)) = (Document::parse(before), Document::parse(after)) else {
        return Vec::new();
    };
    if before.keys().count() <= after.keys().count() {
        return Vec::new();
    }
    let kept: Set<Cow<'_, str>> = after.keys().collect();
    let removed = before.keys().filter(|key| !kept.contains(key));
    removed.map(Cow::into_owned).collect()
}

fn without_first(config: &Config, bytes: &[u8], uid: &str, now: Timestamp) -> Option<Vec<u8>> {
    let images: Vec<_> = config.images.iter().collect();
    let file = containers_image_reads_for(bytes, &images).ok()?;
    let document = Document::parse(bytes).ok()?;
    let managed: Vec<String> = config.registries.iter().map(RegistryHost::key).collect();
    let is_leftover = |key: &&str| {
        let credential = document.entry(key).map(|entry| entry.credential());
        !managed.iter().any(|managed| managed == key)
            && credential.is_some_and(|credential| {
                let claims = credential.token.claims();
                let bound = claims.and_then(|claims| claims.kubernetes.as_ref());
                bound.and_then(|bound| bound.secret_uid.as_deref()) == Some(uid) && credential.is_expired(now)
            })
    };
    let mut chosen = config.images.iter().filter_map(|image| file.chosen_key(image));
    document.without(chosen.find(is_leftover)?)
}

impl Document<'_> {
    /// Bytes without the entry `key` and one comma.
    fn without(&self, key: &str) -> Option<Vec<u8>> {
        let mut entries = self.entries();
        let mut before = None;
        let entry = entries.find(|entry| {
            let is_found = entry.name == key;
            if !is_found {
                before = Some(entry.end);
            }
            is_found
        })?;
        let next = entries.next();
        let range = match (before, next) {
            (Some(before), _) => before..entry.end,
            (None, Some(next)) => entry.start..next.start,
            (None, None) => entry.start..entry.end,
        };
        let rest = self.source.get(range.end..)?;
        Some([self.source.get(..range.start)?, rest].concat().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    fn config() -> Config {
        let variables = [
            ("PULL_SECRET_NAME", "pull"),
            ("PULL_SECRET_REGISTRY", "quay.io"),
            ("PULL_SECRET_IMAGE", "quay.io/team/app:1,quay.io/other/app:1"),
            ("PULL_SECRET_TOKEN_FILE", "/robot/token"),
        ];
        Config::from_env(variables.map(|(name, value)| (name.into(), value.into()))).expect("a configuration")
    }

    /// An entry with a token for the Secret `uid` that expires at this second.
    fn entry(key: &str, uid: &str, expires_at: i64) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({
            "exp": expires_at,
            "kubernetes.io": {"namespace": "demo", "secret": {"name": "pull", "uid": uid}},
        });
        let token = format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(claims));
        format!(
            r#""{key}" : {{"auth":"{}"}}"#,
            STANDARD.encode(format!("<token>:{token}"))
        )
    }

    fn left(entries: &[String]) -> String {
        let document = format!("{{\"auths\": {{ {} }},\"x\":1e400}}", entries.join(" ,\n"));
        let now = Timestamp::from_second(1_000).expect("a time");
        let bytes = without_expired_leftovers(&config(), document.into_bytes(), "ours", now);
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn s16_expired_token_that_containers_image_would_choose_is_removed() {
        let managed = entry("quay.io", "ours", 5_000);
        let whole = |entries: &[&String]| {
            let entries: Vec<&str> = entries.iter().map(|entry| entry.as_str()).collect();
            format!("{{\"auths\": {{ {} }},\"x\":1e400}}", entries.join(" ,\n"))
        };
        for key in ["quay.io/team", "quay.io/team/app"] {
            let leftover = entry(key, "ours", 900);
            for entries in [
                vec![managed.clone(), leftover.clone()],
                vec![leftover.clone(), managed.clone()],
                vec![
                    leftover.clone(),
                    entry("quay.io/other", "ours", 1_000),
                    managed.clone(),
                ],
            ] {
                assert_eq!(left(&entries), whole(&[&managed]), "{key}");
            }
        }
        // One behind the other.
        let both = [
            entry("quay.io/team/app", "ours", 900),
            managed.clone(),
            entry("quay.io/team", "ours", 900),
        ];
        assert_eq!(left(&both), whole(&[&managed]));
        assert_eq!(
            left(&[entry("quay.io/team", "ours", 900)]),
            "{\"auths\": {  },\"x\":1e400}"
        );
    }

    #[test]
    fn s16_other_entries_stay() {
        let managed = entry("quay.io", "ours", 5_000);
        for other in [
            // Still valid.
            entry("quay.io/team", "ours", 1_001),
            // Of another Secret.
            entry("quay.io/team", "another", 900),
            // Which no client takes for a configured image.
            entry("quay.io/third", "ours", 900),
            entry("ghcr.io", "ours", 900),
            // Which the kubelet alone takes.
            entry("quay.io/team/", "ours", 900),
            r#""quay.io/team":{"auth":"dTpw"}"#.to_owned(),
            r#""quay.io/team":{}"#.to_owned(),
        ] {
            let entries = [managed.clone(), other.clone()];
            assert!(left(&entries).contains(&other), "{other}");
        }
        // The managed entry is refreshed, not removed.
        let expired = [entry("quay.io", "ours", 900)];
        assert!(left(&expired).contains(&expired[0]));
    }
}
