//! Secrets of a document, which must not be printed.

use secrecy::SecretString;

use super::auth_field;
use super::document::AUTHS;
use super::go_json::{self, Member, fold};

/// User names and secrets of every entry, under `auths` or at the top: `password`, what `auth` decodes to (else `auth`
/// itself), `identitytoken` and `registrytoken`. Empty if the document can't be parsed.
pub fn stored_secrets(document: &[u8]) -> Vec<(String, SecretString)> {
    let Ok(source) = std::str::from_utf8(document) else {
        return Vec::new();
    };
    let mut secrets = Vec::new();
    for member in go_json::document_members(source).unwrap_or_default() {
        if fold(&member.name) == AUTHS {
            for entry in go_json::members(member.value, 0).unwrap_or_default() {
                add(&mut secrets, &entry);
            }
        } else {
            add(&mut secrets, &member);
        }
    }
    secrets
}

fn add(secrets: &mut Vec<(String, SecretString)>, entry: &Member<'_>) {
    let members: Vec<(String, String)> = go_json::members(entry.value, 0)
        .unwrap_or_default()
        .filter(|member| {
            matches!(
                &*fold(&member.name),
                "username" | "password" | "auth" | "identitytoken" | "registrytoken"
            )
        })
        .filter_map(|member| {
            let value = go_json::string(member.value)?.into_owned();
            Some((fold(&member.name).into_owned(), value))
        })
        .collect();
    let username = members
        .iter()
        .find(|(name, _)| name == "username")
        .map_or("", |(_, username)| username);
    for (name, value) in &members {
        let (username, secret) = match name.as_str() {
            "password" => (username.to_owned(), value.clone()),
            "auth" => auth_field::decode_as_kubelet(value).unwrap_or_else(|_| (String::new(), value.clone())),
            "identitytoken" | "registrytoken" => (String::new(), value.clone()),
            _ => continue,
        };
        if !secret.is_empty() {
            secrets.push((username, SecretString::from(secret)));
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn secrets_of_all_entries_are_collected() {
        let found = |document: &str| {
            let secrets = stored_secrets(document.as_bytes());
            let text =
                |(username, secret): (String, SecretString)| format!("{username} {}", secret.expose_secret());
            secrets.into_iter().map(text).collect::<Vec<_>>()
        };
        // `u:pa`.
        for (document, expected) in [
            (r#"{"auths":{"a":{"auth":"dTpwYQ=="}}}"#, vec!["u pa"]),
            (r#"{"auths":{"a":{"auth":"dTpwYQ"}}}"#, vec!["u pa"]),
            (r#"{"auths":{"a":{"Auth":"plain"}}}"#, vec![" plain"]),
            (
                r#"{"auths":{"a":{"username":"u","password":"p","auth":"dTpwYQ=="}},"AUTHS":{"b":{"password":"q"}}}"#,
                vec!["u p", "u pa", " q"],
            ),
            (
                r#"{"a.test":{"identitytoken":"i","registrytoken":"r","email":"e"}}"#,
                vec![" i", " r"],
            ),
            (
                r#"{"auths":{"a":5,"b":{"password":""},"c":{"password":5}},"credsStore":"x"}"#,
                vec![],
            ),
            ("[]", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(found(document), expected, "{document}");
        }
        assert!(stored_secrets(b"\xff").is_empty());
    }
}
