//! One case for each reason, in which all external text has the credential.

use anyhow::Result;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ensure_pull_secret::{config::VARIABLES, outcome::Reason};
use http::{Method, StatusCode};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::json;
use test_cluster::{certificates::Authority, registry::OPENSHIFT};

use super::hostile::{ApiServer, BAIT, Knowledge, Registry};
use crate::world::World;

/// Setup of a run that ends with a certain reason.
pub struct Case {
    /// Secret that is stored before the run; none for no Secret.
    pub stored: Option<Stored>,
    /// Token that is the canary.
    pub token: Token,
    /// The registry.
    pub registry: Registry,
    /// The API server.
    pub api_server: ApiServer,
    /// True if the ServiceAccount may pull.
    pub granted: bool,
    /// Variables beside the usual ones.
    pub environment: fn(&World, &Knowledge) -> Vec<(&'static str, String)>,
    /// Change of the pod's files.
    pub files: fn(&World, &Knowledge) -> Result<()>,
    /// Start of the program.
    pub start: Start,
}

/// A Secret that is stored before the run.
pub struct Stored {
    /// Type of the Secret.
    pub secret_type: &'static str,
    /// Change of the Secret. Until then it has an empty document, so that a token can be bound to it. If the change
    /// adds a finalizer, the Secret is deleted afterwards.
    pub edit: fn(&mut Secret, &Knowledge),
}

/// Token that is the canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Accepted by the API server, and bound to the Secret if there is one.
    Good,
    /// The one that is mounted, which is bound to a pod.
    Mounted,
    /// Expired, with claims of accounts that don't exist.
    Expired,
}

/// Start of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As always.
    Normally,
    /// SIGTERM while a call to the API server hangs.
    Interrupted,
    /// With too few open files for its runtime: a defect that needs no defect in the code.
    WithoutFiles,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            stored: Some(Stored {
                secret_type: "kubernetes.io/dockerconfigjson",
                edit: |_, _| {},
            }),
            token: Token::Good,
            registry: Registry::Serves,
            api_server: ApiServer::IssuesCanary,
            granted: true,
            environment: |_, _| Vec::new(),
            files: |_, _| Ok(()),
            start: Start::Normally,
        }
    }
}

type MakeCase = fn() -> Case;

