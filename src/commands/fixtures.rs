//! A scripted API server with one Secret, and a scripted registry, in the process of the test: a command runs against
//! them in milliseconds of paused time.

use std::{
    future::ready,
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
    uri::Authority,
};
use http_body_util::BodyExt as _;
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::service_fn;

use crate::{
    commands::{doctor, ensure, operation::Operation, plan, target::Target, verify},
    config::{Config, Mode},
    credential::{Credential, KnownSecrets, Token},
    decide::CredentialSource,
    dockerconfig::{Document, Entry},
    kubernetes::{
        api::KubernetesApi,
        client::{ApiConnection, Authorization},
        secret::DOCUMENT_KEY,
        token_request::ServiceAccountRef,
    },
    outcome::Outcome,
    registry::Registries,
    transport::{Answer, Failure, HttpRequest, Https, deadline::Deadline},
};

/// OpenShift's registry, which is the default.
pub const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000";
/// The uid of the Secret that the API server creates.
pub const UID: &str = "6f2d";

/// What the servers hold, and how they deviate from their usual answers.
pub struct Cluster {
    /// The Secret as JSON; none where there is none.
    pub secret: Option<Value>,
    /// The requests that change something: `apply MANAGER` or `token`.
    pub writes: Vec<String>,
    /// How many tokens were issued; the last one's id is `token-COUNT`.
    pub issued: u32,
    /// The registry's status for a manifest, by the password.
    pub registry: fn(&str) -> u16,
    /// Whether the API server accepts a token.
    pub accepts: fn(&str) -> bool,
    /// Verbs that an access review denies.
    pub denies: &'static [&'static str],
    /// Changes the state before the API server answers a request with this method.
    pub before: fn(&Method, &mut Cluster),
    /// A status that the API server answers with instead of doing what is asked.
    pub fails: fn(&Method) -> Option<u16>,
    /// How many forced applies are done and then answered with 503.
    pub lost_answers: u32,
    /// Changes the Secret after each forced apply, as another controller does.
    pub after_apply: fn(&mut Cluster),
    version: u32,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            secret: None,
            writes: Vec::new(),
            issued: 0,
            registry: |_| 200,
            accepts: |_| true,
            denies: &[],
            before: |_, _| {},
            fails: |_| None,
            lost_answers: 0,
            after_apply: |_| {},
            version: 1,
        }
    }
}

