//! What a run works with: who calls, where the Secret is, whom to trust, and until when.

mod refused;
mod yaml;

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    config::{Config, Depth},
    credential::{Claims, Credential, KnownSecrets, Token, TokenKind},
    decide::Source,
    dockerconfig,
    image::{ImageReference, RegistryHost},
    kubernetes::{
        access_review::Reviewer,
        client::ApiServer,
        in_cluster::{
            api_server_authority, io_text, mounted, not_in_cluster, own_namespace, registry_trust, shown,
        },
        secret::{SecretApi, StoredSecret},
    },
    outcome::{ExcessPermissions, Finding, Outcome, Reason},
    registry::{self, Registries},
    text::clip_name,
    transport::{Dialer, Https, deadline::Deadline, roots},
    verification::Verifier,
};

/// How long the review of what a credential may do beyond pulling may take, its retries included.
const EXCESS: Duration = Duration::from_secs(5);

/// What a run works with.
pub struct Context<'a> {
    /// What was asked for.
    pub config: &'a Config,
    /// The Secret's namespace.
    pub namespace: String,
    /// The account that runs this, `(namespace, name)`; none where its token does not tell.
    pub caller: Option<(String, String)>,
    /// The API server.
    pub api: ApiServer,
    /// Calls as the account that runs this.
    pub client: kube::Client,
    /// The Secret.
    pub secret: SecretApi,
    /// The registries.
    pub registries: Registries,
    /// The run's shares of time.
    pub deadline: Deadline,
    /// Secrets of this run: a name from a server that shows one of them is not printed.
    pub secrets: KnownSecrets,
    caller_token: Token,
    done: Arc<Mutex<Outcome>>,
}

impl<'a> Context<'a> {
    /// Reads the pod's identity and trust. Nothing is sent yet.
    ///
    /// # Errors
    /// `not-in-cluster`, or `invalid-configuration` where a file that was named can't be used. `notes` takes what
    /// could be left aside.
    pub fn new(
        config: &'a Config,
        deadline: Deadline,
        done: Arc<Mutex<Outcome>>,
        notes: &mut Vec<String>,
    ) -> Result<Self, Finding> {
        let directory = &config.service_account_dir;
        let authority = api_server_authority(config)?;
        let ca = mounted(directory, "ca.crt")?;
        let token = mounted(directory, "token")?;
        let caller_token = Token::from_file_content(&token)
            .map_err(|error| not_in_cluster(format!("the file token in {}: {error}", shown(directory))))?;
        let tls = roots::only(&ca)
            .map_err(|error| not_in_cluster(format!("the file ca.crt in {}: {error}", shown(directory))))?;
        let api = ApiServer::new(tls, authority, deadline.writing);
        let client = api
            .client(caller_token.secret())
            .map_err(|_| not_in_cluster(format!("the file token in {} holds no token", shown(directory))))?;
        let namespace = match &config.namespace {
            Some(namespace) => namespace.to_string(),
            None => own_namespace(directory)?,
        };
        let claims = caller_token.claims();
        let caller = claims
            .and_then(|claims| claims.service_account())
            .map(|(ns, name)| (ns.to_owned(), name.to_owned()));
        let https = Https::new(
            registry_trust(config, notes)?,
            Dialer::indirect(config.connect_to.clone(), &config.proxy),
            registry::ANSWER_LIMIT,
        );
        let secrets = KnownSecrets::default();
        secrets.add("", caller_token.secret());
        Ok(Self {
            secrets,
            secret: SecretApi::new(client.clone(), &namespace, config.name.as_str()),
            registries: Registries::new(https, deadline.registry),
            config,
            namespace,
            caller,
            api,
            client,
            deadline,
            caller_token,
            done,
        })
    }

    /// The Secret as it is stored; none where there is none.
    ///
    /// # Errors
    /// What the API server's refusal means.
    pub async fn read(&self) -> Result<Option<StoredSecret>, Finding> {
        let name = self.config.name.as_str();
        let secret = self.secret.get().await;
        let secret = secret.map_err(|refusal| self.refused("get", "secrets", name, &refusal))?;
        if let Some(secret) = &secret {
            self.secrets
                .add_document(secret.document(), dockerconfig::stored_secrets);
        }
        Ok(secret)
    }

