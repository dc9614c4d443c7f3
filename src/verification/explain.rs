//! From proofs to findings: what each proof means for the user, and the weakest verification of all. Pure.

use crate::{
    config::Mode,
    credential::{Claims, Credential, KnownSecrets},
    image::ImageReference,
    kubernetes::{
        access_review::TokenReview,
        rbac_yaml::{self, Subject},
    },
    outcome::{Check, Finding, Reason, Verified},
    registry::{Inconclusive, ProtocolError, UntrustedParty},
    text::clip_name,
    transport::{Failure, ProxyCause},
    verification::{Evidence, Proof},
};

mod connection;

/// Default of `PULL_SECRET_USERNAME`, which only a Kubernetes token can have.
const DEFAULT_USERNAME: &str = "<token>";

/// How many characters of a name a cause may hold; the report has the whole one.
const NAME: usize = 60;

/// Explains the evidence of one credential: the one that is stored, or the one that is not written.
pub struct Explainer<'a> {
    /// Mode of the run.
    pub mode: Mode,
    /// The credential.
    pub credential: &'a Credential,
    /// Secrets of the run: a name from a server that contains one is not printed.
    pub secrets: &'a KnownSecrets,
}

/// Meaning of evidence for the report.
#[derive(Default)]
pub struct Explained {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// One row per registry.
    pub registries: Vec<Check>,
    /// One row per image.
    pub images: Vec<Check>,
}

impl Explainer<'_> {
    /// Explains what was verified at each registry.
    pub fn explain(&self, evidence: &[Evidence]) -> Explained {
        let mut explained = Explained::default();
        for at in evidence {
            if let Some(proof) = &at.login {
                explained.findings.extend(self.finding(at, None, proof));
            }
            for (image, proof) in &at.images {
                let finding = self.finding(at, Some(image), proof);
                explained.images.push(Check {
                    subject: image.to_string(),
                    verified: verified(proof),
                    reason: finding.as_ref().map(|finding| finding.reason.as_str()),
                });
                explained.findings.extend(finding);
            }
            explained.registries.push(Check {
                subject: at.registry.to_string(),
                verified: at.proofs().map(verified).min().unwrap_or_default(),
                reason: at
                    .proofs()
                    .filter_map(|proof| self.finding(at, None, proof))
                    .min_by_key(Finding::severity)
                    .map(|finding| finding.reason.as_str()),
            });
        }
        explained
    }

    /// What one proof means for the user; none where all is well.
    fn finding(&self, at: &Evidence, image: Option<&ImageReference>, proof: &Proof) -> Option<Finding> {
        let registry = clip_name(&at.registry.to_string(), NAME);
        let whole = image.map_or_else(|| at.registry.to_string(), ToString::to_string);
        let subject = image.map_or_else(|| registry.clone(), |image| image.clipped(NAME * 2));
        let finding = match proof {
            Proof::Pulls | Proof::Accepted => return None,
            Proof::RepositoryMissing => Finding::new(
                Reason::RepositoryMissing,
                format!("{registry} accepts the credential, but has no repository for {subject}"),
            ),
            Proof::TagMissing => Finding::new(
                Reason::TagMissing,
                format!("{registry} accepts the credential, but {subject} is not there"),
            ),
            Proof::PullForbidden => forbidden(self.credential, at, image, false),
            Proof::PushForbidden => forbidden(self.credential, at, image, true),
            Proof::Rejected => {
                let cause = format!("{registry} does not accept the credential");
                let finding = Finding::new(Reason::CredentialRejected, cause);
                if self.credential.username == DEFAULT_USERNAME && !self.credential.is_kubernetes_token() {
                    finding.with_remedy(format!(
                        "The user name is the default {DEFAULT_USERNAME}: set PULL_SECRET_USERNAME to the name that \
                         belongs to the password, or put a valid one into PULL_SECRET_TOKEN_FILE."
                    ))
                } else {
                    finding
                }
            }
            Proof::Inconclusive(_, TokenReview::Invalid) => Finding::new(
                Reason::CredentialRejected,
                "the API server does not accept the credential",
            ),
            Proof::Inconclusive(_, TokenReview::Unavailable) => Finding::new(
                Reason::ApiUnavailable,
                format!("the API server cannot be asked about the credential, and {registry} did not decide"),
            ),
            // At OpenShift's registry the API server's permission is the registry's.
            Proof::Inconclusive(Inconclusive::NotAsked, TokenReview::Valid) if at.uses_rbac => return None,
            Proof::Inconclusive(Inconclusive::NotAsked, _) if self.mode == Mode::Doctor => return None,
            Proof::Inconclusive(Inconclusive::Untrusted(UntrustedParty::Realm(host)), _)
                if self.secrets.show_in(host) =>
            {
                Finding::new(
                    Reason::RegistryUntrusted,
                    format!(
                        "the token service of {registry} is on another host, whose name contains a secret and is \
                         not printed"
                    ),
                )
                .with_remedy("Find out which server answers as this registry, and replace the credential.")
            }
            Proof::Inconclusive(answer, review @ (TokenReview::Valid | TokenReview::NotApplicable)) => {
                inconclusive(self.mode, &registry, answer, *review, self.secrets)
            }
        };
        Some(finding.about(whole))
    }
}

