//! Why clients can't use an entry, in words.

use std::borrow::Cow;

use super::auth_field;
use super::go_json;
use super::kubelet::{self, EntryProblem};

/// Why the kubelet finds no usable credential in an entry; continues "the entry …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryDefect {
    /// The kubelet rejects the whole document.
    #[error("{0}")]
    Rejected(EntryProblem),
    /// Clients split user name and password at the first colon.
    #[error("has a colon in its user name, where clients end the user name")]
    ColonInUsername,
    /// `echo` adds one before base64, for example.
    #[error("has a line end in its {0}")]
    LineEnd(&'static str),
    /// An OAuth2 refresh token, which the kubelet doesn't read.
    #[error("has only an identitytoken, which the kubelet does not read")]
    IdentityToken,
    /// A bearer token, which the kubelet doesn't read.
    #[error("has only a registrytoken, which the kubelet does not read")]
    RegistryToken,
    /// No `auth`, which is all that containers/image reads; the kubelet takes the other members.
    #[error("has no auth, which is all that skopeo and buildah read")]
    NoAuth,
    /// An `auth` that the kubelet decodes and containers/image doesn't.
    #[error("has an auth without its base64 padding")]
    Unpadded,
    /// Neither user name nor password.
    #[error("is empty")]
    Empty,
    /// One of both is missing.
    #[error("has no {0}")]
    Without(&'static str),
}

/// The string member `name`, if it isn't empty.
fn member(value: &str, name: &str) -> Option<String> {
    let found = go_json::members(value, 0)?.find(|member| member.name == name)?;
    let text = go_json::string(found.value).filter(|text| !text.is_empty());
    text.map(Cow::into_owned)
}

/// Why the kubelet can't use the entry with this JSON `value`.
pub(super) fn of_entry(value: &str) -> Option<EntryDefect> {
    let read = kubelet::read_entry(value);
    let (username, auth) = (member(value, "username"), member(value, "auth"));
    if let Some(whole) = username.filter(|username| username.contains(':')) {
        // Otherwise clients take user name and password of `auth`.
        let is_used = match (&auth, &read) {
            (None, _) | (Some(_), Err(_)) => true,
            (Some(_), Ok((user, password))) => format!("{user}:{password}").starts_with(&whole),
        };
        if is_used {
            return Some(EntryDefect::ColonInUsername);
        }
    }
    let (username, password) = match read {
        Ok(read) => read,
        Err(problem) => return Some(EntryDefect::Rejected(problem)),
    };
    match (username.as_str(), password.as_str()) {
        // Azure's registry has a user name of zeros then.
        (_, "") if member(value, "identitytoken").is_some() => Some(EntryDefect::IdentityToken),
        (_, "") if member(value, "registrytoken").is_some() => Some(EntryDefect::RegistryToken),
        ("", "") => Some(EntryDefect::Empty),
        ("", _) => Some(EntryDefect::Without("user name")),
        (_, "") => Some(EntryDefect::Without("password")),
        // Names of OpenShift's users, as `oc whoami` prints them.
        ("system", password) if password.starts_with("serviceaccount:") => Some(EntryDefect::ColonInUsername),
        ("kube", password) if password.starts_with("admin:") => Some(EntryDefect::ColonInUsername),
        (username, _) if username.contains(['\r', '\n']) => Some(EntryDefect::LineEnd("user name")),
        // A Google key file is JSON of many lines.
        (_, password) if password.ends_with(['\r', '\n']) && !password.starts_with('{') => {
            Some(EntryDefect::LineEnd("password"))
        }
        _ => None,
    }
}

/// Why the entry with this JSON `value` is not read by every client, although the kubelet finds a credential in it.
pub(super) fn for_some_clients(value: &str) -> Option<EntryDefect> {
    let Some(auth) = member(value, "auth") else {
        return Some(EntryDefect::NoAuth);
    };
    let decoded = auth_field::decode_as_containers_image(&auth);
    decoded.is_err().then_some(EntryDefect::Unpadded)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;
    use crate::dockerconfig::NotBase64;

    fn auth(pair: &str) -> String {
        format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(pair))
    }

    #[test]
    fn v6_each_cause_of_a_malformed_entry_has_its_words() {
        let rejected = |cause| Some(EntryDefect::Rejected(EntryProblem::AuthNotBase64(cause)));
        for (value, defect, words) in [
            (auth("u:p"), None, ""),
            // Which the kubelet accepts.
            (r#"{"auth":"dTpwYQ"}"#.to_owned(), None, ""),
            (r#"{"auth":"dTpw\nYQ==\n"}"#.to_owned(), None, ""),
            (r#"{"username":"u","password":"p"}"#.to_owned(), None, ""),
            (
                r#"{"auth":"dTpw YQ=="}"#.to_owned(),
                rejected(NotBase64::Blank),
                "has an auth that contains a blank",
            ),
            (
                r#"{"auth":"u:p"}"#.to_owned(),
                rejected(NotBase64::PlainText),
                "has an auth that is plain text, not base64",
            ),
            (
                r#"{"auth":"dTpwYQ="}"#.to_owned(),
                rejected(NotBase64::Padding),
                "has an auth that has wrong base64 padding",
            ),
            (
                auth("token"),
                Some(EntryDefect::Rejected(EntryProblem::AuthWithoutColon)),
                "has an auth without a colon between user and password",
            ),
            (
                r#"{"auth":["dTpw"]}"#.to_owned(),
                Some(EntryDefect::Rejected(EntryProblem::NotAString("auth"))),
                "has a member auth that is not a string",
            ),
            (
                r#"{"auth":"MDAwOg==","identitytoken":"t"}"#.to_owned(),
                Some(EntryDefect::IdentityToken),
                "has only an identitytoken, which the kubelet does not read",
            ),
            (
                r#"{"identitytoken":"t"}"#.to_owned(),
                Some(EntryDefect::IdentityToken),
                "has only an identitytoken, which the kubelet does not read",
            ),
            (
                r#"{"registrytoken":"t"}"#.to_owned(),
                Some(EntryDefect::RegistryToken),
                "has only a registrytoken, which the kubelet does not read",
            ),
            ("{}".to_owned(), Some(EntryDefect::Empty), "is empty"),
            ("null".to_owned(), Some(EntryDefect::Empty), "is empty"),
            (
                r#"{"username":"","password":"","auth":""}"#.to_owned(),
                Some(EntryDefect::Empty),
                "is empty",
            ),
            (auth(":"), Some(EntryDefect::Empty), "is empty"),
            (
                auth("u:"),
                Some(EntryDefect::Without("password")),
                "has no password",
            ),
            (
                auth(":p"),
                Some(EntryDefect::Without("user name")),
                "has no user name",
            ),
            (
                r#"{"username":"u"}"#.to_owned(),
                Some(EntryDefect::Without("password")),
                "has no password",
            ),
            (
                auth("u:p\n"),
                Some(EntryDefect::LineEnd("password")),
                "has a line end in its password",
            ),
            (
                r#"{"username":"u","password":"p\r\n"}"#.to_owned(),
                Some(EntryDefect::LineEnd("password")),
                "has a line end in its password",
            ),
            (
                auth("u\n:p"),
                Some(EntryDefect::LineEnd("user name")),
                "has a line end in its user name",
            ),
            (auth("_json_key:{\n\"type\":\"service_account\"\n}\n"), None, ""),
        ] {
            let found = of_entry(&value);
            assert_eq!(found, defect, "{value}");
            let shown = found.map(|defect| defect.to_string()).unwrap_or_default();
            assert_eq!(shown, words, "{value}");
        }
    }

    #[test]
    fn v4_colon_in_a_user_name_is_found_where_clients_use_the_name() {
        let entry = |username: &str, auth: &str| {
            format!(r#"{{"username":"{username}","password":"p","auth":"{auth}"}}"#)
        };
        for (value, is_found) in [
            (entry("kube:admin", &STANDARD.encode("kube:admin:p")), true),
            (entry("kube:admin", ""), true),
            (
                entry("system:serviceaccount:a:b", "base64(username:password)"),
                true,
            ),
            (entry("a:b", "!"), true),
            (auth("kube:admin:p"), true),
            (auth("system:serviceaccount:a:b:p"), true),
            // Clients read `auth`, which has another user name.
            (entry("a:b", &STANDARD.encode("robot:p")), false),
            (auth("robot:p:q"), false),
            (entry("robot", ""), false),
        ] {
            let found = of_entry(&value) == Some(EntryDefect::ColonInUsername);
            assert_eq!(found, is_found, "{value}");
        }
    }
}
