//! Tokens: the JWT reader and what is decided with it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ensure_pull_secret::credential::{Credential, KnownSecrets, Lifetime, Percentage, Token, rfc3339};
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

/// The bytes of a token file; and, so that base64 is no wall, the payload of a JWT.
pub fn check(data: &[u8]) {
    if let Ok(token) = Token::from_file_content(data) {
        let secret = token.secret().expose_secret();
        assert!(!secret.is_empty() && !secret.contains(char::is_control));
        let secrets = KnownSecrets::default();
        secrets.add("", token.secret());
        assert!(secrets.show_in(secret));
        look_at(token);
    }
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwt = format!(
        "{}.{}.{}",
        part(br#"{"alg":"RS256"}"#),
        part(data),
        part(b"signature")
    );
    let is_object = serde_json::from_slice::<serde_json::Map<_, _>>(data).is_ok();
    let token = Token::new(SecretString::from(jwt));
    assert_eq!(token.claims().is_some(), is_object);
    look_at(token);
}

fn look_at(token: Token) {
    let now = Timestamp::UNIX_EPOCH;
    let kind = token.kind();
    if let Some(claims) = token.claims() {
        // It is valid at the API server, so it must be recognised as a Kubernetes token.
        assert!(claims.kubernetes.is_none() || kind.is_kubernetes());
        claims.service_account();
        if let Some(validity) = claims.validity() {
            let share = Percentage::parse("40%").expect("a share");
            let wait = Lifetime::parse("24h").expect("a lifetime");
            let has_enough = validity.has_enough_left(now, share, Some(wait));
            // An expired token has no time left, however long its lifetime was.
            assert!(!(has_enough && validity.is_expired(now)));
            assert!(!has_enough || validity.outlives(now, wait));
            rfc3339(validity.expires_at);
        }
    }
    let credential = Credential::of("<token>", token);
    credential.is_expired(now);
    credential.summary();
}