/// The weakest verification. A registry without a configured image counts when it accepts the credential.
pub fn least_verified(evidence: &[Evidence]) -> Verified {
    let any_image = evidence.iter().any(|at| !at.images.is_empty());
    let of = |at: &Evidence| {
        at.proofs()
            .map(|proof| match proof {
                Proof::Accepted if any_image => Verified::Pull,
                other => verified(other),
            })
            .min()
            .unwrap_or_default()
    };
    evidence.iter().map(of).min().unwrap_or_default()
}

/// The verification that one proof reaches.
pub const fn verified(proof: &Proof) -> Verified {
    match proof {
        Proof::Pulls => Verified::Pull,
        Proof::Accepted
        | Proof::RepositoryMissing
        | Proof::TagMissing
        | Proof::PullForbidden
        | Proof::PushForbidden => Verified::Login,
        Proof::Inconclusive(Inconclusive::PushNotAsked, _) => Verified::Login,
        Proof::Inconclusive(_, TokenReview::Valid) => Verified::Review,
        Proof::Rejected
        | Proof::Inconclusive(
            _,
            TokenReview::Invalid | TokenReview::Unavailable | TokenReview::NotApplicable,
        ) => Verified::None,
    }
}

/// What an inconclusive answer means for the user.
pub fn inconclusive(
    mode: Mode,
    registry: &str,
    answer: &Inconclusive,
    review: TokenReview,
    secrets: &KnownSecrets,
) -> Finding {
    match answer {
        Inconclusive::NotAsked => Finding::new(
            Reason::NotVerified,
            format!("the credential for {registry} was not verified (PULL_SECRET_VERIFY)"),
        )
        .as_warning(),
        Inconclusive::PushNotAsked => Finding::new(
            Reason::NotVerified,
            format!("the credential pulls from {registry}; the API server does not review whether it may push"),
        )
        .with_remedy(
            "Allow the stored ServiceAccount to create selfsubjectaccessreviews (ClusterRole system:basic-user), or set \
             PULL_SECRET_ACCESS to Pull.",
        )
        .as_warning(),
        Inconclusive::Anonymous => Finding::new(
            Reason::RegistryAnonymous,
            format!("{registry} allows anonymous access, so the credential could not be verified"),
        )
        .as_warning(),
        Inconclusive::Unreachable(error) => {
            let error = error_text(error, secrets);
            let finding = |cause| Finding::new(Reason::RegistryUnavailable, cause);
            // `verify` has no work but the verification.
            match (review, mode) {
                (TokenReview::Valid, Mode::Ensure | Mode::Plan) => finding(format!(
                    "{registry} cannot be asked ({error}); the API server accepts the credential"
                ))
                .as_warning(),
                _ => finding(format!("{registry} cannot be asked ({error})")),
            }
        }
        Inconclusive::Untrusted(UntrustedParty::Certificate { host, failure, proxy }) => {
            connection::untrusted(host, failure, proxy.as_deref(), secrets)
        }
        Inconclusive::Untrusted(UntrustedParty::Realm(host)) => {
            let host = clip_name(host, NAME);
            Finding::new(
                Reason::RegistryUntrusted,
                format!("the token service of {registry} is on another host, {host}, which is not in PULL_SECRET_TRUSTED_HOSTS"),
            )
            .with_remedy(format!("If it may receive the credential, set PULL_SECRET_TRUSTED_HOSTS to {host}."))
        }
        Inconclusive::Protocol(ProtocolError::Failed(Failure::Proxy(failure)))
            if !matches!(failure.cause, ProxyCause::Through(_)) =>
        {
            connection::no_proxy(registry, failure)
        }
        Inconclusive::Protocol(error) => connection::protocol(registry, error, &error_text(error, secrets)),
    }
}

