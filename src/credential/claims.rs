//! Unverified claims of a JWT (RFC 7519; Kubernetes `pkg/serviceaccount/claims.go`,
//! and `legacy.go` for tokens of old token Secrets).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::lifetime::Validity;

/// Private claim of a bound ServiceAccount token.
const KUBERNETES: &str = "kubernetes.io";
/// Private claims of a legacy token.
const LEGACY_NAMESPACE: &str = "kubernetes.io/serviceaccount/namespace";
const LEGACY_ACCOUNT_NAME: &str = "kubernetes.io/serviceaccount/service-account.name";
const LEGACY_ACCOUNT_UID: &str = "kubernetes.io/serviceaccount/service-account.uid";
const LEGACY_SECRET_NAME: &str = "kubernetes.io/serviceaccount/secret.name";
/// Prefix of the subject of every ServiceAccount.
const SUBJECT_PREFIX: &str = "system:serviceaccount:";

/// Claims of a JWT. A claim of the wrong type counts as absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// `iss`: the issuer.
    pub issuer: Option<String>,
    /// `sub`: the subject, `system:serviceaccount:<namespace>:<name>` for a ServiceAccount.
    pub subject: Option<String>,
    /// `aud`: the audiences.
    pub audiences: Vec<String>,
    /// `exp`: the expiry.
    pub expires_at: Option<Timestamp>,
    /// `iat`: the time of issue.
    pub issued_at: Option<Timestamp>,
    /// `nbf`: the start of its validity.
    pub not_before: Option<Timestamp>,
    /// `jti`: the identifier, the credential id of the API server's audit log.
    pub id: Option<String>,
    /// Claims of `kubernetes.io`; present only in ServiceAccount tokens.
    pub kubernetes: Option<KubernetesClaims>,
}

/// Claims of Kubernetes in a ServiceAccount token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KubernetesClaims {
    /// Namespace of the ServiceAccount.
    pub namespace: Option<String>,
    /// Name of the ServiceAccount.
    pub service_account: Option<String>,
    /// Name of the pod that the token is bound to.
    pub pod: Option<String>,
    /// UID of the Secret that the token is bound to.
    pub secret_uid: Option<String>,
}

impl Claims {
    /// Parses the payload of a JWT in compact form. `None` if the text isn't one: not three parts, or the first two
    /// aren't base64url of JSON objects.
    pub(super) fn read_unverified(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        decode_object(header)?;
        let payload = decode_object(payload)?;
        Some(Self {
            issuer: string(&payload, "iss"),
            subject: string(&payload, "sub"),
            audiences: strings(&payload, "aud"),
            expires_at: numeric_date(&payload, "exp"),
            issued_at: numeric_date(&payload, "iat"),
            not_before: numeric_date(&payload, "nbf"),
            id: string(&payload, "jti"),
            kubernetes: KubernetesClaims::read(&payload),
        })
    }

    /// Namespace and name of the ServiceAccount.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        let kubernetes = self.kubernetes.as_ref()?;
        match (&kubernetes.namespace, &kubernetes.service_account) {
            (Some(namespace), Some(name)) => Some((namespace, name)),
            _ => self
                .subject
                .as_ref()?
                .strip_prefix(SUBJECT_PREFIX)?
                .split_once(':'),
        }
    }

    /// Validity of the token; `None` if one of both times is absent.
    pub fn validity(&self) -> Option<Validity> {
        Some(Validity {
            issued_at: self.issued_at.or(self.not_before)?,
            expires_at: self.expires_at?,
        })
    }
}

impl KubernetesClaims {
    fn read(payload: &Map<String, Value>) -> Option<Self> {
        let name = |object| string(object, "name").unwrap_or_default();
        match payload.get(KUBERNETES) {
            Some(Value::Object(bound)) => Some(Self {
                namespace: string(bound, "namespace"),
                service_account: reference(bound, "serviceaccount").map(name),
                pod: reference(bound, "pod").map(name),
                secret_uid: reference(bound, "secret").and_then(|secret| string(secret, "uid")),
            }),
            // Still a Kubernetes token, which is sent to trusted registries only.
            Some(_) => Some(Self::default()),
            None => Self::read_legacy(payload),
        }
    }

