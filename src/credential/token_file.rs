//! Content of `PULL_SECRET_TOKEN_FILE`, and detection of common mistakes.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{Token, embedded};

/// User names of Google's registries for a key file, and for base64 of one.
const GOOGLE_KEY: &str = "_json_key";
const GOOGLE_KEY_BASE64: &str = "_json_key_base64";

/// Members of an entry of a Docker configuration that contain a credential.
const ENTRY_MEMBERS: [&str; 5] = ["auth", "username", "password", "identitytoken", "registrytoken"];

/// Error of a token file's content. Messages never contain the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Empty, or only a line break.
    #[error("the token is empty")]
    Empty,
    /// Not UTF-8.
    #[error(
        "the token is not UTF-8 text; write only the token, as the registry or `oc create token` printed it"
    )]
    NotUtf8,
    /// A control character, such as a second line break, to which OpenShift's registry responds with 400; a leading or
    /// trailing blank, or a byte order mark.
    #[error(
        "the token has a control character, a leading or trailing blank or a byte order mark; write only the token"
    )]
    ControlCharacter,
    /// A Docker configuration, a `.dockercfg`, or one entry of them.
    #[error("it contains a Docker configuration, not a token; write only the password of its entry")]
    DockerConfig,
    /// Base64 of a Docker configuration.
    #[error(
        "it contains base64 of a Docker configuration, not a token; write only the password of its entry"
    )]
    EncodedDockerConfig,
    /// A Google key file, which needs another user name.
    #[error("it contains a Google key file; set PULL_SECRET_USERNAME to _json_key")]
    GoogleKey,
    /// Base64 of a Google key file, which needs another user name.
    #[error("it contains base64 of a Google key file; set PULL_SECRET_USERNAME to _json_key_base64")]
    EncodedGoogleKey,
    /// JSON of another kind.
    #[error("it contains JSON, not a token; write only the token")]
    Json,
    /// Base64 of a Kubernetes token, copied from the YAML of a Secret.
    #[error("it contains base64 of a Kubernetes token; decode it (base64 -d) and write only the token")]
    EncodedKubernetesToken,
    /// Base64 of `user:password`, copied from `auth`.
    #[error(
        "it contains base64 of user name and password; decode it (base64 -d) and write only the password"
    )]
    EncodedPair,
}

/// Kind of a JSON text.
enum Json {
    GoogleKey,
    DockerConfig,
    Other,
}

impl Token {
    /// Parses the content of a token file, such as the mounted one; one trailing line break is removed.
    ///
    /// # Errors
    /// The content is empty, not UTF-8, or has a control character.
    pub fn from_file_content(content: &[u8]) -> Result<Self, TokenError> {
        let text = without_line_break(content)?;
        if text.contains(char::is_control) || text.trim() != text || text.contains('\u{feff}') {
            return Err(TokenError::ControlCharacter);
        }
        Ok(Self::new(SecretString::from(text)))
    }

    /// Parses the content of `PULL_SECRET_TOKEN_FILE`, which is stored with this user name. A Google key file, or base64
    /// of it, is accepted with the user name for it.
    ///
    /// # Errors
    /// Those of [`Token::from_file_content`], and content that is certainly not a token.
    pub fn from_token_file(content: &[u8], username: &str) -> Result<Self, TokenError> {
        let text = without_line_break(content)?;
        let encoded = embedded::decode(text).and_then(|decoded| String::from_utf8(decoded).ok());
        let encoded = encoded.as_deref().map(str::trim);
        match (json(text), encoded.and_then(json)) {
            (Some(Json::GoogleKey), _) if username == GOOGLE_KEY => {
                return Ok(Self::new(SecretString::from(text)));
            }
            (_, Some(Json::GoogleKey)) if username == GOOGLE_KEY_BASE64 => {
                return Ok(Self::new(SecretString::from(text)));
            }
            (Some(Json::GoogleKey), _) => return Err(TokenError::GoogleKey),
            (Some(Json::DockerConfig), _) => return Err(TokenError::DockerConfig),
            (Some(Json::Other), _) => return Err(TokenError::Json),
            (None, Some(Json::GoogleKey)) => return Err(TokenError::EncodedGoogleKey),
            (None, Some(Json::DockerConfig)) => return Err(TokenError::EncodedDockerConfig),
            // For example the password of Amazon's registry.
            (None, Some(Json::Other) | None) => {}
        }
        if let Some(encoded) = encoded {
            if embedded::kind_in(encoded).is_kubernetes() {
                return Err(TokenError::EncodedKubernetesToken);
            }
            if encoded
                .strip_prefix(username)
                .is_some_and(|rest| rest.starts_with(':'))
            {
                return Err(TokenError::EncodedPair);
            }
        }
        Self::from_file_content(content)
    }
}

fn without_line_break(content: &[u8]) -> Result<&str, TokenError> {
    let text = std::str::from_utf8(content).map_err(|_| TokenError::NotUtf8)?;
    let text = text
        .strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(TokenError::Empty);
    }
    Ok(text)
}

