//! Configuration: parsed from the environment once, validated as a whole, then typed.
//!
//! No I/O happens here: the process environment comes in as an iterator.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use self::environment::{Environment, sort};
use self::platform::api_server;
use self::proxy::{check_proxy, proxy};
use self::validate::{check_case, check_counts, check_coverage, check_trust, without_effect};
use self::value::{
    access, connect_to, duration, host, image, namespace, next_run, object_name, parse_bool,
    parse_percentage, parse_timeout, path, plain, registry, username,
};
use crate::credential::{Lifetime, Percentage};
use crate::image::{HostPort, ImageReference, RegistryHost};

mod choice;
mod effective;
mod environment;
pub mod help;
pub mod markdown;
mod names;
mod no_proxy;
mod output;
mod platform;
mod problem;
mod proxy;
mod report_context;
#[cfg(test)]
mod tests;
mod validate;
mod value;
mod variables;

pub use choice::{Depth, LogFormat, LogLevel, Mode};
pub use names::{NameError, Namespace, ObjectName};
pub use no_proxy::NoProxy;
pub use output::Output;
pub use platform::ApiServer;
pub use problem::{Problem, may_be_credential};
pub use proxy::{HttpProxy, Proxy, ProxyError, ProxyVariable, Route, UnusableProxy};
pub use report_context::ReportContext;
pub use variables::{
    DEFAULT_DESCRIPTION, DEFAULT_DISPLAY_NAME, DefaultValue, Kind, PLATFORM_VARIABLES, PREFIX, VARIABLES,
    Variable,
};

/// Bounds of the requested lifetime. The API server rejects less than ten minutes (`k8s.io/kubernetes`
/// `pkg/apis/authentication/validation`).
const TOKEN_LIFETIME: [&str; 2] = ["10m", "30d"];

/// Bounds of the timeout: a run needs about a second for its calls.
const TIMEOUT: [&str; 2] = ["1s", "1h"];

/// Time of the next scheduled run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun {
    /// Unset, which MESSAGE notes.
    Unknown,
    /// `none`: no run is planned.
    NotPlanned,
    /// Within this time.
    Within(Lifetime),
}

/// Access that the credential must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Pull.
    Pull,
    /// Push and pull.
    PushPull,
}

impl Access {
    /// Value of `ACCESS_TYPE`, as the Open Data Hub dashboard writes it.
    pub const fn as_json(self) -> &'static str {
        match self {
            Self::Pull => r#"["Pull"]"#,
            Self::PushPull => r#"["Push","Pull"]"#,
        }
    }
}

/// Configuration of a run. The fields are the variables of contract section 2.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the Secret.
    pub name: ObjectName,
    /// Namespace of the Secret; none means the pod's own.
    pub namespace: Option<Namespace>,
    /// Registries that the credential is for: at least one, without duplicates.
    pub registries: Vec<RegistryHost>,
    /// Additional hosts that may receive the credential.
    pub trusted_hosts: Vec<HostPort>,
    /// Images that must be pullable; a registry covers each of them.
    pub images: Vec<ImageReference>,
    /// Mode.
    pub mode: Mode,
    /// ServiceAccount whose token is requested; none means the caller's own. Always none with a token file.
    pub service_account: Option<ObjectName>,
    /// Lifetime to request from the API server.
    pub token_lifetime: Lifetime,
    /// Refresh when less than this percentage of the lifetime is left; exclusive of 0 and 100.
    pub refresh_below: Percentage,
    /// Time of the next scheduled run.
    pub next_run_within: NextRun,
    /// File with the token to store; none: request a token.
    pub token_file: Option<PathBuf>,
    /// User name of the entry: not empty, no colon, no control character.
    pub username: String,
    /// Access that the credential must have.
    pub access: Access,
    /// True to write Open Data Hub's label, annotations and keys.
    pub connection: bool,
    /// Display name; none: [`DEFAULT_DISPLAY_NAME`], unless the Secret has one.
    pub display_name: Option<String>,
    /// Description; none: [`DEFAULT_DESCRIPTION`], unless the Secret has one.
    pub description: Option<String>,
    /// Depth of verification.
    pub verify: Depth,
    /// PEM bundle trusted for registries.
    pub registry_ca_file: Option<PathBuf>,
    /// Hosts with the address to connect to instead.
    pub connect_to: Vec<(HostPort, HostPort)>,
    /// Time limit of the whole run, 1 s to 1 h.
    pub timeout: Duration,
    /// Directory with the pod's own token, CA and namespace.
    pub service_account_dir: PathBuf,
    /// Address of the API server; none if the environment has none.
    pub api_server: Option<ApiServer>,
    /// Proxies for registries.
    pub proxy: Proxy,
    /// PEM file trusted for registries.
    pub ssl_cert_file: Option<PathBuf>,
    /// Directories, separated by colons, with PEM files trusted for registries.
    pub ssl_cert_dir: Option<PathBuf>,
    /// Settings of the report.
    pub output: Output,
    /// Warnings about unknown variables and those without effect, one sentence each.
    pub warnings: Vec<String>,
}

