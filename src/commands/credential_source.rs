//! Whose credential is to be stored: the token file is read here, the account of a token request found.

use secrecy::ExposeSecret as _;

use crate::{
    commands::operation::Operation,
    config::Config,
    credential::{Credential, Token, TokenKind},
    decide::CredentialSource,
    file,
    image::RegistryHost,
    kubernetes::in_cluster::shown,
    outcome::{Finding, Reason},
    text::clip_name,
};

/// Finds the credential source.
///
/// # Errors
/// `invalid-configuration` where the file can't be used, or where no account is named and the caller's own can't be it;
/// `pod-bound-token`.
pub fn resolve(operation: &Operation<'_>) -> Result<CredentialSource, Finding> {
    let (target, config) = (&operation.target, operation.target.config);
    let Some(path) = &config.token_file else {
        return Ok(CredentialSource::TokenRequest {
            service_account: target.service_account()?,
            audiences: target
                .caller_claims
                .as_ref()
                .map(|claims| claims.audiences.clone())
                .unwrap_or_default(),
            issued_until: None,
        });
    };
    let invalid =
        |cause: String| Finding::new(Reason::InvalidConfiguration, cause).about("PULL_SECRET_TOKEN_FILE");
    let content = file::read(path)
        .map_err(|problem| invalid(format!("PULL_SECRET_TOKEN_FILE {} {problem}", shown(path))))?;
    let username = &config.username;
    let token = Token::from_token_file(&content, username)
        .map_err(|error| invalid(format!("PULL_SECRET_TOKEN_FILE {}: {error}", shown(path))))?;
    let credential = Credential::of(username, token);
    credential.add_to(&operation.secrets);
    if let Some(variable) = in_annotation(config, credential.token.secret().expose_secret()) {
        let cause = format!(
            "{variable} contains the token of PULL_SECRET_TOKEN_FILE, and an annotation is no secret"
        );
        return Err(Finding::new(Reason::InvalidConfiguration, cause).about(variable));
    }
    let policy = target.send_policy(&credential);
    if let Some(registry) = config.registries.iter().find(|registry| !policy.allows(registry)) {
        return Err(untrusted_registry(registry));
    }
    let token = &credential.token;
    if token
        .claims()
        .and_then(|claims| claims.kubernetes.as_ref())
        .is_some_and(|bound| bound.pod.is_some())
    {
        let cause = format!(
            "the token in {} is bound to a pod and becomes invalid with it",
            shown(path)
        );
        return Err(Finding::new(Reason::PodBoundToken, cause));
    }
    if token.kind() == TokenKind::OpenShiftLogin {
        let note = "PULL_SECRET_TOKEN_FILE holds a person's login token: it ends with that login.";
        operation.progress.add_note(note.to_owned());
    }
    Ok(CredentialSource::File(Box::new(credential)))
}

/// Variable whose text becomes an annotation, and contains the token by mistake. A short password may be a word of it.
fn in_annotation(config: &Config, token: &str) -> Option<&'static str> {
    [
        ("PULL_SECRET_DISPLAY_NAME", &config.display_name),
        ("PULL_SECRET_DESCRIPTION", &config.description),
    ]
    .into_iter()
    .find(|(_, text)| token.len() >= 12 && text.as_ref().is_some_and(|text| text.contains(token)))
    .map(|(variable, _)| variable)
}

/// `invalid-configuration`: a Kubernetes token may not be sent to `registry`.
pub fn untrusted_registry(registry: &RegistryHost) -> Finding {
    let name = clip_name(&registry.to_string(), 80);
    Finding::new(
        Reason::InvalidConfiguration,
        format!("a Kubernetes token is not sent to {name}: it is not in PULL_SECRET_TRUSTED_HOSTS"),
    )
    .about("PULL_SECRET_TRUSTED_HOSTS")
    .with_remedy(format!(
        "If it may receive the token, set PULL_SECRET_TRUSTED_HOSTS to {}.",
        clip_name(registry.host_port(), 80)
    ))
}
