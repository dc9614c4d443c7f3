//! The key that signs service account tokens.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PublicKeyData as _};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};

/// A P-256 key pair, as the API server reads it (`--service-account-signing-key-file`).
#[derive(Clone)]
pub struct SigningKey {
    private_pem: String,
    public_pem: String,
    private_der: Vec<u8>,
    key_id: String,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn generate() -> Result<Self> {
        let pair = KeyPair::generate().context("cannot make a key for service account tokens")?;
        let key_id = digest::digest(&digest::SHA256, &pair.subject_public_key_info());
        Ok(Self {
            private_pem: pair.serialize_pem(),
            public_pem: pair.public_key_pem(),
            private_der: pair.serialize_der(),
            key_id: URL_SAFE_NO_PAD.encode(key_id),
        })
    }

    /// The private key, PKCS #8 PEM.
    pub fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// The public key, PEM.
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// A JSON Web Token with these claims: for tokens that the API server would not issue, such as an expired one.
    ///
    /// `kid` is derived as the API server does (pkg/serviceaccount/jwt.go, `keyIDFromPublicKey`), which looks the key
    /// up by it.
    ///
    /// # Errors
    /// If the key can't sign.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.private_der, &random)
            .ok()
            .context("the signing key is not a P-256 key")?;
        let header = json!({ "alg": "ES256", "kid": self.key_id });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = pair
            .sign(&random, signed.as_bytes())
            .ok()
            .context("cannot sign a token")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_claims_and_the_key_id_in_its_parts() -> Result<()> {
        let key = SigningKey::generate()?;
        let token = key.sign(&json!({ "sub": "system:serviceaccount:a:b" }))?;
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 3);
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0])?)?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1])?)?;
        assert_eq!(header["kid"], key.key_id.as_str());
        assert_eq!(claims["sub"], "system:serviceaccount:a:b");
        Ok(())
    }

    #[test]
    fn debug_output_has_no_private_key() -> Result<()> {
        let key = SigningKey::generate()?;
        assert!(!format!("{key:?}").contains("PRIVATE"));
        Ok(())
    }
}
