//! What a command works with: the target, and the clients that reach the API server and the registries.

use std::{cell::RefCell, time::Duration};

use k8s_openapi::jiff::SignedDuration;
use tokio::time::Instant;

use crate::{
    commands::{ensure::new_credential::VerifiedCredential, sent_write::SentWrite, target::Target},
    config::{Config, Depth},
    credential::{Credential, KnownSecrets, Token},
    dockerconfig,
    kubernetes::{
        api::KubernetesApi,
        client::{ApiConnection, Authorization},
        error::KubernetesError,
        explain_error::{ApiRequest, ErrorContext, explain_error},
        in_cluster::{api_server_authority, mounted, not_in_cluster, own_namespace, registry_trust, shown},
        secret::StoredSecret,
    },
    outcome::{ExcessPermissions, Finding, Outcome, Progress, Reason},
    registry::{self, Registries},
    transport::{Dialer, Https, deadline::Deadline, roots},
    verification::{
        Evidence, Verifier,
        explain::{Explained, Explainer},
    },
};

/// The largest difference between this machine's clock and the API server's that isn't reported.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// How long a run that a signal ended may read the Secret, to report whether its last write was done.
const LAST_READ_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the review of excess permissions may take, its retries included.
const EXCESS_REVIEW_TIMEOUT: Duration = Duration::from_secs(5);

/// What a command works with.
pub struct Operation<'a> {
    /// What the run is about.
    pub target: Target<'a>,
    /// The API server, as the account that runs the program.
    pub api: KubernetesApi,
    /// The registries.
    pub registries: Registries,
    /// The run's shares of time.
    pub deadline: Deadline,
    /// Secrets of the run: a name from a server that shows one of them is not printed.
    pub secrets: KnownSecrets,
    /// What was done so far.
    pub progress: Progress,
    /// The last write that was sent.
    pub sent: RefCell<Option<SentWrite>>,
}

impl<'a> Operation<'a> {
    /// Reads the pod's identity and trust. Nothing is sent yet.
    ///
    /// # Errors
    /// `not-in-cluster`, or `invalid-configuration` where a file that was named can't be used.
    pub fn new(config: &'a Config, deadline: Deadline, progress: Progress) -> Result<Self, Finding> {
        let directory = &config.service_account_dir;
        let authority = api_server_authority(config)?;
        let ca = mounted(directory, "ca.crt")?;
        let token = mounted(directory, "token")?;
        let token = Token::from_file_content(&token)
            .map_err(|error| not_in_cluster(format!("the file token in {}: {error}", shown(directory))))?;
        let api_trust = roots::only(&ca)
            .map_err(|error| not_in_cluster(format!("the file ca.crt in {}: {error}", shown(directory))))?;
        let authorization = Authorization::bearer(token.secret())
            .map_err(|_| not_in_cluster(format!("the file token in {} holds no token", shown(directory))))?;
        let namespace = match &config.namespace {
            Some(namespace) => namespace.to_string(),
            None => own_namespace(directory)?,
        };
        let connection = ApiConnection::new(api_trust, authority);
        let api = KubernetesApi::new(
            connection,
            authorization,
            token.claims(),
            (&namespace, config.name.as_str()),
        );
        let mut notes = Vec::new();
        let trust = registry_trust(config, &mut notes)?;
        notes.into_iter().for_each(|note| progress.add_note(note));
        let https = Https::new(
            trust,
            Dialer::indirect(config.connect_to.clone(), config.proxy.clone()),
            registry::ANSWER_LIMIT,
        );
        let secrets = progress.secrets.clone();
        secrets.add("", token.secret());
        Ok(Self {
            target: Target::new(config, namespace, token.claims()),
            api,
            registries: Registries::new(https, deadline.registry),
            deadline,
            secrets,
            progress,
            sent: RefCell::default(),
        })
    }

    /// The Secret as it is stored, read before `until`; none where there is none.
    ///
    /// # Errors
    /// What the API server's error means.
    pub async fn read(&self, until: Instant) -> Result<Option<StoredSecret>, Finding> {
        let secret = self.api.get_secret(until).await;
        let secret = secret.map_err(|error| self.explain_for_secret("get", &error))?;
        if let Some(secret) = &secret {
            self.secrets
                .add_document(secret.document(), dockerconfig::stored_secrets);
        }
        Ok(secret)
    }

    /// Records a write that is about to be sent.
    pub fn sends(&self, write: SentWrite) {
        let credential = write.verified.as_ref().map(|sent| sent.credential.summary());
        self.progress.set_sent(credential.as_ref());
        self.sent.replace(Some(write));
    }

    /// Records whether `secret`, as it was just read, holds the last write that was sent; if so, returns its credential.
    pub fn settle(&self, secret: Option<&StoredSecret>) -> Option<VerifiedCredential> {
        let sent = self.sent.borrow();
        let sent = sent.as_ref()?;
        if sent.verified.is_none() && !self.progress.is_unknown() {
            return None;
        }
        if !secret.is_some_and(|secret| sent.is_in(self.target.config, secret)) {
            self.progress.undo_sent();
            return None;
        }
        self.progress.set_action(sent.action);
        let verified = sent.verified.clone()?;
        self.progress.set_credential(verified.credential.summary());
        Some(verified)
    }

