//! Validation of the environment into a [`Config`], in one pass that finds every problem.

use std::collections::BTreeMap;
use std::ffi::OsString;

use secrecy::SecretString;

use super::environment::{Environment, sort};
use super::problem::Problem;
use super::value::{
    access, choice, connect_to, duration, host, image, list, namespace, next_run, object_name, parse_bool,
    parse_percentage, parse_timeout, path, plain, registry, username,
};
use super::{ApiServer, Config, ConfigError, Depth, Mode, NextRun, Output, Proxy, ReportContext};
use crate::image::ImageReference;
use crate::image::{HostPort, RegistryHost};
use crate::text::clip_name;

/// Bounds of the requested lifetime. The API server rejects less than ten minutes (`k8s.io/kubernetes`
/// `pkg/apis/authentication/validation`).
const TOKEN_LIFETIME: [&str; 2] = ["10m", "30d"];

/// Bounds of the timeout: a run needs about a second for its calls.
const TIMEOUT: [&str; 2] = ["1s", "1h"];

/// Longest host in a message, in characters.
const HOST_MAX: usize = 80;

/// Parses and validates the environment.
pub(super) fn validate(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, Box<ConfigError>> {
    let mut problems = Vec::new();
    let mut environment = sort(variables, &mut problems);
    let output = Output::read(&environment, &mut problems);
    let mut context = ReportContext {
        next_run_unknown: environment.values.next_run_within.value.is_none(),
        ..ReportContext::default()
    };
    let without_effect = without_effect(&environment);
    environment.warnings.extend(without_effect);
    let config = read(&environment, &output, &mut context, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(Box::new(ConfigError {
            problems,
            warnings: environment.warnings,
            output,
            context,
        })),
    }
}

/// Warning that the ServiceAccount has no effect beside a token file. Only a warning: a manifest sets the
/// ServiceAccount, and an overlay adds the file.
fn without_effect(environment: &Environment) -> Option<String> {
    let values = &environment.values;
    (values.token_file.value.is_some() && values.service_account.value.is_some()).then(|| {
        "PULL_SECRET_SERVICE_ACCOUNT has no effect: PULL_SECRET_TOKEN_FILE provides the token".to_owned()
    })
}

/// Parses all values before it returns early for a missing one, so that no problem hides another.
fn read(
    environment: &Environment,
    output: &Output,
    context: &mut ReportContext,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let values = &environment.values;
    let name = values.name.read(problems, object_name);
    let namespace = values.namespace.read(problems, namespace);
    let registries = values.registry.read_list(problems, registry);
    let trusted_hosts = values.trusted_hosts.read_list(problems, host);
    let images = values.image.read_list(problems, image);
    let mode = values.mode.read(problems, |text| choice(Mode::ALL, text));
    let service_account = values.service_account.read(problems, object_name);
    let token_lifetime = values
        .token_lifetime
        .read(problems, |text| duration(text, TOKEN_LIFETIME));
    let refresh_below = values.refresh_below.read(problems, parse_percentage);
    let next_run_within = values.next_run_within.read(problems, next_run);
    let token_file = values.token_file.read(problems, path);
    let username = values.username.read(problems, username);
    let access = values.access.read(problems, access);
    let connection = values.connection.read(problems, parse_bool);
    let display_name = values.display_name.read_if_set(problems, plain);
    let description = values.description.read_if_set(problems, plain);
    let verify = values.verify.read(problems, |text| choice(Depth::ALL, text));
    let registry_ca_file = values.registry_ca_file.read(problems, path);
    let connect_to = values.connect_to.read_list(problems, connect_to);
    let timeout = values.timeout.read(problems, |text| parse_timeout(text, TIMEOUT));
    let service_account_dir = values.service_account_dir.read(problems, path);
    let api_server = api_server(&environment.platform, problems);

    let registry = values.registry.variable;
    if registries.is_empty() && !problems.iter().any(|problem| problem.variable == registry.name) {
        problems.push(Problem::for_variable(registry, None, "has no registry"));
    }
    if mode.is_some_and(Mode::makes_credential) && values.token_file.value.is_none() {
        check_trust(environment, &registries, &trusted_hosts, problems);
    }
    check_coverage(environment, &registries, &images, problems);
    check_case(environment, &registries, problems);
    check_proxies(&environment.platform, problems);

    context.mode = mode;
    context.namespace = namespace.as_ref().map(ToString::to_string);
    context.name = name.as_ref().map(ToString::to_string);
    Some(Config {
        name: name?,
        namespace,
        registries,
        trusted_hosts,
        images,
        mode: mode?,
        service_account: service_account.filter(|_| token_file.is_none()),
        token_lifetime: token_lifetime?,
        refresh_below: refresh_below?,
        next_run_within: next_run_within.unwrap_or(NextRun::Unknown),
        token_file,
        username: username?,
        access: access?,
        connection: connection?,
        display_name,
        description,
        verify: verify?,
        registry_ca_file,
        connect_to,
        timeout: timeout?,
        service_account_dir: service_account_dir?,
        api_server,
        proxy: proxy(&environment.platform),
        ssl_cert_file: environment.platform.get("SSL_CERT_FILE").map(Into::into),
        ssl_cert_dir: environment.platform.get("SSL_CERT_DIR").map(Into::into),
        output: output.clone(),
        warnings: environment.warnings.clone(),
    })
}

/// Rejects registries that must not receive a ServiceAccount token, which is valid at the API server too: all but
/// OpenShift's own and trusted hosts.
fn check_trust(
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

/// Rejects registries that differ only in case: some clients take their keys for one, others for two.
fn check_case(environment: &Environment, registries: &[RegistryHost], problems: &mut Vec<Problem>) {
    let mut keys: Vec<String> = registries
        .iter()
        .map(|registry| registry.key().to_ascii_lowercase())
        .collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        let registry = &environment.values.registry;
        let problem = "has the same registry twice, in different case";
        problems.push(Problem::for_variable(
            registry.variable,
            registry.value.as_deref(),
            problem,
        ));
    }
}

/// Rejects https and SOCKS proxies: CONNECT and the proxy's password are sent in plain text.
fn check_proxies(platform: &BTreeMap<String, String>, problems: &mut Vec<Problem>) {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let scheme = platform
            .get(name)
            .and_then(|value| value.split_once("://"))
            .map(|(scheme, _)| scheme);
        if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
            let problem = "must be an http:// proxy; registries are reached through it with CONNECT";
            problems.push(Problem::for_name(
                name,
                None,
                problem,
                Some("http://proxy.example.com:3128"),
            ));
        }
    }
}

