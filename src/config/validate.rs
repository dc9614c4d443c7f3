//! Checks that involve several variables.

use super::environment::Environment;
use super::problem::Problem;
use super::value::{host, list, registry};
use crate::image::{HostPort, ImageReference, RegistryHost};
use crate::text::clip_name;

/// Longest host in a message, in characters.
const HOST_MAX: usize = 80;
/// Most registries and most images of a run.
const LIST_MAX: usize = 64;

/// Warning that the ServiceAccount has no effect beside a token file. Only a warning: a manifest sets the
/// ServiceAccount, and an overlay adds the file.
pub(super) fn without_effect(environment: &Environment) -> Option<String> {
    let values = &environment.values;
    (values.token_file.value.is_some() && values.service_account.value.is_some()).then(|| {
        "PULL_SECRET_SERVICE_ACCOUNT has no effect: PULL_SECRET_TOKEN_FILE provides the token".to_owned()
    })
}

/// Rejects registries that must not receive a ServiceAccount token, which is valid at the API server too: all but
/// OpenShift's own and trusted hosts.
pub(super) fn check_trust(
    environment: &Environment,
    registries: &[RegistryHost],
    trusted_hosts: &[HostPort],
    problems: &mut Vec<Problem>,
) {
    let trusted = &environment.values.trusted_hosts;
    let untrusted: Vec<&str> = registries
        .iter()
        .filter(|registry| !registry.may_receive_kubernetes_token(trusted_hosts))
        .map(RegistryHost::host_port)
        .collect();
    let right = list_with(trusted.value.as_deref(), |item| host(item).is_ok(), &untrusted);
    for host in &untrusted {
        let problem = format!(
            "does not list {}, which would receive a Kubernetes token; such a token is also valid at the API server: add \
             the host, or use another credential with PULL_SECRET_TOKEN_FILE",
            clip_name(host, HOST_MAX)
        );
        problems.push(Problem::for_variable(trusted.variable, None, problem).with_example(&right));
    }
}

/// Rejects more registries or images than a run has time for; false where there are.
pub(super) fn check_counts(
    environment: &Environment,
    registries: &[RegistryHost],
    images: &[ImageReference],
    problems: &mut Vec<Problem>,
) -> bool {
    let values = &environment.values;
    for (given, count) in [
        (&values.registry, registries.len()),
        (&values.image, images.len()),
    ] {
        if count > LIST_MAX {
            let problem = format!("has {count} items, and at most {LIST_MAX} are allowed");
            problems.push(Problem::for_variable(given.variable, None, problem));
        }
    }
    registries.len().max(images.len()) <= LIST_MAX
}

/// Rejects registries that differ only in case: some clients take their keys for one, others for two.
pub(super) fn check_case(
    environment: &Environment,
    registries: &[RegistryHost],
    problems: &mut Vec<Problem>,
) {
    let given = &environment.values.registry;
    let mut keys: Vec<String> = registries
        .iter()
        .map(|registry| registry.key().to_ascii_lowercase())
        .collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        let problem = "has the same registry twice, in different case";
        problems.push(Problem::for_variable(
            given.variable,
            given.value.as_deref(),
            problem,
        ));
    }
}

/// Rejects an empty list of registries, and images that no registry covers: the kubelet would pull them without the managed entry.
pub(super) fn check_coverage(
    environment: &Environment,
    registries: &[RegistryHost],
    images: &[ImageReference],
    problems: &mut Vec<Problem>,
) {
    let given = &environment.values.registry;
    if registries.is_empty()
        && !problems
            .iter()
            .any(|problem| problem.variable == given.variable.name)
    {
        problems.push(Problem::for_variable(given.variable, None, "has no registry"));
    }
    let uncovered: Vec<&ImageReference> = images
        .iter()
        .filter(|image| !registries.iter().any(|registry| registry.covers(image)))
        .collect();
    let hosts: Vec<&str> = uncovered.iter().map(|image| image.host()).collect();
    let right = list_with(given.value.as_deref(), |item| registry(item).is_ok(), &hosts);
    for image in uncovered {
        let problem = format!("has an image that no registry in {} covers", given.variable.name);
        let example = format!("{}={right}", given.variable.name);
        let image = image.to_string();
        problems.push(
            Problem::for_variable(environment.values.image.variable, Some(&image), problem)
                .with_example(&example),
        );
    }
}

/// The valid items of a list and additional ones, each once. Invalid items may be credentials, so they are left out.
fn list_with(given: Option<&str>, is_right: impl Fn(&str) -> bool, more: &[&str]) -> String {
    let mut items: Vec<&str> = Vec::new();
    let given = list(given.unwrap_or_default());
    let right = given.iter().map(String::as_str).filter(|item| is_right(item));
    for item in right.chain(more.iter().copied()) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items.join(",")
}