    /// Whose credential shall be stored.
    ///
    /// # Errors
    /// `invalid-configuration` where the file can't be used, or where no account is named and the caller's own can't
    /// be it; `pod-bound-token`.
    pub fn source(&self, notes: &mut Vec<String>) -> Result<Source, Finding> {
        let Some(path) = &self.config.token_file else {
            return Ok(Source::Mint {
                service_account: self.service_account()?,
                audiences: self
                    .caller_token
                    .claims()
                    .map(|claims| claims.audiences.clone())
                    .unwrap_or_default(),
            });
        };
        let invalid =
            |cause: String| Finding::new(Reason::InvalidConfiguration, cause).about("PULL_SECRET_TOKEN_FILE");
        let content = fs::read(path).map_err(|error| {
            invalid(format!(
                "PULL_SECRET_TOKEN_FILE {} {}",
                shown(path),
                io_text(&error)
            ))
        })?;
        let username = &self.config.username;
        let token = Token::from_token_file(&content, username)
            .map_err(|error| invalid(format!("PULL_SECRET_TOKEN_FILE {}: {error}", shown(path))))?;
        let credential = Credential::of(username, token);
        credential.add_to(&self.secrets);
        let (token, kubernetes) = (&credential.token, credential.is_kubernetes_token());
        let untrusted = |registry: &&RegistryHost| !self.config.may_receive_kubernetes_token(registry);
        if let Some(registry) = self
            .config
            .registries
            .iter()
            .find(untrusted)
            .filter(|_| kubernetes)
        {
            return Err(untrusted_registry(registry));
        }
        if token
            .claims()
            .and_then(|claims| claims.kubernetes.as_ref())
            .is_some_and(|bound| bound.pod.is_some())
        {
            let cause = format!("the token in {} is bound to a pod and dies with it", shown(path));
            return Err(Finding::new(Reason::PodBoundToken, cause));
        }
        if token.kind() == TokenKind::OpenShiftLogin {
            notes.push(
                "PULL_SECRET_TOKEN_FILE holds a person's login token: it ends with that login.".to_owned(),
            );
        }
        Ok(Source::File(Box::new(credential)))
    }

    /// Whose token is to be stored, `(namespace, name)`.
    ///
    /// # Errors
    /// `invalid-configuration` where none is named and the caller's own can't be it.
    pub fn service_account(&self) -> Result<(String, String), Finding> {
        if let Some(name) = &self.config.service_account {
            return Ok((self.namespace.clone(), name.to_string()));
        }
        match &self.caller {
            Some((namespace, name)) if *namespace == self.namespace => Ok((namespace.clone(), name.clone())),
            _ => Err(Finding::new(
                Reason::InvalidConfiguration,
                "PULL_SECRET_SERVICE_ACCOUNT is required: the account that runs this is not one of the Secret's namespace",
            )
            .about("PULL_SECRET_SERVICE_ACCOUNT")
            .with_remedy("Set it to the account that may only pull, such as model-puller.")),
        }
    }