    fn read_legacy(payload: &Map<String, Value>) -> Option<Self> {
        let any = [
            LEGACY_NAMESPACE,
            LEGACY_ACCOUNT_NAME,
            LEGACY_ACCOUNT_UID,
            LEGACY_SECRET_NAME,
        ];
        any.iter()
            .any(|claim| payload.contains_key(*claim))
            .then(|| Self {
                namespace: string(payload, LEGACY_NAMESPACE),
                service_account: string(payload, LEGACY_ACCOUNT_NAME),
                ..Self::default()
            })
    }
}

/// True for the payload of a ServiceAccount token: any claim of Kubernetes, or its subject.
pub(super) fn is_of_service_account(payload: &Map<String, Value>) -> bool {
    let is_subject = |subject: String| subject.starts_with(SUBJECT_PREFIX);
    string(payload, "sub").is_some_and(is_subject)
        || payload.keys().any(|claim| claim.starts_with(KUBERNETES))
}

fn decode_object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn string(object: &Map<String, Value>, claim: &str) -> Option<String> {
    object.get(claim)?.as_str().map(str::to_owned)
}

/// Strings of a claim: `aud` may be one string (RFC 7519 section 4.1.3).
fn strings(object: &Map<String, Value>, claim: &str) -> Vec<String> {
    match object.get(claim) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// `NumericDate`: seconds since 1970, maybe with a fraction (RFC 7519 section 2). The fraction is dropped, so the expiry
/// is never too late.
fn numeric_date(object: &Map<String, Value>, claim: &str) -> Option<Timestamp> {
    let number = object.get(claim)?;
    let seconds = match number.as_i64() {
        Some(seconds) => seconds,
        None => SignedDuration::try_from_secs_f64(number.as_f64()?)
            .ok()?
            .as_secs(),
    };
    Timestamp::from_second(seconds).ok()
}

fn reference<'a>(object: &'a Map<String, Value>, claim: &str) -> Option<&'a Map<String, Value>> {
    object.get(claim)?.as_object()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn jwt(payload: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.{}",
            encode(r#"{"alg":"RS256"}"#),
            encode(payload),
            encode("signature")
        )
    }

    fn second(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    #[test]
    fn bound_token_has_its_service_account_and_bound_object() {
        let payload = json!({
            "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:demo:puller",
            "aud": ["https://kubernetes.default.svc"], "exp": 1_767_312_000, "iat": 1_767_225_600,
            "nbf": 1_767_225_601, "jti": "2b1a9cd3",
            "kubernetes.io": {
                "namespace": "demo", "serviceaccount": {"name": "puller", "uid": "u1"},
                "pod": {"name": "p", "uid": "u2"}, "secret": {"name": "s", "uid": "u3"},
            },
        });
        let claims = Claims::read_unverified(&jwt(&payload.to_string())).unwrap();
        assert_eq!(claims.service_account(), Some(("demo", "puller")));
        assert_eq!(claims.audiences, ["https://kubernetes.default.svc"]);
        assert_eq!(claims.id.as_deref(), Some("2b1a9cd3"));
        assert_eq!(
            (claims.expires_at, claims.issued_at),
            (second(1_767_312_000), second(1_767_225_600))
        );
        assert_eq!(claims.not_before, second(1_767_225_601));
        let kubernetes = claims.kubernetes.unwrap();
        assert_eq!(kubernetes.pod.as_deref(), Some("p"));
        assert_eq!(kubernetes.secret_uid.as_deref(), Some("u3"));
    }

    #[test]
    fn legacy_token_is_a_service_account_token() {
        let payload = json!({
            "iss": "kubernetes/serviceaccount", LEGACY_NAMESPACE: "demo", LEGACY_SECRET_NAME: "puller-token-x",
            LEGACY_ACCOUNT_NAME: "puller", LEGACY_ACCOUNT_UID: "u1", "sub": "system:serviceaccount:demo:puller",
        });
        let claims = Claims::read_unverified(&jwt(&payload.to_string())).unwrap();
        assert_eq!(claims.service_account(), Some(("demo", "puller")));
        assert_eq!(claims.validity(), None);
        let legacy = KubernetesClaims {
            namespace: Some("demo".to_owned()),
            service_account: Some("puller".to_owned()),
            ..KubernetesClaims::default()
        };
        assert_eq!(claims.kubernetes, Some(legacy));
    }

    #[test]
    fn claims_of_the_wrong_type_count_as_absent() {
        for kubernetes in ["7", "null", "[]", "\"x\"", "{}", r#"{"pod":1,"namespace":[]}"#] {
            let payload = format!(r#"{{"sub":1,"aud":7,"exp":"soon","kubernetes.io":{kubernetes}}}"#);
            let claims = Claims::read_unverified(&jwt(&payload)).unwrap();
            assert_eq!(
                claims.kubernetes,
                Some(KubernetesClaims::default()),
                "{kubernetes}"
            );
            assert_eq!(
                (claims.subject, claims.audiences, claims.expires_at),
                (None, vec![], None)
            );
        }
    }

    #[test]
    fn subject_has_the_account_if_the_private_claims_have_none() {
        let payload = r#"{"sub":"system:serviceaccount:demo:puller","kubernetes.io":{}}"#;
        assert_eq!(
            Claims::read_unverified(&jwt(payload)).unwrap().service_account(),
            Some(("demo", "puller"))
        );
        let other = r#"{"sub":"system:serviceaccount:demo:puller"}"#;
        assert_eq!(
            Claims::read_unverified(&jwt(other)).unwrap().service_account(),
            None
        );
    }

    #[test]
    fn dates_may_have_a_fraction_and_must_be_valid() {
        for (number, expected) in [
            ("1767312000", second(1_767_312_000)),
            ("1767312000.9", second(1_767_312_000)),
            ("1.767312e9", second(1_767_312_000)),
            ("1e300", None),
            ("99999999999999999999999", None),
            ("-1", second(-1)),
        ] {
            let claims = Claims::read_unverified(&jwt(&format!(r#"{{"exp":{number}}}"#))).unwrap();
            assert_eq!(claims.expires_at, expected, "{number}");
        }
    }

    #[test]
    fn single_audience_may_be_a_string() {
        let claims = Claims::read_unverified(&jwt(r#"{"aud":"registry"}"#)).unwrap();
        assert_eq!(claims.audiences, ["registry"]);
    }

    #[test]
    fn texts_other_than_a_jwt_have_no_claims() {
        let good = jwt("{}");
        let header = URL_SAFE_NO_PAD.encode("{}");
        let invalid_utf8 = URL_SAFE_NO_PAD.encode(b"{\"sub\":\"\xff\"}");
        let deep = URL_SAFE_NO_PAD.encode(format!(
            "{{\"a\":{}{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        ));
        assert!(Claims::read_unverified(&good).is_some());
        for token in [
            String::new(),
            "robot-password".to_owned(),
            "a.b".to_owned(),
            "a.b.c".to_owned(),
            "..".to_owned(),
            format!("{good}.x"),
            format!("{header}.{header}"),
            format!("{header}.{}.x", URL_SAFE_NO_PAD.encode("[]")),
            format!("{header}.{}.x", URL_SAFE_NO_PAD.encode("{} trailing")),
            format!("{header}.{invalid_utf8}.x"),
            format!("{header}.{deep}.x"),
            "a.".repeat(1_000_000),
        ] {
            assert!(
                Claims::read_unverified(&token).is_none(),
                "{}",
                token.get(..40).unwrap_or(&token)
            );
        }
        for end in 0..good.len() {
            let _ = Claims::read_unverified(&good[..end]);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(payload in any::<String>(), token in any::<String>()) {
            let _ = Claims::read_unverified(&jwt(&payload));
            let _ = Claims::read_unverified(&token);
        }
    }
}
