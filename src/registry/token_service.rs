//! The token service of a Bearer challenge (distribution spec, Token Authentication): where it is, and how it is asked.

use std::fmt;

use http::Uri;

use super::{Inconclusive, ProtocolError};
use crate::image::{HTTPS_PORT, ImageReference};

/// A token service, always https.
pub struct TokenService<'a> {
    realm: &'a str,
    service: Option<&'a str>,
    host: String,
    port: u16,
    has_query: bool,
}

impl<'a> TokenService<'a> {
    /// Reads realm and service of a challenge.
    ///
    /// # Errors
    /// The realm is no URL, or not https.
    pub fn parse(realm: &'a str, service: Option<&'a str>) -> Result<Self, Inconclusive> {
        let uri: Uri = realm.parse().map_err(|_| ProtocolError::Challenge)?;
        let host = uri.host().ok_or(ProtocolError::Challenge)?.to_owned();
        if uri.scheme_str() != Some("https") {
            let scheme = uri.scheme_str().unwrap_or_default();
            let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
            return Err(ProtocolError::PlainTokenService(format!("{scheme}://{host}{port}")).into());
        }
        Ok(Self {
            realm,
            service,
            host,
            port: uri.port_u16().unwrap_or(HTTPS_PORT),
            has_query: uri.query().is_some(),
        })
    }

    /// Its host, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a token request; `scope` is an image with the actions to allow on its repository.
    pub fn url(&self, scope: Option<(&ImageReference, &str)>) -> String {
        format!("{}{}", self.realm, query(self.has_query, self.service, scope))
    }
}

/// `host[:port]`, the port where it isn't 443.
impl fmt::Display for TokenService<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            HTTPS_PORT => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

/// The query of a token request, `?` or `&` included; empty where there is nothing to ask for.
fn query(has_query: bool, service: Option<&str>, scope: Option<(&ImageReference, &str)>) -> String {
    let service = service.map(|service| format!("service={}", percent_encode(service)));
    let scope = scope.map(|(image, actions)| {
        let repository = percent_encode(image.repository());
        format!("scope=repository:{repository}:{actions}")
    });
    let parameters: Vec<String> = service.into_iter().chain(scope).collect();
    match (parameters.is_empty(), has_query) {
        (true, _) => String::new(),
        (false, true) => format!("&{}", parameters.join("&")),
        (false, false) => format!("?{}", parameters.join("&")),
    }
}

/// Percent-encodes what may not stand in a query (RFC 3986 section 3.4), and `&`, `+` and `=`.
fn percent_encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/@,".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_is_readable_and_escaped_in_the_query() {
        let image = ImageReference::parse("registry.test/team/app:1").expect("an image");
        let scope = Some((&image, "pull,push"));
        assert_eq!(
            query(false, Some("a b&scope=x#\u{e9}"), scope),
            "?service=a%20b%26scope%3Dx%23%C3%A9&scope=repository:team/app:pull,push"
        );
        assert_eq!(query(true, None, scope), "&scope=repository:team/app:pull,push");
        assert_eq!(query(true, None, None), "");
    }
}
