//! Where a redirect leads (RFC 9110 section 15.4, RFC 3986 section 5.2). Pure.

use http::{Method, StatusCode, Uri, header::LOCATION, uri::Authority};

use crate::{image::HTTPS_PORT, transport::Answer};

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The URL, without user or fragment.
    pub url: String,
    /// `host[:port]`, the port where it isn't 443; with the scheme where that isn't https.
    pub host: String,
    /// Whether it is https.
    pub is_https: bool,
    /// Whether scheme, host and port are those of the request.
    pub is_same_origin: bool,
}

impl Redirect {
    /// The redirect of an answer to the request for `url`; none where it is none, or leads nowhere.
    pub fn of(url: &str, answer: &Answer) -> Option<Self> {
        let is_redirect = matches!(
            answer.status,
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        let location = answer.headers.get(LOCATION)?.to_str().ok()?;
        if is_redirect {
            Self::resolve(url, location)
        } else {
            None
        }
    }

    fn resolve(from: &str, location: &str) -> Option<Self> {
        let from: Uri = from.parse().ok()?;
        let location = location.trim().split('#').next().unwrap_or_default();
        let target: Uri = absolute(&from, location).parse().ok()?;
        let (scheme, authority) = (target.scheme_str()?, target.authority()?);
        let (host, port) = (authority.host(), authority.port_u16());
        let is_https = scheme == "https";
        let endpoint = match port {
            None | Some(HTTPS_PORT) => host.to_owned(),
            Some(port) => format!("{host}:{port}"),
        };
        let path = without_dot_segments(target.path());
        let query = target.query().map_or(String::new(), |query| format!("?{query}"));
        Some(Self {
            url: format!("{scheme}://{endpoint}{path}{query}"),
            is_same_origin: is_https && is_same_endpoint(authority, from.authority()?),
            host: if is_https {
                endpoint
            } else {
                format!("{scheme}://{endpoint}")
            },
            is_https,
        })
    }

    /// Whether a request with this method may be repeated there with its credential: a request that changes something only
    /// where an upload starts.
    pub fn allows(&self, method: &Method, status: StatusCode) -> bool {
        let path = self.url.splitn(4, '/').nth(3).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let starts_upload =
            || path.starts_with("v2/") && path.trim_end_matches('/').ends_with("/blobs/uploads");
        let keeps_method = matches!(
            status,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        match *method {
            Method::GET | Method::HEAD => true,
            Method::POST => keeps_method && starts_upload(),
            _ => false,
        }
    }
}

fn is_same_endpoint(one: &Authority, other: &Authority) -> bool {
    let port = |authority: &Authority| authority.port_u16().unwrap_or(HTTPS_PORT);
    one.host().eq_ignore_ascii_case(other.host()) && port(one) == port(other)
}

/// The URL that a reference means in an answer from `from`.
fn absolute(from: &Uri, reference: &str) -> String {
    let authority = from.authority().map_or("", Authority::as_str);
    let path = from.path();
    if is_absolute(reference) {
        reference.to_owned()
    } else if reference.starts_with("//") {
        format!("https:{reference}")
    } else if reference.starts_with('/') {
        format!("https://{authority}{reference}")
    } else if reference.is_empty() || reference.starts_with('?') {
        format!("https://{authority}{path}{reference}")
    } else {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("https://{authority}{directory}/{reference}")
    }
}

/// Whether a reference begins with a scheme.
fn is_absolute(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let is_directory = path.ends_with("/.") || path.ends_with("/..");
    format!(
        "/{}{}",
        kept.join("/"),
        if is_directory && !kept.is_empty() { "/" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const FROM: &str = "https://registry.test:5000/v2/team/app/manifests/1?a=b";

    fn redirect(location: &str) -> Option<Redirect> {
        let location = HeaderValue::from_str(location).expect("a header");
        let answer = Answer {
            status: StatusCode::FOUND,
            headers: HeaderMap::from_iter([(LOCATION, location)]),
            body: "".into(),
        };
        Redirect::of(FROM, &answer)
    }

    #[test]
    fn r4_only_the_same_scheme_host_and_port_are_the_same() {
        for (location, url) in [
            ("/v2/", "/v2/"),
            ("/v2/x?y=z#part", "/v2/x?y=z"),
            ("?c=d", "/v2/team/app/manifests/1?c=d"),
            ("", "/v2/team/app/manifests/1"),
            ("2", "/v2/team/app/manifests/2"),
            ("../tags/./list", "/v2/team/app/tags/list"),
            ("/../../v2/x/..", "/v2/"),
            ("./sha256:00", "/v2/team/app/manifests/sha256:00"),
            ("https://registry.test:5000/v2/x", "/v2/x"),
            ("HTTPS://Registry.TEST:5000/v2/x", "/v2/x"),
            ("//registry.test:5000/v2/x", "/v2/x"),
            ("https://user:pw@registry.test:5000/v2/x", "/v2/x"),
        ] {
            let found = redirect(location).expect(location);
            assert!(found.is_same_origin && found.is_https, "{location}");
            let expected = format!("https://registry.test:5000{url}");
            assert_eq!(found.url.to_ascii_lowercase(), expected, "{location}");
        }
        for (location, host) in [
            ("https://other.test/v2/", "other.test"),
            ("https://other.test:443/v2/", "other.test"),
            ("//other.test:5000/v2/", "other.test:5000"),
            ("https://registry.test/v2/", "registry.test"),
            ("https://registry.test:5001/v2/", "registry.test:5001"),
            ("https://registry.test.:5000/v2/", "registry.test.:5000"),
            ("https://registry.test:5000@other.test/v2/", "other.test"),
            ("https://a.registry.test:5000/v2/", "a.registry.test:5000"),
            ("https://[::1]:5000/v2/", "[::1]:5000"),
            ("http://registry.test:5000/v2/", "http://registry.test:5000"),
            ("http://registry.test/v2/", "http://registry.test"),
            ("ftp://registry.test:5000/v2/", "ftp://registry.test:5000"),
        ] {
            let found = redirect(location).expect(location);
            assert!(!found.is_same_origin, "{location}");
            assert_eq!(found.host, host, "{location}");
            assert_eq!(found.is_https, !host.contains("://"), "{location}");
        }
        for location in ["https://", "https:///v2/", "mailto:a@b.test", "a b", "http:\\\\x"] {
            assert_eq!(redirect(location), None, "{location}");
        }
    }

    #[test]
    fn r4_only_a_redirect_with_a_location_is_one() {
        for (status, expected) in [
            (301, true),
            (302, true),
            (303, true),
            (307, true),
            (308, true),
            (200, false),
            (201, false),
            (202, false),
            (300, false),
            (304, false),
            (305, false),
            (401, false),
        ] {
            for location in [Some("/v2/"), None] {
                let headers = location.map(|location| (LOCATION, HeaderValue::from_static(location)));
                let answer = Answer {
                    status: StatusCode::from_u16(status).expect("a status"),
                    headers: HeaderMap::from_iter(headers),
                    body: "".into(),
                };
                let found = Redirect::of(FROM, &answer).is_some();
                assert_eq!(found, expected && location.is_some(), "{status}");
            }
        }
    }

    #[test]
    fn r4_a_request_that_changes_something_is_repeated_for_an_upload_alone() {
        let uploads = "https://registry.test:5000/v2/library/app/blobs/uploads/";
        for (method, status, location, expected) in [
            (Method::GET, 301, "/anything", true),
            (Method::HEAD, 303, "/anything", true),
            (Method::POST, 307, uploads, true),
            (Method::POST, 308, "/v2/team/app/blobs/uploads", true),
            (Method::POST, 302, uploads, false),
            (Method::POST, 307, "/v2/team/app/blobs/uploads/7b1", false),
            (Method::POST, 307, "/api/users?/v2/a/blobs/uploads/", false),
            (Method::DELETE, 307, "/v2/team/app/blobs/uploads/7b1", false),
        ] {
            let redirect = redirect(location).expect("a redirect");
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(redirect.allows(&method, status), expected, "{method} {location}");
        }
    }
}
