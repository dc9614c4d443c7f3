//! `verify`: the same checks, of what is stored. Reads only.

use k8s_openapi::jiff::Timestamp;

use crate::{
    client_view,
    clip::clip_name,
    conclusion,
    config::Mode,
    context::{self, Context},
    credential::Credential,
    decision,
    docker_config::{Auths, Document},
    finding::Finding,
    image_reference::ImageReference,
    outcome::Outcome,
    reason::Reason,
    registry_host::RegistryHost,
    secret::StoredSecret,
    verification::Evidence,
};

/// Reads the Secret and proves what is stored.
pub async fn verify(context: &Context<'_>, outcome: &mut Outcome) {
    if let Err(finding) = try_verify(context, outcome).await {
        outcome.findings.push(finding);
    }
}

async fn try_verify(context: &Context<'_>, outcome: &mut Outcome) -> Result<(), Finding> {
    let name = context.config.name.as_str();
    let secret = context
        .secret
        .get()
        .await
        .map_err(|refusal| context.refused("get", "secrets", name, &refusal))?;
    let secret = secret.ok_or_else(|| {
        let namespace = clip_name(&context.namespace, 63);
        Finding::new(
            Reason::SecretMissing,
            format!(
                "there is no Secret {} in namespace {namespace}",
                clip_name(name, 80)
            ),
        )
    })?;
    let now = context.api.now();
    let document = decision::open(context.config, &secret)?;
    if document.auths() != Auths::Present {
        return Err(auths_missing(context, &document));
    }
    outcome
        .findings
        .extend(decision::foreign_entry_broken(context.config, secret.document()));
    let mut proven: Vec<Evidence> = Vec::new();
    let mut all_usable = true;
    for (registry, images) in context.registries_with_images() {
        match usable(context, &secret, &document, registry, now) {
            Ok(credential) => {
                if proven.is_empty() {
                    outcome.credential = credential.summary();
                }
                let stored = secret.document();
                outcome
                    .findings
                    .extend(client_view::kubelet_misses(&images, stored, &credential));
                outcome.notes.extend(client_view::containers_image_prefers_others(
                    &images,
                    stored,
                    &credential,
                ));
                proven.extend(prove(context, outcome, registry, images, &credential).await);
                note_other_account(context, outcome, &credential);
                let beyond = decision::outlives_next_run(context.config, &credential, now);
                if !outcome
                    .findings
                    .iter()
                    .any(|found| Some(found) == beyond.as_ref())
                {
                    outcome.findings.extend(beyond);
                }
            }
            Err(finding) => {
                all_usable = false;
                outcome.findings.push(finding);
            }
        }
    }
    if all_usable {
        outcome.verified = conclusion::least_verified(&proven);
    }
    Ok(())
}

async fn prove(
    context: &Context<'_>,
    outcome: &mut Outcome,
    registry: &RegistryHost,
    images: Vec<&ImageReference>,
    credential: &Credential,
) -> Vec<Evidence> {
    let evidence = context
        .verifier(&context.registries, credential)
        .prove(&[(registry, images)])
        .await;
    conclusion::conclude(outcome, Mode::Verify, credential, &evidence);
    evidence
}

/// The credential stored for `registry`, where structure and expiry let it do its work.
fn usable(
    context: &Context<'_>,
    secret: &StoredSecret,
    document: &Document<'_>,
    registry: &RegistryHost,
    now: Timestamp,
) -> Result<Credential, Finding> {
    let name = clip_name(context.config.name.as_str(), 80);
    let shown = clip_name(&registry.to_string(), 80);
    let entry = document.entry(&registry.key());
    let Some(entry) = entry else {
        let cause = format!("Secret {name} has no entry for {shown}");
        return Err(Finding::new(Reason::NoMatchingEntry, cause).about(registry.to_string()));
    };
    if !entry.is_well_formed() {
        let cause = format!("the entry for {shown} in Secret {name} is not one that every client reads");
        return Err(Finding::new(Reason::NoMatchingEntry, cause).about(registry.to_string()));
    }
    let credential = Credential::stored_in(&entry);
    if credential.token.kind().is_kubernetes() && !context.config.may_receive_kubernetes_token(registry) {
        return Err(context::untrusted_registry(registry));
    }
    if credential
        .token
        .claims()
        .and_then(|claims| claims.kubernetes.as_ref())
        .is_some_and(|bound| bound.pod.is_some())
    {
        let cause = format!("the token for {shown} in Secret {name} is bound to a pod and dies with it");
        return Err(Finding::new(Reason::PodBoundToken, cause).about(registry.to_string()));
    }
    if credential.is_expired(now) {
        let cause = format!("the token for {shown} in Secret {name} is past its expiry");
        return Err(Finding::new(Reason::CredentialExpired, cause).about(registry.to_string()));
    }
    let bound_elsewhere = credential
        .token
        .claims()
        .and_then(|claims| claims.kubernetes.as_ref())
        .and_then(|bound| bound.secret.as_ref())
        .is_some_and(|bound| bound.uid != secret.version.uid && !bound.uid.is_empty());
    if bound_elsewhere {
        let cause =
            format!("the token for {shown} in Secret {name} is bound to another Secret and dies with that");
        return Err(Finding::new(Reason::CredentialRejected, cause)
            .about(registry.to_string())
            .with_remedy("Run ensure to mint one that is bound to this Secret."));
    }
    Ok(credential)
}

fn auths_missing(context: &Context<'_>, document: &Document<'_>) -> Finding {
    let name = clip_name(context.config.name.as_str(), 80);
    let cause = if document.looks_unwrapped() {
        format!("the document of Secret {name} has its entries at the top, without the auths wrapper")
    } else {
        format!("the document of Secret {name} has no auths object")
    };
    Finding::new(
        Reason::AuthsMissing,
        format!("{cause}: every client finds no credential in it"),
    )
}

fn note_other_account(context: &Context<'_>, outcome: &mut Outcome, credential: &Credential) {
    let Some(wanted) = &context.config.service_account else {
        return;
    };
    let owner = credential
        .token
        .claims()
        .and_then(|claims| claims.service_account());
    let expected = (context.namespace.as_str(), wanted.as_str());
    if let Some((namespace, name)) = owner.filter(|owner| *owner != expected) {
        let note = format!(
            "The stored token belongs to service account {}, not to {}; ensure would replace it.",
            clip_name(&format!("{namespace}/{name}"), 120),
            clip_name(wanted.as_str(), 120)
        );
        if !outcome.notes.contains(&note) {
            outcome.notes.push(note);
        }
    }
}