/// All configuration errors, with what the report needs.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// Errors, at least one.
    pub problems: Vec<Problem>,
    /// As in [`Config::warnings`].
    pub warnings: Vec<String>,
    /// Settings of the report, as far as they are valid.
    pub output: Output,
    /// Context of the report, as far as it is valid.
    pub context: ReportContext,
}

impl Config {
    /// Parses and validates the environment; `variables` is all of it, as [`std::env::vars_os`] returns it.
    ///
    /// # Errors
    /// All errors together.
    pub fn from_env(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Box<ConfigError>> {
        let mut problems = Vec::new();
        let mut environment = sort(variables, &mut problems);
        let output = Output::read(&environment, &mut problems);
        let mut context = ReportContext {
            next_run_unknown: environment.values.next_run_within.value.is_none(),
            ..ReportContext::default()
        };
        let without_effect = without_effect(&environment);
        environment.warnings.extend(without_effect);
        let config = Self::read(&environment, &output, &mut context, &mut problems);
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

    /// Parses all values before it returns early for a missing one, so that no problem hides another.
    fn read(
        environment: &Environment,
        output: &Output,
        context: &mut ReportContext,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let values = &environment.values;
        let name = values.name.read(problems, object_name);
        let namespace = values.namespace.read(problems, namespace);
        let registries = values.registry.read_list(problems, registry);
        let trusted_hosts = values.trusted_hosts.read_list(problems, host);
        let images = values.image.read_list(problems, image);
        let mode = values.mode.read(problems, Mode::parse);
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
        let verify = values.verify.read(problems, Depth::parse);
        let registry_ca_file = values.registry_ca_file.read(problems, path);
        let connect_to = values.connect_to.read_list(problems, connect_to);
        let timeout = values.timeout.read(problems, |text| parse_timeout(text, TIMEOUT));
        let service_account_dir = values.service_account_dir.read(problems, path);
        let api_server = api_server(&environment.platform, problems);

        let proxy = proxy(&environment.platform);
        // Thousands of items would have as many problems.
        if check_counts(environment, &registries, &images, problems) {
            if mode.is_some_and(Mode::makes_credential) && values.token_file.value.is_none() {
                check_trust(environment, &registries, &trusted_hosts, problems);
            }
            check_coverage(environment, &registries, &images, problems);
            check_case(environment, &registries, problems);
            // Otherwise no registry is contacted.
            if verify.unwrap_or(Depth::Registry) == Depth::Registry {
                check_proxy(&proxy, &registries, problems);
            }
        }

        context.mode = mode;
        context.namespace = namespace.as_ref().map(ToString::to_string);
        context.name = name.as_ref().map(ToString::to_string);
        Some(Self {
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
            proxy,
            ssl_cert_file: environment.platform.get("SSL_CERT_FILE").map(Into::into),
            ssl_cert_dir: environment.platform.get("SSL_CERT_DIR").map(Into::into),
            output: output.clone(),
            warnings: environment.warnings.clone(),
        })
    }

    /// Context of the report.
    pub fn report_context(&self) -> ReportContext {
        ReportContext {
            mode: Some(self.mode),
            namespace: self.namespace.as_ref().map(ToString::to_string),
            name: Some(self.name.to_string()),
            next_run_unknown: self.next_run_within == NextRun::Unknown,
        }
    }
}