impl Cluster {
    /// Stores a Secret with this document, of the right type.
    pub fn store(&mut self, document: &str) {
        self.version += 1;
        self.secret = Some(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {
                "name": "pull", "namespace": "demo", "uid": UID, "resourceVersion": self.version.to_string(),
            },
            "data": { DOCUMENT_KEY: STANDARD.encode(document) },
        }));
    }

    /// Another writer changes the Secret: its version is another one then.
    pub fn touch(&mut self) {
        self.version += 1;
        let version = self.version.to_string();
        if let Some(secret) = &mut self.secret {
            secret["metadata"]["resourceVersion"] = version.into();
        }
    }

    /// The stored document.
    pub fn document(&self) -> String {
        let secret = self.secret.as_ref().expect("a Secret");
        let encoded = secret["data"][DOCUMENT_KEY].as_str().expect("a document");
        String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("text")
    }

    fn answer(&mut self, method: &Method, path: &str, token: &str, body: &Value) -> (u16, Value) {
        (self.before)(method, self);
        if let Some(status) = (self.fails)(method) {
            return failure(status, "");
        }
        if path.ends_with("/selfsubjectreviews") {
            return if (self.accepts)(token) {
                (
                    201,
                    json!({"metadata": {}, "status": {"userInfo": {"username": "u"}}}),
                )
            } else {
                failure(401, "")
            };
        }
        if path.ends_with("/selfsubjectaccessreviews") {
            let attributes = &body["spec"]["resourceAttributes"];
            let allowed = !self.denies.iter().any(|verb| attributes["verb"] == *verb);
            return (
                201,
                json!({"metadata": {}, "spec": {}, "status": {"allowed": allowed}}),
            );
        }
        if path.ends_with("/selfsubjectrulesreviews") {
            let status = json!({"incomplete": false, "nonResourceRules": [], "resourceRules": []});
            return (201, json!({"metadata": {}, "spec": {}, "status": status}));
        }
        if path.ends_with("/token") {
            return self.issue(body);
        }
        match (method, &self.secret) {
            (&Method::GET, Some(secret)) => (200, secret.clone()),
            (&Method::GET, None) => failure(404, "secrets"),
            (&Method::PATCH, _) => self.apply(path, body),
            _ => failure(405, ""),
        }
    }

    fn issue(&mut self, body: &Value) -> (u16, Value) {
        let bound = &body["spec"]["boundObjectRef"];
        match &self.secret {
            Some(secret) if secret["metadata"]["uid"] == bound["uid"] => {}
            Some(_) => return failure(409, "secrets"),
            None => return failure(404, "secrets"),
        }
        self.issued += 1;
        self.writes.push("token".to_owned());
        let token = jwt(&format!("token-{}", self.issued), 86_400);
        let status = json!({"token": token, "expirationTimestamp": "2030-01-01T00:00:00Z"});
        (
            201,
            json!({"metadata": {}, "spec": {"audiences": []}, "status": status}),
        )
    }

    fn apply(&mut self, query: &str, body: &Value) -> (u16, Value) {
        let is_forced = query.contains("force=true");
        let manager = query
            .split(['?', '&'])
            .find_map(|part| part.strip_prefix("fieldManager="));
        self.writes.push(format!("apply {}", manager.unwrap_or_default()));
        let status = match &mut self.secret {
            None if is_forced => return failure(409, "secrets"),
            None => {
                let data = body["data"][DOCUMENT_KEY].clone();
                self.store("");
                let secret = self.secret.as_mut().expect("a Secret");
                secret["data"][DOCUMENT_KEY] = data;
                201
            }
            Some(secret) if !is_forced => {
                if secret["data"] != body["data"] {
                    return failure(409, "secrets");
                }
                200
            }
            Some(secret) => {
                let is_same = |field: &str| secret["metadata"][field] == body["metadata"][field];
                if !is_same("uid") || !is_same("resourceVersion") {
                    return failure(409, "secrets");
                }
                if secret["immutable"] == true {
                    return failure(422, "secrets");
                }
                secret["data"] = body["data"].clone();
                for field in ["labels", "annotations"] {
                    secret["metadata"][field] = body["metadata"][field].clone();
                }
                self.touch();
                (self.after_apply)(self);
                if self.lost_answers > 0 {
                    self.lost_answers -= 1;
                    return failure(503, "");
                }
                200
            }
        };
        let metadata = self.secret.as_ref().map(|secret| secret["metadata"].clone());
        let kind = "PartialObjectMetadata";
        (
            status,
            json!({"apiVersion": "meta.k8s.io/v1", "kind": kind, "metadata": metadata}),
        )
    }
}

fn failure(code: u16, kind: &str) -> (u16, Value) {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": "", "reason": "",
        "details": {"kind": kind},
    });
    (code, status)
}

/// A token of demo/model-puller, bound to the Secret, that has `seconds` of a day left.
pub fn jwt(id: &str, seconds: i64) -> String {
    let now = Timestamp::now().as_second();
    let claims = json!({
        "aud": ["api"], "iat": now + seconds - 86_400, "exp": now + seconds, "jti": id,
        "sub": "system:serviceaccount:demo:model-puller",
        "kubernetes.io": {
            "namespace": "demo", "serviceaccount": {"name": "model-puller", "uid": "1"},
            "secret": {"name": "pull", "uid": UID},
        },
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&claims))
}

