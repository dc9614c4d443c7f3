//! `WWW-Authenticate` header (RFC 9110 section 11.6.1, RFC 6750, distribution spec, Authentication).

use http::{HeaderMap, header::WWW_AUTHENTICATE};

use super::kind::AuthScheme;

/// A challenge: how a server asks a client to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme, lower case.
    pub scheme: String,
    /// The parameters in their order, names lower case, values without quotes.
    pub parameters: Vec<(String, String)>,
}

/// The challenge to answer: Bearer where the registry offers it, as containerd prefers it, else Basic; none where it offers
/// neither.
pub fn read(headers: &HeaderMap) -> Option<AuthScheme> {
    let offered: Vec<AuthScheme> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        // A quoted value may have any byte but controls.
        .flat_map(|value| parse(&String::from_utf8_lossy(value.as_bytes())))
        .filter_map(|challenge| challenge.to_scheme())
        .collect();
    let bearer = offered
        .iter()
        .find(|challenge| matches!(challenge, AuthScheme::Bearer { .. }));
    bearer.or(offered.first()).cloned()
}

/// The challenges of one header, in their order. What does not fit the grammar is skipped up to the next comma.
///
/// Not by a crate: those that are maintained refuse the whole header for a token68 (`Negotiate YII=`), for a URL without
/// quotes or for a byte outside ASCII, and registries send each of them.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = split_at_end(rest, is_token);
        let after_space = after.trim_start_matches(SPACE);
        if rest.is_empty() {
            return challenges;
        } else if name.is_empty() {
            rest = skip_element(rest);
        } else if let (Some(challenge), Some(text)) = (challenges.last_mut(), after_space.strip_prefix('=')) {
            let (value, after) = value(text.trim_start_matches(SPACE));
            let parameter = value.map(|value| (name.to_ascii_lowercase(), value));
            challenge.parameters.extend(parameter);
            rest = after;
        } else {
            challenges.push(Challenge {
                scheme: name.to_ascii_lowercase(),
                parameters: Vec::new(),
            });
            rest = skip_token68(after_space);
        }
    }
}

impl Challenge {
    /// The value of a parameter; of several the last, as Go's clients read it.
    fn value(&self, wanted: &str) -> Option<String> {
        let (_, value) = self.parameters.iter().rev().find(|(name, _)| name == wanted)?;
        Some(value.clone())
    }

    fn to_scheme(&self) -> Option<AuthScheme> {
        match self.scheme.as_str() {
            "basic" => Some(AuthScheme::Basic),
            "bearer" => Some(AuthScheme::Bearer {
                realm: self.value("realm")?,
                service: self.value("service"),
            }),
            _ => None,
        }
    }
}

const SPACE: [char; 2] = [' ', '\t'];

/// Characters of a token (RFC 9110 section 5.6.2).
fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

/// Characters of a token68 before its padding.
fn is_token68(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~+/".contains(character)
}

/// The text up to the first character that is not part of it, and the rest.
fn split_at_end(text: &str, mut is_part: impl FnMut(char) -> bool) -> (&str, &str) {
    let end = text.find(|character| !is_part(character));
    text.split_at(end.unwrap_or(text.len()))
}

/// The text after a token68 that is all of a list element; `text` itself where there is none.
fn skip_token68(text: &str) -> &str {
    let (token, after) = split_at_end(text, is_token68);
    let after = after.trim_start_matches('=').trim_start_matches(SPACE);
    let is_whole = !token.is_empty() && (after.is_empty() || after.starts_with(','));
    if is_whole { after } else { text }
}

/// The text from the next comma outside quotes.
fn skip_element(text: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    let (_, rest) = split_at_end(text, |character| {
        let is_end = character == ',' && !quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        !is_end
    });
    rest
}

