//! `WWW-Authenticate` header (RFC 9110 section 11.6.1, RFC 6750, distribution spec, Authentication).

use http::{HeaderMap, header::WWW_AUTHENTICATE};

use super::kind::AuthScheme;

/// The challenge to answer: Bearer where the registry offers it, as the registry's own clients prefer it, else Basic;
/// none where it offers neither.
pub fn read(headers: &HeaderMap) -> Option<AuthScheme> {
    let offered: Vec<AuthScheme> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(parse)
        .collect();
    let bearer = offered
        .iter()
        .find(|challenge| matches!(challenge, AuthScheme::Bearer { .. }));
    bearer.or(offered.first()).cloned()
}

/// One header may carry several challenges: a scheme, then parameters, separated by commas.
fn parse(header: &str) -> Vec<AuthScheme> {
    let mut challenges = Vec::new();
    let mut scheme = "";
    let mut parameters: Vec<(String, String)> = Vec::new();
    for item in split_outside_quotes(header) {
        let item = item.trim();
        let (head, rest) = item.split_once(char::is_whitespace).unwrap_or((item, ""));
        let starts_challenge = !head.contains('=');
        let parameter = if starts_challenge {
            challenges.extend(challenge(scheme, &parameters));
            (scheme, parameters) = (head, Vec::new());
            rest
        } else {
            item
        };
        if let Some((name, value)) = parameter.split_once('=') {
            parameters.push((name.trim().to_ascii_lowercase(), unquote(value.trim())));
        }
    }
    challenges.extend(challenge(scheme, &parameters));
    challenges
}

fn challenge(scheme: &str, parameters: &[(String, String)]) -> Option<AuthScheme> {
    let value = |wanted: &str| {
        parameters
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    if scheme.eq_ignore_ascii_case("basic") {
        Some(AuthScheme::Basic)
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Some(AuthScheme::Bearer {
            realm: value("realm")?,
            service: value("service"),
        })
    } else {
        None
    }
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|character: char| {
        let outside = !quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        character == ',' && outside
    })
    .collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    inner
        .chars()
        .filter(|character| {
            escaped = *character == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn offered(values: &[&'static str]) -> Option<AuthScheme> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        read(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<AuthScheme> {
        Some(AuthScheme::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_as_registries_send_them() {
        let cases: &[(&[&'static str], Option<AuthScheme>)] = &[
            (&["Basic realm=\"Registry\""], Some(AuthScheme::Basic)),
            (&["basic"], Some(AuthScheme::Basic)),
            (
                &["Basic realm=openshift,error=\"access denied\""],
                Some(AuthScheme::Basic),
            ),
            (
                &["Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\""],
                bearer("https://auth.docker.io/token", Some("registry.docker.io")),
            ),
            (
                &["BEARER Realm=https://h/openshift/token"],
                bearer("https://h/openshift/token", None),
            ),
            (
                &["Bearer realm=\"https://h/t?a=1,2\" , service=\"a \\\"b\\\"\""],
                bearer("https://h/t?a=1,2", Some("a \"b\"")),
            ),
            (
                &["Bearer service=\"a \\\", b\", realm=\"https://h/t\""],
                bearer("https://h/t", Some("a \", b")),
            ),
            // A backslash escapes between quotes alone.
            (
                &["Bearer realm=https://h/\\\"t, service=x"],
                bearer("https://h/\\\"t, service=x", None),
            ),
            (
                &["Basic realm=\"x\", Bearer realm=\"https://h/t\""],
                bearer("https://h/t", None),
            ),
            (
                &["Basic realm=\"x\"", "Bearer realm=\"https://h/t\""],
                bearer("https://h/t", None),
            ),
            (&["Bearer service=\"no realm\""], None),
            (&["Negotiate"], None),
            (&["Negotiate", "Basic"], Some(AuthScheme::Basic)),
            (&[""], None),
            (&["Bearer realm=\"unclosed"], bearer("\"unclosed", None)),
            (&[], None),
        ];
        for (headers, expected) in cases {
            assert_eq!(&offered(headers), expected, "{headers:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(text in "[ -~]{0,200}") {
            let _ = parse(&text);
        }
    }
}
