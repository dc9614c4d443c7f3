//! `WWW-Authenticate`.

use ensure_pull_secret::registry::{AuthScheme, challenge::read};
use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

/// The values of one or more headers, a line each.
pub fn check(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    if let Some(AuthScheme::Bearer { realm, service }) = read(&headers) {
        let sent = String::from_utf8_lossy(data);
        for text in std::iter::once(&realm).chain(&service) {
            assert!(
                text.chars().all(|character| sent.contains(character)),
                "{text:?} was never sent"
            );
        }
    }
}