/// A value and the text after it; none where a quote is not closed. Without quotes anything up to white space or a comma: a
/// realm is a URL, and not every registry quotes it.
fn value(text: &str) -> (Option<String>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = split_at_end(text, |character| !" \t,".contains(character));
        return (Some(value.to_owned()), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return (Some(value), characters.as_str()),
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    (None, "")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn offered_by(values: &[&str]) -> Option<AuthScheme> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header");
            headers.append(WWW_AUTHENTICATE, value);
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
                bearer("https://h/\\\"t", Some("x")),
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
            (&["Bearer realm=\"unclosed"], None),
            (&[], None),
        ];
        for (headers, expected) in cases {
            assert_eq!(&offered_by(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn r11_challenges_in_every_form_of_rfc_9110() {
        let full = || bearer("https://h/t", Some("s"));
        for header in [
            r#"Bearer realm = "https://h/t" , service = "s""#,
            "Bearer realm\t=\t\"https://h/t\",service =s",
            r#"bEARER REALM="https://h/t",Service="s""#,
            r#"Bearer   realm="https://h/t",   service="s""#,
            r#"Bearer realm="https://h/t" service="s""#,
            r#",, Bearer , realm="https://h/t",, ,service="s" ,"#,
            r#"Bearer realm="https:\/\/h/\t",service="\s""#,
            r#"Bearer error="a, Basic b=\"c\"",realm="https://h/t",service="s""#,
            // Several challenges; those with a token68, with commas in a value, or with a scheme's name as one.
            r#"Negotiate YIIJvwYGKwYBBQUCoIIJszCC==, Bearer realm="https://h/t",service="s""#,
            r#"Negotiate Bearer==, Bearer realm="https://h/t",service="s""#,
            r#"Negotiate, Bearer realm="https://h/t",service="s", NTLM"#,
            r#"Digest realm="a, b", qop="auth,auth-int", nonce=5, Bearer realm="https://h/t",service="s""#,
            r#"Bearer realm="https://h/t",service="s", Basic realm="Registry""#,
            r#"Basic realm="https://x", Bearer realm="https://h/t",service="s""#,
            r#"Basic , Bearer realm="https://h/t",service="s""#,
            r#"Basic realm="café", Bearer realm="https://h/t",service="s""#,
            // Not the grammar, and no harm to what is.
            r#"Bearer realm="https://h/t",service="s",error="unclosed"#,
            r#"Bearer realm="https://h/t",@=1,service="s""#,
            r#"Bearer realm="https://h/t",("a,b"),service="s""#,
            r#"realm="https://x", Bearer realm="https://h/t",service="s""#,
            r#"Bearer realm="https://x",realm="https://h/t",service="s""#,
        ] {
            assert_eq!(offered_by(&[header]), full(), "{header}");
            assert_eq!(offered_by(&["Basic realm=x", header]), full(), "{header}");
        }
        for (header, expected) in [
            ("Negotiate basic", None),
            ("Negotiate YII=", None),
            ("Digest realm=\"Basic \", nonce=\"x\"", None),
            ("Basic realm=\"a\", charset=\"UTF-8\"", Some(AuthScheme::Basic)),
            (
                "Basic charset = \"UTF-8\" , realm = \"a\"",
                Some(AuthScheme::Basic),
            ),
            ("NTLM, BASIC", Some(AuthScheme::Basic)),
            ("Basic\trealm=x", Some(AuthScheme::Basic)),
            ("Bearer realm=\"\",service=\"s\"", bearer("", Some("s"))),
            (
                "Bearer realm=https://h/t?a=b,service=s",
                bearer("https://h/t?a=b", Some("s")),
            ),
            (
                "Bearer realm=\"https://h/t?a=b&c=\\\"\"",
                bearer("https://h/t?a=b&c=\"", None),
            ),
            ("BearerX realm=\"https://h/t\"", None),
            ("\"Basic\"", None),
            ("Basic=x", Some(AuthScheme::Basic)),
        ] {
            assert_eq!(offered_by(&[header]), expected, "{header}");
        }
        let mut headers = HeaderMap::new();
        let latin1 = b"Basic realm=\"caf\xe9\", Bearer realm=\"https://h/t\",service=\"s\"";
        let latin1 = HeaderValue::from_bytes(latin1).expect("a header");
        headers.append(WWW_AUTHENTICATE, latin1);
        assert_eq!(read(&headers), full());
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(text in "[ -~]{0,200}") {
            let _ = parse(&text);
        }
    }
}
