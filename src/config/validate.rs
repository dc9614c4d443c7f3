//! From the environment's texts to a [`Config`]: one pass, which finds every problem.

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

/// What may be asked of the API server; it refuses less than ten minutes (`k8s.io/kubernetes`
/// `pkg/apis/authentication/validation`).
const TOKEN_LIFETIME: [&str; 2] = ["10m", "30d"];

/// A run takes a second for its calls, and whoever waits an hour waits for something else.
const TIMEOUT: [&str; 2] = ["1s", "1h"];

/// Longest host in a message, in characters.
const HOST_MAX: usize = 80;

/// Reads and checks the environment.
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

/// A file's token is stored as it is: there is no service account to mint for. Not a problem, since manifests name an
/// account and an overlay adds the file.
fn without_effect(environment: &Environment) -> Option<String> {
    let values = &environment.values;
    (values.token_file.value.is_some() && values.service_account.value.is_some()).then(|| {
        "PULL_SECRET_SERVICE_ACCOUNT has no effect: PULL_SECRET_TOKEN_FILE gives the token".to_owned()
    })
}

/// Every value is read before any may be missed, so that no problem hides another.
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
        problems.push(Problem::for_variable(registry, None, "names no registry"));
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

/// A minted token opens the API server, so each registry must be OpenShift's own or trusted by whoever installs.
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
            "does not name {}, a registry that would get a Kubernetes token, which opens the API server too: trust it, \
             or give another credential by PULL_SECRET_TOKEN_FILE",
            clip_name(host, HOST_MAX)
        );
        problems.push(Problem::for_variable(trusted.variable, None, problem).with_example(&right));
    }
}

/// Keys that differ only in case are one to some clients and two to others.
fn check_case(environment: &Environment, registries: &[RegistryHost], problems: &mut Vec<Problem>) {
    let mut keys: Vec<String> = registries
        .iter()
        .map(|registry| registry.key().to_ascii_lowercase())
        .collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        let registry = &environment.values.registry;
        let problem = "names one registry twice, in different case";
        problems.push(Problem::for_variable(
            registry.variable,
            registry.value.as_deref(),
            problem,
        ));
    }
}

/// CONNECT goes to a proxy in the clear, its password with it: an https or SOCKS proxy is not one of those.
fn check_proxies(platform: &BTreeMap<String, String>, problems: &mut Vec<Problem>) {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let scheme = platform
            .get(name)
            .and_then(|value| value.split_once("://"))
            .map(|(scheme, _)| scheme);
        if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
            let problem =
                "names a proxy of another kind than http; registries are reached through it by CONNECT";
            problems.push(Problem::for_name(
                name,
                None,
                problem,
                Some("http://proxy.example.com:3128"),
            ));
        }
    }
}

/// An image that no registry covers would be pulled without our credential, by the kubelet's rule.
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
        let problem = format!("has an image that no registry of {} covers", given.variable.name);
        let example = format!("{}={right}", given.variable.name);
        let image = image.to_string();
        problems.push(
            Problem::for_variable(environment.values.image.variable, Some(&image), problem)
                .with_example(&example),
        );
    }
}

/// What is right of the given list, with more items behind it, each once. What is wrong may be a credential, and is no example.
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

/// Absence of one of the two is no problem here: the run then ends with `not-in-cluster`.
fn api_server(platform: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> Option<ApiServer> {
    let host = platform.get("KUBERNETES_SERVICE_HOST").and_then(|host| {
        let read = ApiServer::host(host);
        if read.is_none() {
            let problem = "is neither an IP address nor a DNS name";
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
            let problem = "is no port number from 1 to 65535";
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

/// The capitals first, as curl and Go read them.
fn proxy(platform: &BTreeMap<String, String>) -> Proxy {
    let first = |names: [&str; 2]| names.iter().find_map(|name| platform.get(*name));
    let secret = |names| first(names).map(|value| SecretString::from(value.as_str()));
    Proxy {
        https: secret(["HTTPS_PROXY", "https_proxy"]),
        all: secret(["ALL_PROXY", "all_proxy"]),
        no: first(["NO_PROXY", "no_proxy"]).cloned(),
    }
}
