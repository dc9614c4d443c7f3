//! `verify` against the kubelet and containers/image: the same document, and a registry that accepts some of its
//! credentials.
//!
//! The clients' own code answers which credentials each would send, in which order. `verify` runs in this process, against
//! a scripted API server and registry, in paused time.

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose};
use ensure_pull_secret::{
    commands::{self, operation::Operation, target::Target},
    config::Config,
    credential::{KnownSecrets, Token},
    kubernetes::{
        api::KubernetesApi,
        client::{ApiConnection, Authorization},
    },
    outcome::{Outcome, Progress},
    registry::Registries,
    transport::{Answer, HttpRequest, Https, deadline::Deadline},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;
use tower::service_fn;

use crate::{
    consumers::{self, Consumers, Credential, Finding, Verdict},
    containers_image::ATTEMPTS,
    search::{Tally, agree},
};

/// Images, with keys of `auths` for their registry: most of them match for the kubelet.
const IMAGES: [(&str, &str, &[&str]); 4] = [
    (
        "quay.io/team/model",
        "quay.io",
        &[
            "quay.io",
            "https://quay.io",
            "http://quay.io/v1/",
            "quay.io/",
            "quay.io/team",
            "https://quay.io/v2/team",
            "quay.io/team/model",
            "quay.io/team/",
            "quay.io/te",
            "*.io",
            "u@quay.io",
            "QUAY.IO",
            "quay.io/other",
            "quay.io:443",
        ],
    ),
    (
        "docker.io/team/model",
        "docker.io",
        &[
            "https://index.docker.io/v1/",
            "https://index.docker.io/v2/",
            "index.docker.io",
            "docker.io",
            "docker.io/team",
            "docker.io/team/model",
            "https://docker.io/",
            "*.io",
            "registry-1.docker.io",
            "https://registry.hub.docker.com",
        ],
    ),
    (
        "registry.example.com:5000/team/model",
        "registry.example.com:5000",
        &[
            "registry.example.com:5000",
            "https://registry.example.com:5000",
            "https://registry.example.com:5000/v2/",
            "registry.example.com:5000/team",
            "registry.example.com:5000/team/model",
            "*.example.com:5000",
            "*.*.com:5000",
            "registry.example.com",
        ],
    ),
    (
        "localhost:46000/team/model",
        "localhost:46000",
        &[
            "localhost:46000",
            "http://localhost:46000",
            "localhost:46000/team",
            "localhost:46000/team/model",
            "local*:46000",
            "LOCALHOST:46000",
            "localhost",
        ],
    ),
];

/// One document, the image, and the numbers of the credentials that the registry accepts.
#[derive(Clone, Debug)]
struct Case {
    image: &'static str,
    registry: &'static str,
    document: String,
    accepted: Vec<u32>,
}

fn case() -> impl Strategy<Value = Case> {
    select(IMAGES.to_vec()).prop_flat_map(|(image, registry, keys)| {
        let entries = vec((select(keys.to_vec()), entry()), 1..8);
        (entries, vec(0..CREDENTIALS, 0..5)).prop_map(move |(mut entries, accepted)| {
            // A key that is there twice is another test's.
            entries.sort_by_key(|(key, _)| *key);
            entries.dedup_by_key(|(key, _)| *key);
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, entry)| format!("\"{key}\":{entry}"))
                .collect();
            Case {
                image,
                registry,
                document: format!("{{\"auths\":{{{}}}}}", entries.join(",")),
                accepted,
            }
        })
    })
}

/// How many credentials there are: so few that two entries often have the same one.
const CREDENTIALS: u32 = 5;

