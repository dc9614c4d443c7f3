//! From proofs to findings: what each proof means for the user, and the weakest verification of all. Pure.

use crate::{
    config::Mode,
    credential::{Credential, KnownSecrets},
    image::ImageReference,
    kubernetes::{access_review::TokenReview, rbac_yaml},
    outcome::{Check, Finding, Outcome, Reason, Verified},
    registry::{Inconclusive, ProtocolError, UntrustedParty},
    text::clip_name,
    transport::Failure,
    verification::{Evidence, Proof},
};

/// How many characters of a name a cause may hold; the report has the whole one.
const NAME: usize = 60;

/// Adds to `outcome` what `evidence` shows about the stored credential, or about the one that is not written.
pub fn findings(outcome: &mut Outcome, mode: Mode, credential: &Credential, evidence: &[Evidence]) {
    credential.add_to(&outcome.secrets);
    let secrets = outcome.secrets.clone();
    let finding = |at: &Evidence, image: Option<&ImageReference>, proof: &Proof| {
        finding(mode, (credential, &secrets), at, image, proof)
    };
    for at in evidence {
        let registry = at.registry.to_string();
        if let Some(proof) = &at.login {
            outcome.findings.extend(finding(at, None, proof));
        }
        for (image, proof) in &at.images {
            let finding = finding(at, Some(image), proof);
            outcome.images.push(Check {
                subject: image.to_string(),
                verified: verified(proof),
                reason: finding.as_ref().map(|finding| finding.reason.as_str()),
            });
            outcome.findings.extend(finding);
        }
        let least = at.proofs().min_by_key(|proof| verified(proof));
        outcome.registries.push(Check {
            subject: registry,
            verified: least.map_or(Verified::None, verified),
            reason: at
                .proofs()
                .filter_map(|proof| finding(at, None, proof))
                .min_by_key(Finding::severity)
                .map(|finding| finding.reason.as_str()),
        });
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
        Proof::Inconclusive(_, TokenReview::Valid) => Verified::Review,
        Proof::Rejected
        | Proof::Inconclusive(
            _,
            TokenReview::Invalid | TokenReview::Unavailable | TokenReview::NotApplicable,
        ) => Verified::None,
    }
}

/// What one proof means for the user; none where all is well.
fn finding(
    mode: Mode,
    (credential, secrets): (&Credential, &KnownSecrets),
    at: &Evidence,
    image: Option<&ImageReference>,
    proof: &Proof,
) -> Option<Finding> {
    let registry = clip_name(&at.registry.to_string(), NAME);
    let whole = image.map_or_else(|| at.registry.to_string(), ToString::to_string);
    let subject = image.map_or_else(|| registry.clone(), |image| image.clipped(NAME * 2));
    let new = |reason, cause: String| Some(Finding::new(reason, cause).about(whole.clone()));
    match proof {
        Proof::Pulls | Proof::Accepted => None,
        Proof::RepositoryMissing => new(
            Reason::RepositoryMissing,
            format!("{registry} accepts the credential, but has no repository for {subject}"),
        ),
        Proof::TagMissing => new(
            Reason::TagMissing,
            format!("{registry} accepts the credential, but {subject} is not there"),
        ),
        Proof::PullForbidden => forbidden(credential, at, image, false).map(|finding| finding.about(whole)),
        Proof::PushForbidden => forbidden(credential, at, image, true).map(|finding| finding.about(whole)),
        Proof::Rejected => new(
            Reason::CredentialRejected,
            format!("{registry} does not accept the credential"),
        ),
        Proof::Inconclusive(_, TokenReview::Invalid) => new(
            Reason::CredentialRejected,
            "the API server does not accept the credential".to_owned(),
        ),
        Proof::Inconclusive(_, TokenReview::Unavailable) => new(
            Reason::ApiUnavailable,
            format!("the API server cannot be asked about the credential, and {registry} did not decide"),
        ),
        // At OpenShift's registry the API server's permission is the registry's.
        Proof::Inconclusive(Inconclusive::NotAsked, TokenReview::Valid) if at.is_openshift => None,
        Proof::Inconclusive(answer, review @ (TokenReview::Valid | TokenReview::NotApplicable)) => {
            let finding = match answer {
                Inconclusive::Untrusted(UntrustedParty::Realm(host)) => Some(realm(secrets, &registry, host)),
                answer => inconclusive(mode, &registry, answer, *review),
            };
            finding.map(|finding| finding.about(whole))
        }
    }
}