/// A case for each reason; each gives the program other external text.
pub const CASES: &[(Reason, MakeCase)] = &[
    (Reason::Ok, Case::default),
    (Reason::RegistryAnonymous, || Case::at(Registry::Anonymous)),
    (Reason::NotVerified, || Case {
        environment: |_, _| vec![("PULL_SECRET_VERIFY", "structure".to_owned())],
        ..Case::default()
    }),
    (Reason::InvalidConfiguration, || Case {
        environment: |_, knowledge| by_mistake(knowledge),
        ..Case::default()
    }),
    (Reason::NotInCluster, || Case {
        files: |world, knowledge| Ok(std::fs::write(world.runner.file("ca.crt"), knowledge.poison())?),
        ..Case::default()
    }),
    (Reason::ApiUntrusted, || Case {
        files: |world, _| {
            let other = Authority::new("kubernetes")?;
            Ok(std::fs::write(world.runner.file("ca.crt"), other.pem())?)
        },
        ..Case::default()
    }),
    (Reason::ApiRejected, || {
        Case::from(ApiServer::Refuses(
            Method::PATCH,
            "",
            StatusCode::UNPROCESSABLE_ENTITY,
            "secrets",
        ))
    }),
    (Reason::NamespaceMissing, || {
        Case::from(ApiServer::RefusesAll(StatusCode::NOT_FOUND, "namespaces"))
    }),
    (Reason::ServiceAccountMissing, || {
        Case::from(ApiServer::Refuses(
            Method::POST,
            "/token",
            StatusCode::NOT_FOUND,
            "serviceaccounts",
        ))
    }),
    (Reason::WrongType, || Case {
        stored: Some(Stored {
            secret_type: "hostile.test/\u{1b}[31m$(pwned)",
            edit: |secret, knowledge| hold(secret, knowledge.poison()),
        }),
        ..Case::default()
    }),
    (Reason::Immutable, || {
        Case::storing(|secret, _| secret.immutable = Some(true))
    }),
    // A finalizer's name is too short for a token, and has none of the bait's characters.
    (Reason::SecretTerminating, || {
        Case::storing(|secret, knowledge| {
            secret.metadata.finalizers = Some(vec!["hostile.test/hold".to_owned()]);
            hold(secret, json!({"auths": {}, "x": knowledge.poison()}).to_string());
        })
    }),
    (Reason::DocumentUnreadable, || {
        Case::storing(|secret, knowledge| {
            let mut document =
                format!("{{\"auths\":{{\"{0}\":{{\"auth\":\"{0}", knowledge.token).into_bytes();
            document.extend_from_slice(b"\xff\"}}}");
            hold(secret, document);
        })
    }),
    (Reason::DocumentAmbiguous, || {
        Case::storing(|secret, knowledge| {
            let entry = json!({"auth": knowledge.poison()});
            let host = json!(format!("a.test{BAIT}"));
            hold(secret, format!("{{\"auths\":{{{host}:{entry},{host}:{entry}}}}}"));
        })
    }),
    (Reason::UnmanagedEntryInvalid, || {
        Case::storing(|secret, knowledge| {
            let entry = json!({"auth": format!("!{}", knowledge.token), "password": knowledge.poison()});
            hold(
                secret,
                json!({"auths": {format!("a.test{BAIT}"): entry}}).to_string(),
            );
        })
    }),
    (Reason::RepositoryMissing, || {
        Case::at(Registry::Lacks("NAME_UNKNOWN"))
    }),
    (Reason::TagMissing, || {
        Case::at(Registry::Lacks("MANIFEST_UNKNOWN"))
    }),
    (Reason::CredentialRejected, || Case {
        registry: Registry::Refuses,
        ..Case::from(ApiServer::Refuses(
            Method::POST,
            "/selfsubjectreviews",
            StatusCode::UNAUTHORIZED,
            "selfsubjectreviews",
        ))
    }),
    (Reason::CredentialExpired, || Case {
        token: Token::Expired,
        ..Case::from_file()
    }),
    (Reason::PodBoundToken, || Case {
        token: Token::Mounted,
        ..Case::from_file()
    }),
    (Reason::Internal, || Case {
        start: Start::WithoutFiles,
        ..Case::default()
    }),
    (Reason::Reverted, || Case::from(ApiServer::ForgetsWrites)),
    (Reason::ApiUnavailable, || Case::from(ApiServer::WebSite)),
    (Reason::RegistryUnavailable, || Case {
        registry: Registry::Down,
        ..Case::verifying(with_entry)
    }),
    (Reason::Conflict, || Case {
        environment: |_, _| vec![("PULL_SECRET_TIMEOUT", "1s".to_owned())],
        ..Case::from(ApiServer::Refuses(
            Method::PATCH,
            "",
            StatusCode::CONFLICT,
            "secrets",
        ))
    }),
    (Reason::Deadline, || Case {
        start: Start::Interrupted,
        ..Case::from(ApiServer::Holds)
    }),
    (Reason::RegistryProtocol, || Case::at(Registry::WebSite)),
    (Reason::RegistryUntrusted, || Case::at(Registry::Elsewhere)),
    (Reason::ApiForbidden, || {
        Case::from(ApiServer::RefusesAll(StatusCode::FORBIDDEN, "secrets"))
    }),
    (Reason::PullForbidden, || Case {
        granted: false,
        ..Case::at(Registry::Refuses)
    }),
    (Reason::SecretMissing, || Case {
        stored: None,
        ..Case::verifying(|_, _| {})
    }),
    (Reason::NoMatchingEntry, || {
        Case::verifying(|secret, knowledge| {
            let entry = json!({"username": "<token>", "password": knowledge.token});
            hold(secret, json!({"auths": {"other.test": entry}}).to_string());
        })
    }),
    (Reason::AuthsMissing, || {
        Case::verifying(|secret, knowledge| {
            let entry =
                json!({"username": "<token>", "password": knowledge.token, "auth": knowledge.poison()});
            hold(secret, json!({format!("a.test{BAIT}"): entry}).to_string());
        })
    }),
    (Reason::ExpiresBeforeNextRun, || Case {
        environment: |_, _| vec![("PULL_SECRET_NEXT_RUN_WITHIN", "30d".to_owned())],
        ..Case::default()
    }),
];