/// Kind of a JSON text; none for numbers and words, which may be passwords.
fn json(text: &str) -> Option<Json> {
    match serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()? {
        Value::Object(object) if is_google_key(&object) => Some(Json::GoogleKey),
        Value::Object(object) if is_docker_config(&object) => Some(Json::DockerConfig),
        Value::Object(_) | Value::Array(_) | Value::String(_) => Some(Json::Other),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn is_google_key(object: &Map<String, Value>) -> bool {
    object.get("type").and_then(Value::as_str) == Some("service_account")
}

/// True for a Docker configuration, a `.dockercfg` (registries and their entries), or an entry of one.
fn is_docker_config(object: &Map<String, Value>) -> bool {
    let has_member =
        |object: &Map<String, Value>| ENTRY_MEMBERS.iter().any(|member| object.contains_key(*member));
    let is_entry = |value: &Value| value.as_object().is_some_and(has_member);
    object.contains_key("auths") || has_member(object) || object.values().any(is_entry)
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
    };
    use secrecy::ExposeSecret as _;

    use super::*;

    const KEY: &str = "{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN\\n\"\n}";
    const DOCKER_CONFIG: &str = r#"{"auths":{"quay.io":{"auth":"dTpw"}}}"#;

    fn read(content: impl AsRef<[u8]>, username: &str) -> Result<String, TokenError> {
        let token = Token::from_token_file(content.as_ref(), username);
        token.map(|token| token.secret().expose_secret().to_owned())
    }

    fn kubernetes_token() -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.c2ln",
            part(r#"{"alg":"RS256"}"#),
            part(r#"{"kubernetes.io":{}}"#)
        )
    }

    /// Output of `base64`.
    fn wrapped(text: &str) -> String {
        let encoded = STANDARD.encode(text);
        let lines: Vec<_> = encoded
            .as_bytes()
            .chunks(76)
            .map(String::from_utf8_lossy)
            .collect();
        lines.join("\n") + "\n"
    }

    #[test]
    fn token_file_has_one_token_and_an_optional_line_break() {
        for read in [
            |content: &[u8]| read(content, "robot"),
            |content: &[u8]| {
                Token::from_file_content(content).map(|token| token.secret().expose_secret().to_owned())
            },
        ] {
            assert_eq!(read(b"token\n").as_deref(), Ok("token"));
            assert_eq!(read(b"token\r\n").as_deref(), Ok("token"));
            assert_eq!(read(b"token").as_deref(), Ok("token"));
            for content in ["", "\n", "\r\n"] {
                assert_eq!(read(content.as_bytes()), Err(TokenError::Empty));
            }
            for content in [
                "token\n\n",
                "token\r",
                "token\r\r\n",
                "to\0ken",
                "\ttoken",
                " token",
                "token ",
                "\u{feff}token",
            ] {
                assert_eq!(
                    read(content.as_bytes()),
                    Err(TokenError::ControlCharacter),
                    "{content:?}"
                );
            }
            assert_eq!(read(b"token\xff"), Err(TokenError::NotUtf8));
        }
    }

    #[test]
    fn s2_base64_of_a_kubernetes_token_in_a_file_is_rejected() {
        for token in [kubernetes_token(), format!("sha256~{}", "Ab-9".repeat(11))] {
            for text in [token.clone(), format!("{token}\n"), format!("<token>:{token}")] {
                for content in [
                    STANDARD.encode(&text),
                    STANDARD_NO_PAD.encode(&text),
                    URL_SAFE_NO_PAD.encode(&text),
                    wrapped(&text),
                ] {
                    assert_eq!(
                        read(content, "<token>"),
                        Err(TokenError::EncodedKubernetesToken),
                        "{text}"
                    );
                }
            }
            assert_eq!(read(&token, "<token>"), Ok(token));
        }
    }

    #[test]
    fn google_key_is_accepted_only_with_its_user_name() {
        let encoded = STANDARD.encode(KEY);
        assert_eq!(read(format!("{KEY}\n"), "_json_key").as_deref(), Ok(KEY));
        assert_eq!(
            read(&encoded, "_json_key_base64").as_deref(),
            Ok(encoded.as_str())
        );
        let lines = wrapped(KEY);
        assert_eq!(read(&lines, "_json_key_base64").as_deref(), Ok(lines.trim_end()));
        for username in ["robot", "<token>", "_json_key_base64"] {
            assert_eq!(read(KEY, username), Err(TokenError::GoogleKey), "{username}");
        }
        for username in ["robot", "<token>", "_json_key"] {
            assert_eq!(
                read(&encoded, username),
                Err(TokenError::EncodedGoogleKey),
                "{username}"
            );
        }
    }

    #[test]
    fn v8_docker_configuration_and_other_json_are_rejected() {
        for config in [
            DOCKER_CONFIG,
            "{\n\"auths\": {}\n}\n",
            r#"{"quay.io":{"auth":"dTpw"}}"#,
            r#"{"auth":"dTpw"}"#,
            r#"{"username":"u","password":"p"}"#,
        ] {
            assert_eq!(read(config, "robot"), Err(TokenError::DockerConfig), "{config}");
            assert_eq!(
                read(wrapped(config), "robot"),
                Err(TokenError::EncodedDockerConfig),
                "{config}"
            );
        }
        for other in [
            "{}",
            "[]",
            r#"{"type":"authorized_user"}"#,
            "\"quoted\"",
            "{\n\"a\":5}\n",
        ] {
            assert_eq!(read(other, "_json_key"), Err(TokenError::Json), "{other}");
        }
    }

    #[test]
    fn base64_of_a_login_is_rejected_only_for_this_user_name() {
        for content in [STANDARD.encode("team+robot:pass"), wrapped("team+robot:pass\n")] {
            assert_eq!(read(content, "team+robot"), Err(TokenError::EncodedPair));
        }
        let others = STANDARD.encode("other:pass");
        assert_eq!(read(&others, "team+robot"), Ok(others));
    }

    #[test]
    fn unusual_passwords_are_accepted() {
        let amazons = STANDARD.encode(r#"{"payload":"x","version":"2","type":"DATA_KEY"}"#);
        for password in [
            "12345678",
            "true",
            "null",
            "{",
            "a b",
            "{a}",
            "Zm9v",
            "abcd",
            amazons.as_str(),
        ] {
            assert_eq!(read(password, "robot").as_deref(), Ok(password));
        }
    }
}
