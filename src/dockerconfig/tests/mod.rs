//! Tests of the document: written and kept bytes, and how clients read it.

use secrecy::{ExposeSecret, SecretString};

use super::*;

mod ambiguity;
mod clients;
mod printing;
mod property;
mod splicing;

/// Default registry.
const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000";
/// `<token>:TOKEN`, in base64.
const ENTRY: &str = r#"{"username":"<token>","password":"TOKEN","auth":"PHRva2VuPjpUT0tFTg=="}"#;

/// Entry of `ENTRY`.
fn entry() -> Entry {
    Entry::new("<token>", SecretString::from("TOKEN")).unwrap()
}

/// Document with the managed entry, and true if its structure was repaired.
fn set(document: &str, key: &str) -> (String, bool) {
    let edited = Document::parse(document.as_bytes())
        .unwrap()
        .with_entries(&[(key, &entry())]);
    (String::from_utf8(edited.bytes).unwrap(), edited.shape_repaired)
}

fn credential(auth: &AuthConfig) -> (&str, &str, &str) {
    (&auth.key, &auth.username, auth.password.expose_secret())
}