impl Case {
    fn at(registry: Registry) -> Self {
        Self {
            registry,
            ..Self::default()
        }
    }

    fn storing(edit: fn(&mut Secret, &Knowledge)) -> Self {
        let Some(stored) = Self::default().stored else {
            return Self::default();
        };
        Self {
            stored: Some(Stored { edit, ..stored }),
            ..Self::default()
        }
    }

    fn verifying(edit: fn(&mut Secret, &Knowledge)) -> Self {
        Self {
            environment: |_, _| {
                vec![
                    ("PULL_SECRET_MODE", "verify".to_owned()),
                    ("PULL_SECRET_TIMEOUT", "2s".to_owned()),
                ]
            },
            ..Self::storing(edit)
        }
    }

    /// Case whose canary is in the token file.
    fn from_file() -> Self {
        Self {
            environment: |world, _| {
                vec![(
                    "PULL_SECRET_TOKEN_FILE",
                    world.runner.file("robot").display().to_string(),
                )]
            },
            files: |world, knowledge| Ok(std::fs::write(world.runner.file("robot"), &knowledge.token)?),
            ..Self::default()
        }
    }
}

impl From<ApiServer> for Case {
    fn from(api_server: ApiServer) -> Self {
        Self {
            api_server,
            ..Self::default()
        }
    }
}

/// The canary in every variable but those of the log, and in some unknown ones.
fn by_mistake(knowledge: &Knowledge) -> Vec<(&'static str, String)> {
    let managed = VARIABLES
        .iter()
        .map(|variable| variable.name)
        .filter(|name| !name.starts_with("PULL_SECRET_LOG"));
    let unread = [
        "PULL_SECRET_TOKEN",
        "PULL_SECRET_PASSWORD",
        "PULL_SECRET_NAMESPACES",
        "KUBERNETES_SERVICE_HOST",
    ];
    let proxy = (
        "HTTPS_PROXY",
        format!("http://user:{}@proxy.test:1", knowledge.token),
    );
    managed
        .chain(unread)
        .map(|name| (name, knowledge.token.clone()))
        .chain([proxy])
        .collect()
}

/// An entry as this program writes it, but with the canary.
fn with_entry(secret: &mut Secret, knowledge: &Knowledge) {
    let token = &knowledge.token;
    let entry = json!({"username": "<token>", "password": token, "auth": STANDARD.encode(format!("<token>:{token}"))});
    hold(secret, json!({"auths": {OPENSHIFT: entry}}).to_string());
}

fn hold(secret: &mut Secret, document: impl Into<Vec<u8>>) {
    let data = secret.data.get_or_insert_default();
    data.insert(".dockerconfigjson".to_owned(), ByteString(document.into()));
}

/// An expired token whose claims are bait.
pub fn expired_token() -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({"alg": "RS256", "kid": "canary-canary-canary"}));
    let claims = part(json!({
        "exp": 1_700_000_000, "iat": 1_600_000_000, "jti": BAIT, "iss": BAIT,
        "sub": format!("system:serviceaccount:{BAIT}:{BAIT}"),
        "kubernetes.io": {"namespace": BAIT, "serviceaccount": {"name": BAIT, "uid": BAIT}},
    }));
    format!(
        "{header}.{claims}.{}",
        URL_SAFE_NO_PAD.encode("a signature that nobody has made, canary")
    )
}
