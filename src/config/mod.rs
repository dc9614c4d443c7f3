//! Configuration: parsed from the environment once, validated as a whole, then typed.
//!
//! No I/O happens here: the process environment comes in as an iterator.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::credential::{Lifetime, Percentage};
use crate::image::{HostPort, RegistryHost};
use crate::image::{ImageReference, is_domain};

mod effective;
mod environment;
pub mod help;
pub mod markdown;
mod names;
mod output;
mod problem;
mod report_context;
#[cfg(test)]
mod tests;
mod validate;
mod value;
mod variables;

pub use names::{NameError, Namespace, ObjectName};
pub use output::{LogFormat, LogLevel, Output};
pub use problem::Problem;
pub use report_context::ReportContext;
pub use variables::{
    DEFAULT_DESCRIPTION, DEFAULT_DISPLAY_NAME, DefaultValue, Kind, PLATFORM_VARIABLES, PREFIX, VARIABLES,
    Variable,
};

/// Mode of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Create or update the Secret and verify it.
    Ensure,
    /// Run the same checks, read-only.
    Verify,
    /// Show what `Ensure` would change, read-only.
    Plan,
    /// Diagnose permissions, registry access and the stored Secret, read-only.
    Doctor,
}

impl Mode {
    const ALL: &'static [(&'static str, Self)] = &[
        ("ensure", Self::Ensure),
        ("verify", Self::Verify),
        ("plan", Self::Plan),
        ("doctor", Self::Doctor),
    ];

    /// True if the mode makes a credential, or checks what is needed to make one.
    pub const fn makes_credential(self) -> bool {
        match self {
            Self::Ensure | Self::Plan | Self::Doctor => true,
            Self::Verify => false,
        }
    }

    /// Name in the variable and in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ensure => "ensure",
            Self::Verify => "verify",
            Self::Plan => "plan",
            Self::Doctor => "doctor",
        }
    }
}

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

/// Depth of verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At the registry.
    Registry,
    /// At the API server only.
    Api,
    /// Structure of the document only.
    Structure,
}

impl Depth {
    const ALL: &'static [(&'static str, Self)] = &[
        ("registry", Self::Registry),
        ("api", Self::Api),
        ("structure", Self::Structure),
    ];
}

/// Address of the API server, from the pod's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// IP address or DNS name; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl ApiServer {
    fn host(text: &str) -> Option<String> {
        let ip = text.parse::<core::net::IpAddr>().is_ok();
        (ip || is_domain(text) && !text.contains(':')).then(|| text.to_owned())
    }
}

/// `host:port` for a URL: IPv6 in brackets.
impl fmt::Display for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Proxies for registries, unparsed: hyper-util's matcher parses them. Their URLs may contain a password.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// `HTTPS_PROXY` or `https_proxy`.
    pub https: Option<SecretString>,
    /// `ALL_PROXY` or `all_proxy`.
    pub all: Option<SecretString>,
    /// `NO_PROXY` or `no_proxy`.
    pub no: Option<String>,
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
        validate::validate(variables)
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