/// Rejects images that no registry covers: the kubelet would pull them without the managed entry.
fn check_coverage(
    environment: &Environment,
    registries: &[RegistryHost],
    images: &[ImageReference],
    problems: &mut Vec<Problem>,
) {
    let given = &environment.values.registry;
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
    let given = list(given.unwrap_or_default()).filter(|item| is_right(item));
    for item in given.chain(more.iter().copied()) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items.join(",")
}

/// Address of the API server. If one of the two variables is unset, the run ends with `not-in-cluster` later.
fn api_server(platform: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> Option<ApiServer> {
    let host = platform.get("KUBERNETES_SERVICE_HOST").and_then(|host| {
        let read = ApiServer::host(host);
        if read.is_none() {
            let problem = "must be an IP address or a DNS name";
            problems.push(Problem::for_name(
                "KUBERNETES_SERVICE_HOST",
                Some(host),
                problem,
                Some("10.96.0.1"),
            ));
        }
        read
    });
    let port = platform.get("KUBERNETES_SERVICE_PORT").and_then(|port| {
        let read = port.parse().ok().filter(|port| *port > 0_u16);
        if read.is_none() {
            let problem = "must be a port number from 1 to 65535";
            problems.push(Problem::for_name(
                "KUBERNETES_SERVICE_PORT",
                Some(port),
                problem,
                Some("443"),
            ));
        }
        read
    });
    Some(ApiServer {
        host: host?,
        port: port?,
    })
}

/// Proxies for registries. Upper case takes precedence, as in curl and Go.
fn proxy(platform: &BTreeMap<String, String>) -> Proxy {
    let first = |names: [&str; 2]| names.iter().find_map(|name| platform.get(*name));
    let secret = |names| first(names).map(|value| SecretString::from(value.as_str()));
    Proxy {
        https: secret(["HTTPS_PROXY", "https_proxy"]),
        all: secret(["ALL_PROXY", "all_proxy"]),
        no: first(["NO_PROXY", "no_proxy"]).cloned(),
    }
}
