//! The configuration: read from the environment once, checked as a whole, typed from then on.
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

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Make the secret right, and prove it.
    Ensure,
    /// Read only, and make the same checks.
    Verify,
    /// Read only, and say what `Ensure` would change.
    Plan,
    /// Read only, and say what is missing, or too much, for `Ensure`.
    Doctor,
}

impl Mode {
    const ALL: &'static [(&'static str, Self)] = &[
        ("ensure", Self::Ensure),
        ("verify", Self::Verify),
        ("plan", Self::Plan),
        ("doctor", Self::Doctor),
    ];

    /// Whether it makes a credential, or says what would come of it.
    pub const fn makes_credential(self) -> bool {
        match self {
            Self::Ensure | Self::Plan | Self::Doctor => true,
            Self::Verify => false,
        }
    }

    /// The word that the variable and the report have.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ensure => "ensure",
            Self::Verify => "verify",
            Self::Plan => "plan",
            Self::Doctor => "doctor",
        }
    }
}

/// When the next scheduled run comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun {
    /// Nobody said; MESSAGE says that.
    Unknown,
    /// None is planned, and that is meant so.
    NotPlanned,
    /// After this time at the latest.
    Within(Lifetime),
}

/// What the credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Pulling.
    Pull,
    /// Pushing and pulling.
    PushPull,
}

impl Access {
    /// The value of `ACCESS_TYPE`, as the Open Data Hub dashboard writes it.
    pub const fn as_json(self) -> &'static str {
        match self {
            Self::Pull => r#"["Pull"]"#,
            Self::PushPull => r#"["Push","Pull"]"#,
        }
    }
}

/// How far to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Ask the registry.
    Registry,
    /// Ask the API server alone.
    Api,
    /// Ask nobody.
    Structure,
}

impl Depth {
    const ALL: &'static [(&'static str, Self)] = &[
        ("registry", Self::Registry),
        ("api", Self::Api),
        ("structure", Self::Structure),
    ];
}

/// The API server's address, as the pod's environment has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// An IP address or DNS name; IPv6 without brackets.
    pub host: String,
    /// The port.
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

/// The proxies for registries, as they were given: hyper-util's matcher reads them. Their URLs may hold a password.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// `HTTPS_PROXY` or `https_proxy`.
    pub https: Option<SecretString>,
    /// `ALL_PROXY` or `all_proxy`.
    pub all: Option<SecretString>,
    /// `NO_PROXY` or `no_proxy`.
    pub no: Option<String>,
}

/// What is to be done, to which secret, for which registries, and how. The fields are the variables of contract
/// section 2.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Secret's name.
    pub name: ObjectName,
    /// The Secret's namespace; none means the pod's own.
    pub namespace: Option<Namespace>,
    /// The registries that get the credential: at least one, none twice.
    pub registries: Vec<RegistryHost>,
    /// Hosts that may receive the credential beside those where it plainly belongs.
    pub trusted_hosts: Vec<HostPort>,
    /// Images that must be pullable; each is covered by one of the registries.
    pub images: Vec<ImageReference>,
    /// What is to be done.
    pub mode: Mode,
    /// Whose token is minted; none means the caller's own, and there is none beside a token file.
    pub service_account: Option<ObjectName>,
    /// The lifetime asked of the API server.
    pub token_lifetime: Lifetime,
    /// Refresh when less than this share of the lifetime is left; neither 0% nor 100%.
    pub refresh_below: Percentage,
    /// When the next scheduled run comes.
    pub next_run_within: NextRun,
    /// The file with the token to store, instead of a minted one.
    pub token_file: Option<PathBuf>,
    /// The user name of the entry: not empty, no colon, no control character.
    pub username: String,
    /// What the credential is for.
    pub access: Access,
    /// Whether Open Data Hub's label, annotations and keys are written.
    pub connection: bool,
    /// What the dashboard shall show; none: [`DEFAULT_DISPLAY_NAME`], where the Secret has none.
    pub display_name: Option<String>,
    /// What the dashboard shall show; none: [`DEFAULT_DESCRIPTION`], where the Secret has none.
    pub description: Option<String>,
    /// How far to verify.
    pub verify: Depth,
    /// A PEM bundle that is trusted for registries.
    pub registry_ca_file: Option<PathBuf>,
    /// Where to dial instead: host and port as they would be dialled, and the address for it.
    pub connect_to: Vec<(HostPort, HostPort)>,
    /// The time for the whole run, 1 s to 1 h.
    pub timeout: Duration,
    /// Where the pod's own token, CA and namespace are.
    pub service_account_dir: PathBuf,
    /// The API server; none where the environment does not name it.
    pub api_server: Option<ApiServer>,
    /// The proxies for registries.
    pub proxy: Proxy,
    /// A PEM file that is trusted for registries.
    pub ssl_cert_file: Option<PathBuf>,
    /// Directories, separated by colons, of PEM files that are trusted for registries.
    pub ssl_cert_dir: Option<PathBuf>,
    /// Where and how the run is reported.
    pub output: Output,
    /// Unknown variables and those without effect, one sentence each, for the log.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with the environment, and what is needed to report it.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// Every mistake, at least one.
    pub problems: Vec<Problem>,
    /// As in [`Config::warnings`].
    pub warnings: Vec<String>,
    /// Where and how to report, as far as that could be read.
    pub output: Output,
    /// What the run would have been about, as far as that could be read.
    pub context: ReportContext,
}

impl Config {
    /// Reads and checks the environment; `variables` is the whole of it, as [`std::env::vars_os`] gives it.
    ///
    /// # Errors
    /// Every mistake that was found, together.
    pub fn from_env(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Box<ConfigError>> {
        validate::validate(variables)
    }

    /// What the run is about, for its report.
    pub fn report_context(&self) -> ReportContext {
        ReportContext {
            mode: Some(self.mode),
            namespace: self.namespace.as_ref().map(ToString::to_string),
            name: Some(self.name.to_string()),
            next_run_unknown: self.next_run_within == NextRun::Unknown,
        }
    }
}