    /// Reads the Secret once more, where it is unknown whether the last write was done; if it was, returns the Secret with
    /// the credential of that write.
    pub async fn look_again(&self, until: Instant) -> Option<(StoredSecret, VerifiedCredential)> {
        if !self.progress.is_unknown() {
            return None;
        }
        let secret = self.read(until).await.ok()?;
        let verified = self.settle(secret.as_ref())?;
        Some((secret?, verified))
    }

    /// What an error of the API server means for `verb` on the Secret.
    pub fn explain_for_secret(&self, verb: &str, error: &KubernetesError) -> Finding {
        self.explain(verb, "secrets", self.target.config.name.as_str(), error)
    }

    /// What an error of the API server means for `verb` on `name`, a `resource`.
    pub fn explain(&self, verb: &str, resource: &str, name: &str, error: &KubernetesError) -> Finding {
        let account = self.target.token_account();
        let context = ErrorContext {
            mode: self.target.config.mode,
            role: self
                .target
                .role_params(account.as_ref().map(|account| account.name.as_str())),
            runner_name: &self.target.runner_name(),
            secrets: &self.secrets,
        };
        let request = ApiRequest { verb, resource, name };
        explain_error(request, error, &context)
    }

    /// A verifier for `credential` that has asked nothing yet; the API server is asked until `until`.
    pub fn verifier<'c>(
        &'c self,
        registries: &'c Registries,
        credential: &'c Credential,
        until: Instant,
    ) -> Verifier<'c> {
        credential.add_to(&self.secrets);
        let policy = self.target.send_policy(credential);
        let Config { access, verify, .. } = *self.target.config;
        Verifier::new(
            registries,
            self.api.reviewer(&credential.token, until),
            credential,
            access,
            verify,
            policy,
        )
    }

    /// What `credential` may do in the Secret's namespace beyond pulling; none where the API server may not be asked, or
    /// doesn't answer within [`EXCESS_REVIEW_TIMEOUT`]: it is reported beside the work and may not delay it.
    pub async fn excess(&self, credential: &Credential) -> Option<ExcessPermissions> {
        let Config { access, verify, .. } = *self.target.config;
        if verify == Depth::Structure {
            return None;
        }
        let reviewer = self.api.reviewer(&credential.token, self.deadline.writing)?;
        let until = self.deadline.registry.min(Instant::now() + EXCESS_REVIEW_TIMEOUT);
        let mut excess = tokio::time::timeout_at(until, reviewer.excess(&self.target.namespace, access))
            .await
            .ok()??;
        if !excess.rights.is_empty() {
            excess.remedy = self.target.puller_yaml(credential);
        }
        Some(excess)
    }

    /// Explains what was verified of `credential`.
    pub fn explain_evidence(&self, credential: &Credential, evidence: &[Evidence]) -> Explained {
        let explainer = Explainer {
            mode: self.target.config.mode,
            credential,
            secrets: &self.secrets,
        };
        explainer.explain(evidence)
    }

    /// Outcome of a run that ends with what was verified of `credential`.
    pub fn outcome_of(&self, credential: &Credential, evidence: &[Evidence]) -> Outcome {
        let explained = self.explain_evidence(credential, evidence);
        Outcome {
            findings: explained.findings,
            registries: explained.registries,
            images: explained.images,
            ..self.progress.outcome()
        }
    }

    /// Outcome of a run that `finding` ends.
    pub fn outcome_with(&self, finding: Finding) -> Outcome {
        Outcome {
            findings: vec![finding],
            ..self.progress.outcome()
        }
    }

    /// Difference between this machine's clock and the API server's, in words, if it is more than [`MAX_CLOCK_SKEW`].
    pub fn clock_skew(&self) -> Option<String> {
        self.api.connection.clock_offset().and_then(skew)
    }

    /// Outcome of a run that was ended `by` its deadline or a signal. The reason is the last failure that was retried;
    /// without one `deadline`.
    pub async fn interrupted(&self, by: &str) -> Outcome {
        let (reason, cause) = if let Some(failure) = self.api.connection.last_failure() {
            let cause = format!("{by}; the API server did not answer ({failure})");
            (Reason::ApiUnavailable, cause)
        } else if self.registries.is_failing() {
            (
                Reason::RegistryUnavailable,
                format!("{by}; the registry did not answer"),
            )
        } else {
            (Reason::Deadline, by.to_owned())
        };
        let until = self.deadline.end.min(Instant::now() + LAST_READ_TIMEOUT);
        self.look_again(until).await;
        self.outcome_with(Finding::new(reason, cause))
    }
}

/// The difference in words, where the API server's clock is `ahead` by too much.
fn skew(ahead: SignedDuration) -> Option<String> {
    let direction = if ahead.is_positive() { "behind" } else { "ahead of" };
    let seconds = ahead.abs().as_secs();
    (ahead.abs() > MAX_CLOCK_SKEW).then(|| format!("{seconds} s {direction} the API server's"))
}

#[cfg(test)]
mod tests;