/// An entry; most have a credential that every client reads.
fn entry() -> impl Strategy<Value = String> {
    let auth = |number: u32| general_purpose::STANDARD.encode(format!("u{number}:pw-{number}"));
    (0..CREDENTIALS, 0..24_u32).prop_map(move |(number, form)| match form {
        0 => "{}".to_owned(),
        1 => format!(r#"{{"username":"u{number}","password":"pw-{number}"}}"#),
        // Without its padding, which the kubelet alone accepts.
        2 => format!(r#"{{"auth":"{}"}}"#, auth(number).trim_end_matches('=')),
        3 => r#"{"auth":"?"}"#.to_owned(),
        4 => format!(r#"{{"auth":"{}","identitytoken":"t"}}"#, auth(number)),
        5 => r#"{"identitytoken":"t"}"#.to_owned(),
        6 | 7 => format!(
            r#"{{"username":"u{number}","password":"pw-{number}","auth":"{}"}}"#,
            auth(number)
        ),
        _ => format!(r#"{{"auth":"{}"}}"#, auth(number)),
    })
}

/// User name and password.
type Login = (String, String);

/// Runs `verify`; its outcome, and the credentials that the registry was sent, in order, each once.
fn verify(case: &Case) -> (Outcome, Vec<Login>) {
    let sent: Arc<Mutex<Vec<Login>>> = Arc::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(run(case, &sent));
    let mut logins: Vec<Login> = Vec::new();
    for login in sent.lock().expect("no panic while it is locked").drain(..) {
        if !logins.contains(&login) {
            logins.push(login);
        }
    }
    (outcome, logins)
}

async fn run(case: &Case, sent: &Arc<Mutex<Vec<Login>>>) -> Outcome {
    let variables = [
        ("PULL_SECRET_NAME", "pull"),
        ("PULL_SECRET_NAMESPACE", "demo"),
        ("PULL_SECRET_MODE", "verify"),
        ("PULL_SECRET_REGISTRY", case.registry),
        ("PULL_SECRET_IMAGE", case.image),
        ("PULL_SECRET_TIMEOUT", "1h"),
    ];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let config = Config::from_env(variables).expect("a configuration");
    let deadline = Deadline::new(tokio::time::Instant::now(), config.timeout);
    let connection =
        ApiConnection::from_https(api_server(&case.document), Authority::from_static("api.test:443"));
    let token = Token::new("runner".to_owned().into());
    let authorization = Authorization::bearer(token.secret()).expect("a header");
    let operation = Operation {
        target: Target::new(&config, "demo".to_owned(), None),
        api: KubernetesApi::new(connection, authorization, None, ("demo", "pull")),
        registries: Registries::new(registry(case, Arc::clone(sent)), deadline.registry),
        deadline,
        secrets: KnownSecrets::default(),
        progress: Progress::default(),
        sent: std::cell::RefCell::default(),
    };
    commands::run(&operation).await
}

/// The Secret with this document.
fn api_server(document: &str) -> Https {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull", "namespace": "demo", "uid": "6f2d", "resourceVersion": "1"},
        "data": {".dockerconfigjson": general_purpose::STANDARD.encode(document)},
    });
    let body = secret.to_string();
    Https::from_service(service_fn(move |_: HttpRequest| {
        ready(Ok(answer(200, "application/json", body.clone())))
    }))
}

/// A registry with Basic authentication, which records each login.
fn registry(case: &Case, sent: Arc<Mutex<Vec<Login>>>) -> Https {
    let accepted: Vec<String> = case
        .accepted
        .iter()
        .map(|number| format!("pw-{number}"))
        .collect();
    Https::from_service(service_fn(move |request: HttpRequest| {
        let login = login(request.headers());
        let is_accepted = login
            .as_ref()
            .is_some_and(|(_, password)| accepted.contains(password));
        sent.lock().expect("no panic while it is locked").extend(login);
        let is_manifest = request.uri().path().contains("/manifests/");
        let mut answer = match (is_accepted, is_manifest) {
            (false, _) => answer(401, "application/json", "{}".to_owned()),
            (true, false) => answer(200, "application/json", "{}".to_owned()),
            (true, true) => answer(200, "application/vnd.oci.image.manifest.v1+json", "{}".to_owned()),
        };
        let challenge = HeaderValue::from_static("Basic realm=registry");
        answer.headers.insert(header::WWW_AUTHENTICATE, challenge);
        ready(Ok(answer))
    }))
}

fn answer(status: u16, content_type: &'static str, body: String) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]),
        body: body.into(),
    }
}

fn login(headers: &HeaderMap) -> Option<Login> {
    let pair = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Basic ")?;
    let pair = String::from_utf8(general_purpose::STANDARD.decode(pair).ok()?).ok()?;
    let (username, password) = pair.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}

#[test]
fn verify_sends_what_the_kubelet_sends_and_ends_as_the_pull_would() {
    let consumers = Consumers::start();
    agree(
        case(),
        &[
            // At least 2,000 cases are tried, so that this is never below 500.
            ("several entries for the image", 4),
            ("pulls with the first entry", 8),
            ("pulls with a later entry", 20),
            ("no entry works", 8),
            ("rejected by the kubelet", 20),
            ("nothing for the image", 60),
            ("containers/image uses another or none", 20),
        ],
        |case, tally| judge(&consumers, &case, tally),
    );
}

fn judge(consumers: &Consumers, case: &Case, tally: &mut Tally) -> Result<(), String> {
    let document = case.document.as_bytes();
    let Verdict {
        kubelet,
        containers_image,
        ..
    } = consumers.read(document, &[case.image]);
    let (outcome, sent) = verify(case);
    let is_ok = outcome.findings.iter().all(|finding| finding.exit_code() == 0);
    if kubelet.refused {
        tally.count("rejected by the kubelet");
        return holds(!is_ok, || {
            "the kubelet rejects the document, verify ends with ok".to_owned()
        });
    }
    let groups: Vec<Vec<consumers::Entry>> = kubelet.lookups.concat();
    match groups.concat().len() {
        0 => tally.count("nothing for the image"),
        1 => tally.count("one entry for the image"),
        _ => tally.count("several entries for the image"),
    }
    let used = tried(case, &groups, &sent)?;
    holds(is_ok == used.is_some(), || {
        format!(
            "the kubelet pulls with {used:?}, verify finds {:?}",
            outcome.findings
        )
    })?;
    let Some(used) = used else {
        tally.count("no entry works");
        return Ok(());
    };
    let is_first = groups.concat().first().map(login_of) == Some(used.clone());
    tally.count(if is_first {
        "pulls with the first entry"
    } else {
        "pulls with a later entry"
    });
    let is_different = outcome
        .warnings
        .iter()
        .any(|warning| warning.contains("skopeo and buildah do not use"));
    if is_different {
        tally.count("containers/image uses another or none");
    }
    let agrees = |findings: &[Vec<Finding>]| {
        findings
            .concat()
            .iter()
            .any(|finding| is_used(finding, &used) != is_different)
    };
    // containers/image takes the first match in a Go map.
    let is_same = agrees(&containers_image)
        || agrees(
            &consumers
                .read_often(document, &[case.image], ATTEMPTS)
                .containers_image,
        );
    holds(is_same, || {
        format!(
            "containers/image finds {containers_image:?}, verify warns {:?}",
            outcome.warnings
        )
    })
}

fn is_used(finding: &Finding, used: &Login) -> bool {
    let expected = Credential {
        username: used.0.clone(),
        password: used.1.clone(),
        identity_token: String::new(),
    };
    finding.refusal.is_none() && finding.credential.as_ref() == Some(&expected)
}

fn login_of(entry: &consumers::Entry) -> Login {
    (entry.username.clone(), entry.password.clone())
}

/// The credential that the kubelet pulls with: it sends one group after the other until one works. `sent` must be what it
/// sends, without empty entries and each once. Within a group the kubelet has no order.
fn tried(case: &Case, groups: &[Vec<consumers::Entry>], sent: &[Login]) -> Result<Option<Login>, String> {
    let works = |login: &Login| {
        case.accepted
            .iter()
            .any(|number| login.1 == format!("pw-{number}"))
    };
    let mut known: Vec<Login> = Vec::new();
    let mut rest = sent;
    for group in groups {
        let mut expected: Vec<Login> = Vec::new();
        for login in group
            .iter()
            .map(login_of)
            .filter(|(user, password)| !user.is_empty() && !password.is_empty())
        {
            if !known.contains(&login) && !expected.contains(&login) {
                expected.push(login);
            }
        }
        let is_last = expected.iter().any(works);
        let count = rest.iter().take_while(|login| expected.contains(login)).count();
        let (head, tail) = rest.split_at(count);
        let is_whole = is_last || count == expected.len();
        let is_right = !is_last || (head.last().is_some_and(works) && tail.is_empty());
        holds(is_whole && is_right, || {
            format!("the kubelet sends {expected:?} of {groups:?}, verify sends {sent:?}")
        })?;
        if is_last {
            return Ok(head.last().cloned());
        }
        known.extend(expected);
        rest = tail;
    }
    holds(rest.is_empty(), || {
        format!("the kubelet sends {groups:?}, verify sends {sent:?}")
    })?;
    Ok(None)
}

fn holds(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
