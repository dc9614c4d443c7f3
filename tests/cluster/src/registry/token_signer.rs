//! The key of a token service: signs the tokens, and is published as a JSON Web Key Set.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::accounts::random_hex;

/// An ES256 key (RFC 7518, section 3.4) made for one run.
#[derive(Debug)]
pub(super) struct TokenSigner {
    key: EcdsaKeyPair,
    key_id: String,
    random: SystemRandom,
}

impl TokenSigner {
    pub(super) fn new() -> Result<Self> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .ok()
            .context("cannot make a key for the token service")?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
            .ok()
            .context("cannot read the key of the token service")?;
        Ok(Self {
            key,
            key_id: random_hex()?,
            random,
        })
    }

    /// The public key (RFC 7517): an uncompressed point is 4, x, y (SEC 1, section 2.3.3).
    pub(super) fn key_set(&self) -> Value {
        let coordinates = self.key.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        json!({"keys": [{
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": self.key_id,
            "x": BASE64URL.encode(x),
            "y": BASE64URL.encode(y),
        }]})
    }

    /// A JWT (RFC 7519) of these claims.
    pub(super) fn sign(&self, claims: &Value) -> Result<String> {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.key_id});
        let signed = format!(
            "{}.{}",
            BASE64URL.encode(header.to_string()),
            BASE64URL.encode(claims.to_string())
        );
        let signature = self
            .key
            .sign(&self.random, signed.as_bytes())
            .ok()
            .context("cannot sign a token")?;
        Ok(format!("{signed}.{}", BASE64URL.encode(signature)))
    }
}
