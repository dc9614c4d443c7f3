//! Content of `PULL_SECRET_TOKEN_FILE`, and the mistakes that are made with it.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{Token, embedded};

/// User names by which Google's registries take a key file, and base64 of one.
const GOOGLE_KEY: &str = "_json_key";
const GOOGLE_KEY_BASE64: &str = "_json_key_base64";

/// Members that hold a credential in an entry of a docker config.
const ENTRY_MEMBERS: [&str; 5] = ["auth", "username", "password", "identitytoken", "registrytoken"];

/// Why the content of a token file can't be stored. No message repeats the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing, or nothing but a line end.
    #[error("the token is empty")]
    Empty,
    /// Not UTF-8.
    #[error(
        "the token is not UTF-8 text; write the token alone, as the registry or `oc create token` gave it"
    )]
    NotUtf8,
    /// A control character, such as a second line end: OpenShift's registry answers 400 to it. A blank at an end or a
    /// byte order mark: no registry's token has one.
    #[error(
        "the token has a control character in it, a blank at an end or a byte order mark; write the token alone"
    )]
    ControlCharacter,
    /// A docker config, a `.dockercfg`, or one entry of them.
    #[error("it holds a docker config, not a token; write the password of its entry alone")]
    DockerConfig,
    /// Base64 of a docker config.
    #[error("it holds base64 of a docker config, not a token; write the password of its entry alone")]
    EncodedDockerConfig,
    /// A Google key file, for which another user name is needed.
    #[error("it holds a Google key file; set PULL_SECRET_USERNAME to _json_key")]
    GoogleKey,
    /// Base64 of a Google key file, for which another user name is needed.
    #[error("it holds base64 of a Google key file; set PULL_SECRET_USERNAME to _json_key_base64")]
    EncodedGoogleKey,
    /// JSON of another kind.
    #[error("it holds JSON, not a token; write the token alone")]
    Json,
    /// Base64 of a Kubernetes token, as a Secret's YAML has it.
    #[error("it holds base64 of a Kubernetes token; decode it (base64 -d) and write the token alone")]
    EncodedKubernetesToken,
    /// Base64 of `user:password`, as `auth` has it.
    #[error("it holds base64 of user name and password; decode it (base64 -d) and write the password alone")]
    EncodedPair,
}

/// What a JSON text is, as far as it matters here.
enum Json {
    GoogleKey,
    DockerConfig,
    Other,
}

impl Token {
    /// Reads the content of a token file, such as the mounted one; one trailing line end is dropped.
    ///
    /// # Errors
    /// The content is empty, not UTF-8, or has a control character.
    pub fn from_file_content(content: &[u8]) -> Result<Self, TokenError> {
        let text = without_line_end(content)?;
        if text.contains(char::is_control) || text.trim() != text || text.contains('\u{feff}') {
            return Err(TokenError::ControlCharacter);
        }
        Ok(Self::new(SecretString::from(text)))
    }

    /// Reads the content of `PULL_SECRET_TOKEN_FILE`, which is stored with this user name. A Google key file, or base64
    /// of it, is taken whole where the user name is the one for it.
    ///
    /// # Errors
    /// As [`Token::from_file_content`]; and the content is certainly something else than a token.
    pub fn from_token_file(content: &[u8], username: &str) -> Result<Self, TokenError> {
        let text = without_line_end(content)?;
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
            // Such as the password of Amazon's registry.
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

fn without_line_end(content: &[u8]) -> Result<&str, TokenError> {
    let text = std::str::from_utf8(content).map_err(|_| TokenError::NotUtf8)?;
    let text = text
        .strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(TokenError::Empty);
    }
    Ok(text)
}

/// What JSON the text is. A number or a word may be a password, so they are none.
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

/// Whether it is a docker config, a `.dockercfg` (registries and their entries), or an entry of one.
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

    /// As `base64` prints it.
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
    fn a_token_file_holds_one_token_and_maybe_a_line_end() {
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
    fn s2_base64_of_a_kubernetes_token_in_a_file_is_a_mistake() {
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
    fn a_google_key_is_taken_whole_with_its_user_name_alone() {
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
    fn a_docker_config_and_other_json_are_mistakes() {
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
    fn base64_of_a_login_is_a_mistake_for_this_user_name_alone() {
        for content in [STANDARD.encode("team+robot:pass"), wrapped("team+robot:pass\n")] {
            assert_eq!(read(content, "team+robot"), Err(TokenError::EncodedPair));
        }
        let others = STANDARD.encode("other:pass");
        assert_eq!(read(&others, "team+robot"), Ok(others));
    }

    #[test]
    fn odd_passwords_stay_passwords() {
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