/// The document with `password` for the registry, as `ensure` writes it.
pub fn document(password: &str) -> String {
    let entry = Entry::new("<token>", SecretString::from(password)).expect("an entry");
    let empty = Document::parse(br#"{"auths":{}}"#).expect("a document");
    let edited = empty.with_entries(&[(REGISTRY, &entry)]).expect("a document");
    String::from_utf8(edited.bytes).expect("text")
}

/// The servers, and what the runs against them are given.
pub struct Scene {
    cluster: Arc<Mutex<Cluster>>,
    variables: Vec<(&'static str, String)>,
    robot: Option<&'static str>,
}

impl Scene {
    /// Without a Secret; the image is there and pulls.
    pub fn new() -> Self {
        let image = format!("{REGISTRY}/team/app:1");
        Self {
            cluster: Arc::default(),
            variables: vec![
                ("PULL_SECRET_NAME", "pull".to_owned()),
                ("PULL_SECRET_NAMESPACE", "demo".to_owned()),
                ("PULL_SECRET_SERVICE_ACCOUNT", "model-puller".to_owned()),
                ("PULL_SECRET_IMAGE", image),
                ("PULL_SECRET_TIMEOUT", "60s".to_owned()),
                // No name is looked up then.
                ("PULL_SECRET_CONNECT_TO", format!("{REGISTRY}=registry.test:443")),
            ],
            robot: None,
        }
    }

    /// With a Secret that holds this document.
    pub fn with_document(document: &str) -> Self {
        let scene = Self::new();
        scene.cluster().store(document);
        scene
    }

    /// Stores the password of a file instead of a requested token.
    pub fn from_file(mut self, password: &'static str) -> Self {
        self.robot = Some(password);
        self
    }

    /// The state of the servers.
    pub fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().expect("no panic while it is locked")
    }

    /// Runs a command to its end.
    pub async fn run(&self, mode: Mode) -> Outcome {
        let mut variables = self.variables.clone();
        variables.push(("PULL_SECRET_MODE", mode.as_str().to_owned()));
        if self.robot.is_some() {
            variables.push(("PULL_SECRET_TOKEN_FILE", "/robot/token".to_owned()));
        }
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let config = Config::from_env(variables).expect("a configuration");
        let deadline = Deadline::new(Instant::now(), config.timeout);
        let authority = Authority::from_static("api.test:443");
        let connection = ApiConnection::from_https(self.api_server(), authority);
        let token = SecretString::from("runner");
        let authorization = Authorization::bearer(&token).expect("a header");
        let operation = Operation {
            target: Target::new(&config, "demo".to_owned(), None),
            api: KubernetesApi::new(connection, authorization, "demo", "pull"),
            registries: Registries::new(self.registry(), deadline.registry),
            deadline,
            secrets: KnownSecrets::default(),
            done: Arc::default(),
        };
        let source = match self.robot {
            Some(password) => CredentialSource::File(Box::new(Credential::of(
                &config.username,
                Token::new(SecretString::from(password)),
            ))),
            None => CredentialSource::TokenRequest {
                service_account: ServiceAccountRef {
                    namespace: "demo".to_owned(),
                    name: "model-puller".to_owned(),
                },
                audiences: vec!["api".to_owned()],
            },
        };
        let mut outcome = Outcome::default();
        match mode {
            Mode::Ensure => ensure::ensure(&operation, &source, &mut outcome).await,
            Mode::Plan => plan::plan(&operation, &source, &mut outcome).await,
            Mode::Verify => verify::verify(&operation, &mut outcome).await,
            Mode::Doctor => doctor::doctor(&operation, Ok(source), &mut outcome).await,
        }
        outcome
    }

    fn api_server(&self) -> Https {
        let cluster = Arc::clone(&self.cluster);
        Https::from_service(service_fn(move |request: HttpRequest| {
            let cluster = Arc::clone(&cluster);
            async move {
                let (parts, body) = request.into_parts();
                let body = body
                    .collect()
                    .await
                    .map_err(|_| Failure::NoConnection)?
                    .to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
                let token = authorization(&parts.headers).replace("Bearer ", "");
                let mut cluster = cluster.lock().expect("no panic while it is locked");
                let path = path.trim_end_matches('?');
                let (status, body) = cluster.answer(&parts.method, path, &token, &body);
                Ok(answer(status, "application/json", body.to_string()))
            }
        }))
    }

    fn registry(&self) -> Https {
        let cluster = Arc::clone(&self.cluster);
        Https::from_service(service_fn(move |request: HttpRequest| {
            let pair = authorization(request.headers()).replace("Basic ", "");
            let pair = STANDARD.decode(pair).unwrap_or_default();
            let pair = String::from_utf8(pair).unwrap_or_default();
            let status = match pair.split_once(':') {
                None => 401,
                Some((_, password)) => {
                    let registry = cluster.lock().expect("no panic while it is locked").registry;
                    registry(password)
                }
            };
            let is_manifest = status == 200 && request.uri().path().contains("/manifests/");
            let mut answer = answer(
                status,
                if is_manifest {
                    "application/vnd.oci.image.manifest.v1+json"
                } else {
                    "application/json"
                },
                match status {
                    404 => r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#.to_owned(),
                    _ => "{}".to_owned(),
                },
            );
            if status == 401 {
                let challenge = format!("Bearer realm=\"https://{REGISTRY}/openshift/token\"");
                let challenge = HeaderValue::try_from(challenge).expect("a value");
                answer.headers.insert(WWW_AUTHENTICATE, challenge);
            }
            ready(Ok(answer))
        }))
    }
}

fn authorization(headers: &HeaderMap) -> String {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn answer(status: u16, content_type: &'static str, body: String) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]),
        body: body.into(),
    }
}