    /// A verifier for `credential`; asked about nothing yet.
    pub fn verifier<'c>(&'c self, registries: &'c Registries, credential: &'c Credential) -> Verifier<'c> {
        credential.add_to(&self.secrets);
        let may_go_to = if credential.is_kubernetes_token() {
            MayGoTo::KubernetesToken
        } else {
            MayGoTo::Other
        };
        Verifier::new(
            registries,
            self.reviewer(credential),
            credential,
            (self.config.access, self.config.verify),
            Box::new(move |registry, host, port| may_go_to.allows(self.config, registry, host, port)),
        )
    }

    /// Asks the API server about `credential`; none where it is not exactly a Kubernetes token.
    fn reviewer(&self, credential: &Credential) -> Option<Reviewer> {
        if !credential.token.is_whole() {
            return None;
        }
        let client = self.api.client(credential.token.secret()).ok()?;
        Some(Reviewer::new(self.api.clone(), client))
    }

    /// What `credential` may do in the Secret's namespace beyond pulling. Said beside the work, so it may not hold it up;
    /// none where the API server may not be asked, or doesn't answer soon.
    pub async fn excess(&self, credential: &Credential) -> Option<ExcessPermissions> {
        let Config { access, verify, .. } = *self.config;
        if verify == Depth::Structure {
            return None;
        }
        let reviewer = self.reviewer(credential)?;
        let soon = self.deadline.registry.min(Instant::now() + EXCESS);
        let mut excess = tokio::time::timeout_at(soon, reviewer.excess(&self.namespace, access))
            .await
            .ok()??;
        if !excess.rights.is_empty() {
            excess.remedy = Some(self.puller(credential));
        }
        Some(excess)
    }

    /// The account that runs this, `(namespace, name)`.
    fn runner(&self) -> Option<(&str, &str)> {
        let (namespace, name) = self.caller.as_ref()?;
        Some((namespace, name))
    }

    /// Each registry with the images that it serves: those whose credential the kubelet would find under its key.
    pub fn registries_with_images(&self) -> Vec<(&'a RegistryHost, Vec<&'a ImageReference>)> {
        let mut rows: Vec<_> = self
            .config
            .registries
            .iter()
            .map(|registry| (registry, Vec::new()))
            .collect();
        for image in &self.config.images {
            let covering = rows.iter_mut().filter(|(registry, _)| registry.covers(image));
            // The kubelet tries the most specific key first.
            if let Some((_, images)) =
                covering.max_by_key(|(registry, _)| registry.path().map_or(0, str::len))
            {
                images.push(image);
            }
        }
        rows
    }

    /// What the mounted token says of itself.
    pub fn caller_claims(&self) -> Option<&Claims> {
        self.caller_token.claims()
    }

    /// The account that runs this, in a sentence.
    pub fn runner_name(&self) -> String {
        self.runner().map_or_else(
            || "the account that runs this".to_owned(),
            |(namespace, name)| clip_name(&format!("{namespace}/{name}"), 60),
        )
    }

    /// Keeps what was done where a panic's last words find it.
    pub fn checkpoint(&self, outcome: &Outcome) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = outcome.clone();
    }

    /// Calls made from now on may use the time that was kept for the write.
    pub fn begin_writing(&self) {
        self.api.set_until(self.deadline.end);
    }

    /// Calls made from now on leave the time for the write alone.
    pub fn begin_reading(&self) {
        self.api.set_until(self.deadline.writing);
    }
}

/// Where a credential may be sent beside the registry that it is for.
#[derive(Clone, Copy)]
enum MayGoTo {
    /// It opens the API server: to hosts that were named, and OpenShift's internal registry.
    KubernetesToken,
    /// Any other: also to the realms that plainly belong to their registries.
    Other,
}

impl MayGoTo {
    fn allows(self, config: &Config, registry: &RegistryHost, host: &str, port: u16) -> bool {
        let named = config.trusted_hosts.iter().any(|trusted| trusted.is(host, port));
        let belongs = match (registry.host_port(), host) {
            ("docker.io", "auth.docker.io") | ("registry.gitlab.com", "gitlab.com") => port == 443,
            _ => false,
        };
        match self {
            Self::KubernetesToken => named,
            Self::Other => named || belongs,
        }
    }
}

/// A Kubernetes token for a registry that was not named: it opens the API server, not just a registry.
pub fn untrusted_registry(registry: &RegistryHost) -> Finding {
    let name = clip_name(&registry.to_string(), 80);
    Finding::new(
        Reason::InvalidConfiguration,
        format!("a Kubernetes token opens the API server, and {name} is not trusted with one"),
    )
    .about("PULL_SECRET_TRUSTED_HOSTS")
    .with_remedy(format!(
        "If it may have it, set PULL_SECRET_TRUSTED_HOSTS to {}.",
        clip_name(registry.host_port(), 80)
    ))
}