/// What an inconclusive answer means for the user; none where there is nothing to report.
pub fn inconclusive(
    mode: Mode,
    registry: &str,
    answer: &Inconclusive,
    review: TokenReview,
) -> Option<Finding> {
    Some(match answer {
        Inconclusive::NotAsked if mode == Mode::Doctor => return None,
        Inconclusive::NotAsked => Finding::new(
            Reason::NotVerified,
            format!("the credential for {registry} was not verified (PULL_SECRET_VERIFY)"),
        )
        .as_warning(),
        Inconclusive::Anonymous => Finding::new(
            Reason::RegistryAnonymous,
            format!("{registry} allows anonymous access, so the credential could not be verified"),
        )
        .as_warning(),
        Inconclusive::Unreachable(error) => {
            let error = error_text(*error);
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
        Inconclusive::Untrusted(UntrustedParty::Certificate) => Finding::new(
            Reason::RegistryUntrusted,
            format!("the certificate of {registry} is not trusted"),
        )
        .with_remedy("Put its CA into PULL_SECRET_REGISTRY_CA_FILE."),
        Inconclusive::Untrusted(UntrustedParty::Realm(host)) => untrusted_realm(registry, host),
        Inconclusive::Protocol(error) => Finding::new(
            Reason::RegistryProtocol,
            format!(
                "{registry} does not answer as a container registry ({})",
                error_text(*error)
            ),
        ),
    })
}

/// A host that may not have the credential. A server that knows a secret may name its realm by it.
fn realm(secrets: &KnownSecrets, registry: &str, host: &str) -> Finding {
    if secrets.show_in(host) {
        return Finding::new(
            Reason::RegistryUntrusted,
            format!(
                "the token service of {registry} is on another host, whose name shows a secret and is not printed"
            ),
        )
        .with_remedy("Find out which server answers as this registry, and replace the credential.");
    }
    untrusted_realm(registry, host)
}

fn untrusted_realm(registry: &str, host: &str) -> Finding {
    let clipped = clip_name(host, NAME);
    Finding::new(
        Reason::RegistryUntrusted,
        format!("{registry} wants the credential sent to {clipped}, which may not have it"),
    )
    .with_remedy(format!("If it may, set PULL_SECRET_TRUSTED_HOSTS to {clipped}."))
}

fn forbidden(
    credential: &Credential,
    at: &Evidence,
    image: Option<&ImageReference>,
    push: bool,
) -> Option<Finding> {
    let verb = if push { "push to" } else { "pull from" };
    let claims = credential.token.claims();
    let account = claims.and_then(|claims| claims.service_account());
    let who = account.map_or_else(
        || "the credential".to_owned(),
        |(namespace, name)| {
            format!(
                "service account {}",
                clip_name(&format!("{namespace}/{name}"), NAME)
            )
        },
    );
    let namespace = image
        .and_then(|image| image.repository().split_once('/'))
        .map(|(namespace, _)| namespace);
    if !at.is_openshift {
        let what = image.map_or_else(|| at.registry.to_string(), |image| image.name());
        return Some(
            Finding::new(
                Reason::PullForbidden,
                format!("{who} may not {verb} {}", clip_name(&what, NAME * 2)),
            )
            .with_remedy("Ask the registry's administrator to grant it."),
        );
    }
    let finding = Finding::new(
        Reason::PullForbidden,
        format!(
            "{who} may not {verb} namespace {}",
            clip_name(namespace.unwrap_or("unknown"), NAME)
        ),
    );
    let grant = account
        .zip(image)
        .and_then(|(account, image)| rbac_yaml::image_puller(account, image, push));
    Some(match grant {
        Some(yaml) => finding.with_paste(yaml),
        None => finding.with_remedy("Grant its owner system:image-puller in that namespace."),
    })
}

fn error_text(error: ProtocolError) -> String {
    match error {
        ProtocolError::Failed(failure) => failure_text(failure).to_owned(),
        ProtocolError::Status(status) => format!("it answers {}", status.as_u16()),
        ProtocolError::Refused => "it answers 401 to a good token".to_owned(),
        ProtocolError::Challenge => {
            "unsupported authentication challenge: neither Basic nor Bearer".to_owned()
        }
        ProtocolError::NoToken => "its token service sends no token".to_owned(),
        ProtocolError::PlainTokenService => "its token service is not https".to_owned(),
        ProtocolError::LoginNotAnswered => "its token service does not answer a login".to_owned(),
        ProtocolError::OtherDigest => "it sends another digest than the one asked for".to_owned(),
        ProtocolError::NotARegistry => "it answers 200 with something else".to_owned(),
        ProtocolError::NotAManifest => "it answers 200 without a manifest".to_owned(),
    }
}

/// How an exchange failed, in a few words.
pub const fn failure_text(failure: Failure) -> &'static str {
    match failure {
        Failure::NoConnection => "no connection",
        Failure::TimedOut => "no answer in time",
        Failure::Untrusted => "its certificate is not trusted",
        Failure::NotTls => "it does not speak TLS as we do",
        Failure::NotHttp => "it does not speak HTTP",
        Failure::TooLong => "its answer is too long",
    }
}

#[cfg(test)]
mod tests;
