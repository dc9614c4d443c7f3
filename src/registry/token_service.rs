//! The token service of a Bearer challenge (distribution spec, Token Authentication): where it is, and how it is asked.

use std::fmt;

use http::Uri;

use super::{Inconclusive, ProtocolError};
use crate::image::{HTTPS_PORT, ImageReference};

/// A token service, always https.
pub struct TokenService<'a> {
    uri: Uri,
    service: Option<&'a str>,
    host: String,
    port: u16,
}

impl<'a> TokenService<'a> {
    /// Reads realm and service of a challenge.
    ///
    /// # Errors
    /// The realm is no URL, or not https.
    pub fn parse(realm: &str, service: Option<&'a str>) -> Result<Self, Inconclusive> {
        let uri: Uri = realm.parse().map_err(|_| ProtocolError::Challenge)?;
        let host = uri.host().ok_or(ProtocolError::Challenge)?.to_ascii_lowercase();
        let scheme = uri.scheme_str().ok_or(ProtocolError::Challenge)?;
        if scheme != "https" {
            let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
            return Err(ProtocolError::PlainTokenService(format!("{scheme}://{host}{port}")).into());
        }
        Ok(Self {
            service,
            host,
            port: uri.port_u16().unwrap_or(HTTPS_PORT),
            uri,
        })
    }

    /// Its host in lower case, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path of its URL.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The URL of a token request, without user and fragment of the realm; `scope` is an image with the actions to allow on
    /// its repository.
    pub fn url(&self, scope: Option<(&ImageReference, &str)>) -> String {
        let target = self.uri.path_and_query().map(ToString::to_string);
        let query = query(self.uri.query().is_some(), self.service, scope);
        format!("https://{self}{}{query}", target.unwrap_or_default())
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

    #[test]
    fn token_request_has_no_user_and_no_fragment_of_the_realm() {
        let image = ImageReference::parse("registry.test/team/app:1").expect("an image");
        let scope = "scope=repository:team/app:pull";
        for (realm, url) in [
            (
                "https://auth.test/token",
                format!("https://auth.test/token?service=s&{scope}"),
            ),
            (
                "https://auth.test/token#part",
                format!("https://auth.test/token?service=s&{scope}"),
            ),
            (
                "https://auth.test/token?a=b#part",
                format!("https://auth.test/token?a=b&service=s&{scope}"),
            ),
            (
                "https://auth.test?a=b",
                format!("https://auth.test/?a=b&service=s&{scope}"),
            ),
            (
                "https://auth.test",
                format!("https://auth.test/?service=s&{scope}"),
            ),
            (
                "https://auth.test#part",
                format!("https://auth.test/?service=s&{scope}"),
            ),
            (
                "https://me:pw@auth.test:8443/token",
                format!("https://auth.test:8443/token?service=s&{scope}"),
            ),
            (
                "https://good.test@auth.test/token",
                format!("https://auth.test/token?service=s&{scope}"),
            ),
            (
                "HTTPS://Auth.TEST:443/token",
                format!("https://auth.test/token?service=s&{scope}"),
            ),
        ] {
            let found = TokenService::parse(realm, Some("s")).expect(realm);
            assert_eq!(found.url(Some((&image, "pull"))), url, "{realm}");
            assert!(url.starts_with(&format!("https://{found}")), "{realm}");
            assert!(!found.url(None).contains("scope"), "{realm}");
        }
    }

    #[test]
    fn realm_that_is_no_https_url_is_a_protocol_error() {
        let plain = |url: &str| Inconclusive::from(ProtocolError::PlainTokenService(url.to_owned()));
        let invalid = || Inconclusive::from(ProtocolError::Challenge);
        for (realm, expected) in [
            ("http://auth.test/token", plain("http://auth.test")),
            (
                "HTTP://me:pw@auth.test:8080/token#part",
                plain("http://auth.test:8080"),
            ),
            ("ftp://auth.test/token", plain("ftp://auth.test")),
            ("auth.test", invalid()),
            ("auth.test:443", invalid()),
            ("//auth.test/token", invalid()),
            ("/token", invalid()),
            ("https:///token", invalid()),
            ("https://", invalid()),
            ("a b", invalid()),
            ("", invalid()),
        ] {
            assert_eq!(TokenService::parse(realm, None).err(), Some(expected), "{realm}");
        }
    }
}