fn forbidden(credential: &Credential, at: &Evidence, image: Option<&ImageReference>, push: bool) -> Finding {
    let verb = if push { "push to" } else { "pull from" };
    let account = credential.token.claims().and_then(Claims::service_account);
    let who = account.map_or_else(
        || "the credential".to_owned(),
        |(namespace, name)| {
            format!(
                "service account {}",
                clip_name(&format!("{namespace}/{name}"), NAME)
            )
        },
    );
    let new = |object: String| Finding::new(Reason::PullForbidden, format!("{who} may not {verb} {object}"));
    if !at.uses_rbac {
        let object = image.map_or_else(|| at.registry.to_string(), ImageReference::name);
        return new(clip_name(&object, NAME * 2))
            .with_remedy("Ask the registry's administrator to grant it.");
    }
    let namespace = image
        .and_then(|image| image.repository().split_once('/'))
        .map_or("unknown", |(namespace, _)| namespace);
    let finding = new(format!("namespace {}", clip_name(namespace, NAME)));
    let grant = account.zip(image).and_then(|((namespace, name), image)| {
        rbac_yaml::image_puller(Subject { namespace, name }, image, push)
    });
    match grant {
        Some(yaml) => finding.with_paste(yaml),
        None => finding.with_remedy("Grant its owner system:image-puller in that namespace."),
    }
}

fn error_text(error: &ProtocolError, secrets: &KnownSecrets) -> String {
    match error {
        ProtocolError::Failed(failure) => failure.text(|name| secrets.show_in(name)),
        ProtocolError::Status(status) => format!("it answers {}", status.as_u16()),
        ProtocolError::Refused => "it answers 401 to a good token".to_owned(),
        ProtocolError::Challenge => {
            "unsupported authentication challenge: neither Basic nor Bearer".to_owned()
        }
        ProtocolError::NoToken => "its token service sends no token".to_owned(),
        ProtocolError::PlainTokenService(url) => format!("its token service is {}", host_text(url, secrets)),
        ProtocolError::Redirects(host) => format!("it redirects to {}", host_text(host, secrets)),
        ProtocolError::RedirectsTooOften => "it redirects again and again".to_owned(),
        ProtocolError::TokenServiceRedirects(host) => {
            format!("its token service redirects to {}", host_text(host, secrets))
        }
        ProtocolError::LoginNotAnswered => "its token service does not answer a login".to_owned(),
        ProtocolError::OtherDigest => "it sends another digest than the one asked for".to_owned(),
        ProtocolError::NotARegistry => "it answers 200 with something else".to_owned(),
        ProtocolError::NotAManifest => "it answers 200 without a manifest".to_owned(),
    }
}

/// A host that a server named; one that contains a secret is not printed.
fn host_text(host: &str, secrets: &KnownSecrets) -> String {
    if secrets.show_in(host) {
        "another host".to_owned()
    } else {
        clip_name(host, NAME)
    }
}

#[cfg(test)]
mod tests;
