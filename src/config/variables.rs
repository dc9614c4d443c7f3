//! Environment variables: the one table.
//!
//! The raw struct that envy fills, the names, defaults and examples in errors, `--help`, the tables of README, the
//! parameters of the Task, the effective configuration and the tests of invalid values come from here.

use serde::Deserialize;

use super::effective::{access, connect_to, hidden, list, next_run, path, plain, seconds, show, username};
use super::{Config, Depth, LogFormat, LogLevel, Mode};

/// Prefix of the program's own variables.
pub const PREFIX: &str = "PULL_SECRET_";

/// Default of `openshift.io/display-name`, where neither the Secret nor `PULL_SECRET_DISPLAY_NAME` has one.
pub const DEFAULT_DISPLAY_NAME: &str = "Internal OpenShift Registry";

/// Default of `openshift.io/description`, where neither the Secret nor `PULL_SECRET_DESCRIPTION` has one.
pub const DEFAULT_DESCRIPTION: &str = "Internal OpenShift Registry for ModelCar Images";

/// Default of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// The variable must be set.
    Required,
    /// No value.
    None,
    /// A value known only at run time, in words.
    Described(&'static str),
    /// This value, parsed as if it had been set.
    Value(&'static str),
}

/// Kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The name of a Kubernetes object.
    Name,
    /// A list, separated by commas or white space.
    List,
    /// `90s`, `15m`, `24h`, `7d`.
    Duration,
    /// `40%`.
    Percentage,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Free text, never printed: users paste tokens here by mistake.
    Text,
    /// A path, never printed: users paste a token in place of its file's path.
    Path,
}

/// An environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Full name.
    pub name: &'static str,
    /// Default.
    pub default: DefaultValue,
    /// Kind of its value.
    pub kind: Kind,
    /// True if only the installer sets it, never a Task parameter: it decides where a credential is sent, which one is
    /// stored or how it is verified (contract, section 7), or names a file to write.
    pub installer_only: bool,
    /// Meaning, in full sentences.
    pub meaning: &'static str,
    /// A valid value.
    pub example: &'static str,
    /// Invalid values, for the tests.
    #[cfg(test)]
    pub(super) wrong: &'static [&'static str],
    /// Effective value, as the log shows it; none if unset.
    pub(super) effective: fn(&Config) -> Option<String>,
}

/// A Task parameter sets the variable, too.
const ANYBODY: bool = false;
/// Only the installer sets the variable.
const INSTALLER: bool = true;

/// A variable and its unparsed value.
pub(super) struct RawValue {
    pub variable: &'static Variable,
    pub value: Option<String>,
}

macro_rules! variables {
    ($($field:ident $name:literal, $default:expr, $kind:expr, $who:ident, $meaning:literal, $example:literal,
        wrong [$($wrong:literal),+], $effective:expr;)+) => {
        /// One value for each variable.
        #[derive(Default, Deserialize)]
        pub(super) struct Fields<T> {
            $(pub $field: T,)+
        }

        /// Names of the fields, in the order of the table.
        #[cfg(test)]
        pub(super) const FIELDS: &[&str] = &[$(stringify!($field),)+];

        const TABLE: Fields<Variable> = Fields {
            $($field: Variable {
                name: $name,
                default: $default,
                kind: $kind,
                installer_only: $who,
                meaning: $meaning,
                example: $example,
                #[cfg(test)]
                wrong: &[$($wrong),+],
                effective: $effective,
            },)+
        };

        /// The program's own variables, in the order of the contract.
        pub const VARIABLES: &[Variable] = &[$(TABLE.$field,)+];

        impl From<Raw> for Values {
            fn from(raw: Raw) -> Self {
                Self {
                    $($field: RawValue {
                        variable: const { &TABLE.$field },
                        value: raw.$field,
                    },)+
                }
            }
        }
    };
}

/// Unparsed variables, filled by envy from the names without the prefix.
pub(super) type Raw = Fields<Option<String>>;

/// Unparsed values with their rows of the table.
pub(super) type Values = Fields<RawValue>;

const BOOL: Kind = Kind::Choice(&["true", "false"]);

variables! {
    name "PULL_SECRET_NAME", DefaultValue::Required, Kind::Name, ANYBODY,
        "Name of the Secret.",
        "internal-registry-private-ai",
        wrong ["A", "a_b", "-a", "a.", "a b", " a", "a\n", "Not_A_Name"],
        |config| show(&config.name);
    namespace "PULL_SECRET_NAMESPACE", DefaultValue::Described("the pod's own"), Kind::Name, ANYBODY,
        "Namespace of the Secret.",
        "private-ai-demo",
        wrong ["a.b", "A", "-", "aa\n"],
        |config| show(config.namespace.as_ref()?);
    registry "PULL_SECRET_REGISTRY",
        DefaultValue::Value("image-registry.openshift-image-registry.svc:5000"), Kind::List, ANYBODY,
        "List of at most 64 registries the credential is for: host[:port], optionally with a path; no scheme, trailing slash, \
         user or wildcard; Docker Hub is docker.io.",
        "image-registry.openshift-image-registry.svc:5000,quay.io/team",
        wrong ["https://quay.io", "quay.io/", "user@quay.io", "*.example.com", "a\tb", "quay", " , ", "q.io:0"],
        |config| list(&config.registries);
    trusted_hosts "PULL_SECRET_TRUSTED_HOSTS", DefaultValue::None, Kind::List, INSTALLER,
        "Additional hosts that may receive the credential. Without it, a Kubernetes token is sent only to OpenShift's \
         internal registry, and any other credential only to its own registry. List here, for example, the registry's \
         external route, or a token service on another host.",
        "default-route-openshift-image-registry.apps.example.com",
        wrong ["https://quay.io", "quay.io/team", "*.example.com", "quay.io:99999", "a, *b"],
        |config| list(&config.trusted_hosts);
    image "PULL_SECRET_IMAGE", DefaultValue::None, Kind::List, ANYBODY,
        "List of at most 64 image references that must be pullable with the credential. The prefixes oci://, \
         oci+native://, oci+fetch:// and docker:// are removed; if a reference has a tag and a digest, the digest is \
         verified.",
        "image-registry.openshift-image-registry.svc:5000/private-ai-demo/model:1.0",
        wrong ["image-registry.openshift-image-registry.svc:5000/a/b@", "quay.io/a/b:1", "UPPER/a", "http://a.b/c"],
        |config| list(&config.images);
    mode "PULL_SECRET_MODE", DefaultValue::Value("ensure"), Kind::Choice(Mode::WORDS), ANYBODY,
        "ensure: create or update the Secret and verify it. verify: run the same checks, read-only. plan: show what \
         ensure would change and whether permissions allow it. doctor: diagnose permissions, registry access and the \
         stored Secret.",
        "verify",
        wrong ["Ensure", "Plan", "diagnose", "apply", " ensure"],
        |config| plain(config.mode.as_str());
    service_account "PULL_SECRET_SERVICE_ACCOUNT", DefaultValue::Described("the caller's own"), Kind::Name,
        INSTALLER,
        "ServiceAccount whose token is requested, in the Secret's namespace; required if the program runs in another \
         namespace. Whoever can read the Secret can act as this ServiceAccount.",
        "model-puller",
        wrong ["A", "ns/name", "a:b"],
        |config| show(config.service_account.as_ref()?);
    token_lifetime "PULL_SECRET_TOKEN_LIFETIME", DefaultValue::Value("24h"), Kind::Duration, ANYBODY,
        "Lifetime to request from the API server, which may shorten it; 10m to 30d.",
        "24h",
        wrong ["9m", "599s", "31d", "24", "1.5h", "-1h", "24H", "0s", "9999999999999999999d"],
        |config| plain(config.token_lifetime);
    refresh_below "PULL_SECRET_REFRESH_BELOW", DefaultValue::Value("40%"), Kind::Percentage, ANYBODY,
        "Refresh when less than this percentage of the lifetime is left; more than 0% and less than 100%.",
        "40%",
        wrong ["0%", "100%", "101%", "40", "-1%", "4 0%", "00%"],
        |config| plain(config.refresh_below);
    next_run_within "PULL_SECRET_NEXT_RUN_WITHIN", DefaultValue::None, Kind::Duration, ANYBODY,
        "The longest time until the next scheduled run: a credential that would expire before is refreshed now. \
         Set to `none` to omit the \"no next run is known\" note from MESSAGE.",
        "9h",
        wrong ["None", "never", "0s", "5", "-5m"],
        |config| next_run(config.next_run_within);
    token_file "PULL_SECRET_TOKEN_FILE", DefaultValue::None, Kind::Path, INSTALLER,
        "Store the token in this file instead of requesting one: a robot account's password, or a Google key file \
         (user name _json_key). A trailing line break is removed.",
        "/var/run/robot/token",
        wrong ["token", "./token", "/a\nb"],
        |config| path(config.token_file.as_ref()?);
    username "PULL_SECRET_USERNAME", DefaultValue::Value("<token>"), Kind::Text, ANYBODY,
        "User name of the entry; not empty, without colon or control character.",
        "team+robot",
        wrong ["a:b", "a\nb", "\u{7f}"],
        |config| username(&config.username);
    access "PULL_SECRET_ACCESS", DefaultValue::Value("Pull"), Kind::List, ANYBODY,
        "Pull or Push,Pull: the value of ACCESS_TYPE, and the access that is verified.",
        "Push,Pull",
        wrong ["pull", "Push", "Push,Pull,Pull", "Pull,Delete", ","],
        |config| access(config.access);
    connection "PULL_SECRET_CONNECTION", DefaultValue::Value("true"), BOOL, ANYBODY,
        "Write the Open Data Hub label, annotations and keys; false leaves them out of the next write.",
        "false",
        wrong ["True", "yes", "1", "true "],
        |config| plain(config.connection);
    display_name "PULL_SECRET_DISPLAY_NAME", DefaultValue::Value(DEFAULT_DISPLAY_NAME), Kind::Text, ANYBODY,
        "Name in the dashboard; if unset, the default is written only where the Secret has none.",
        "Internal OpenShift Registry",
        wrong ["a\nb", "\u{1b}[31m"],
        |config| hidden(config.display_name.as_ref()?);
    description "PULL_SECRET_DESCRIPTION", DefaultValue::Value(DEFAULT_DESCRIPTION), Kind::Text, ANYBODY,
        "Description in the dashboard; if unset, the default is written only where the Secret has none.",
        "Internal OpenShift Registry for ModelCar Images",
        wrong ["a\nb", "\u{1b}[31m"],
        |config| hidden(config.description.as_ref()?);
    verify "PULL_SECRET_VERIFY", DefaultValue::Value("registry"),
        Kind::Choice(Depth::WORDS), INSTALLER,
        "How far to verify: registry, api (structure, token review, access review; never contacts the registry) or \
         structure. With api and structure a run ends with WARNING not-verified, unless the API server reviewed a \
         token of this cluster for OpenShift's internal registry.",
        "registry",
        wrong ["all", "Registry"],
        |config| plain(config.verify.as_str());
    registry_ca_file "PULL_SECRET_REGISTRY_CA_FILE", DefaultValue::None, Kind::Path, INSTALLER,
        "PEM bundle trusted for registries, in addition to service-ca.crt and ca.crt in \
         PULL_SECRET_SERVICE_ACCOUNT_DIR, SSL_CERT_FILE, the files in SSL_CERT_DIR and the built-in public roots. A \
         registry's own certificate, self-signed or pinned, is accepted too; its names and validity are still checked. The \
         API server is verified with ca.crt only.",
        "/etc/registry-ca/ca-bundle.crt",
        wrong ["ca.crt"],
        |config| path(config.registry_ca_file.as_ref()?);
    connect_to "PULL_SECRET_CONNECT_TO", DefaultValue::None, Kind::List, INSTALLER,
        "List of host:port=address:port, like curl's --connect-to: connect to the address instead of the host. Keys, \
         requests and TLS verification still use the host. Never applies to the API server.",
        "registry.example.com:443=10.0.0.7:5000",
        wrong ["a.b:1", "a.b=c.d:1", "a.b:1=c.d", "a.b:1=c.d:x", "=", "a.b:1=c.d:1=e.f:1"],
        |config| connect_to(&config.connect_to);
    strict "PULL_SECRET_STRICT", DefaultValue::Value("true"), BOOL, ANYBODY,
        "If false, the exit code is that of the most severe finding whose STATUS is ERROR, and 0 without one.",
        "false",
        wrong ["False", "0", "maybe"],
        |config| plain(config.output.strict);
    timeout "PULL_SECRET_TIMEOUT", DefaultValue::Value("2m"), Kind::Duration, ANYBODY,
        "Time limit of the whole run, including retries; 1s to 1h.",
        "2m",
        wrong ["0s", "2", "61m", "1ms", "soon"],
        |config| seconds(config.timeout);
    log "PULL_SECRET_LOG", DefaultValue::Value("info"), Kind::Choice(LogLevel::WORDS), ANYBODY,
        "Level of the program's own messages on standard error: error, warn, info or debug.",
        "debug",
        wrong ["trace", "INFO", "debug,hyper=trace"],
        |config| plain(config.output.log_level.as_str());
    log_format "PULL_SECRET_LOG_FORMAT", DefaultValue::Value("text"), Kind::Choice(LogFormat::WORDS), ANYBODY,
        "Format of standard error: text or json.",
        "json",
        wrong ["JSON", "pretty"],
        |config| plain(config.output.log_format.as_str());
    termination_message_file "PULL_SECRET_TERMINATION_MESSAGE_FILE", DefaultValue::None, Kind::Path, INSTALLER,
        "File for STATUS, REASON and MESSAGE in one line; for a CronJob: /dev/termination-log.",
        "/dev/termination-log",
        wrong ["termination-log"],
        |config| path(config.output.termination_message_file.as_ref()?);
    service_account_dir "PULL_SECRET_SERVICE_ACCOUNT_DIR",
        DefaultValue::Value("/var/run/secrets/kubernetes.io/serviceaccount"), Kind::Path, INSTALLER,
        "Directory with token, ca.crt, namespace and, on OpenShift, service-ca.crt.",
        "/var/run/secrets/kubernetes.io/serviceaccount",
        wrong ["serviceaccount"],
        |config| path(&config.service_account_dir);
}

/// Platform variables that are read too: names, default and meaning, for the tables.
pub const PLATFORM_VARIABLES: &[(&str, &str, &str)] = &[
    (
        "KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT",
        "set by Kubernetes",
        "Address of the API server; https only.",
    ),
    (
        "HTTPS_PROXY, NO_PROXY, ALL_PROXY",
        "–",
        "HTTP proxy (CONNECT) for registries; never for the API server. NO_PROXY as in Go: .svc, *.svc, host:port, CIDR. \
         Lower-case names work too.",
    ),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "–",
        "PEM file, and directories of PEM files separated by colons, trusted for registries in addition; never for the \
         API server.",
    ),
    (
        "RESULTS_<RESULT>_PATH",
        "–",
        "File for this result; if unset, the result is not written.",
    ),
];

/// Reserved variables, which this version does not support, and their purpose.
pub(super) const RESERVED: &[(&str, &str)] = &[
    ("PULL_SECRET_NAMESPACES", "several namespaces in one run"),
    ("PULL_SECRET_NAMESPACE_SELECTOR", "several namespaces in one run"),
    ("PULL_SECRET_CONCURRENCY", "several namespaces in one run"),
    ("PULL_SECRET_NAMESPACE_TIMEOUT", "several namespaces in one run"),
    (
        "PULL_SECRET_SHARDS",
        "dividing namespaces among the pods of an Indexed Job",
    ),
    (
        "PULL_SECRET_LINK_SERVICE_ACCOUNTS",
        "linking the Secret to ServiceAccounts",
    ),
    ("PULL_SECRET_LINK_FOR", "linking the Secret to ServiceAccounts"),
    (
        "PULL_SECRET_EXCHANGE",
        "exchanging a token for a registry's credential",
    ),
    (
        "PULL_SECRET_AUDIENCE",
        "exchanging a token for a registry's credential",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_names_are_the_prefix_and_the_field_in_capitals() {
        for (variable, field) in VARIABLES.iter().zip(FIELDS) {
            assert_eq!(variable.name, format!("{PREFIX}{}", field.to_uppercase()));
        }
    }

    #[test]
    fn p5_s1_only_the_installer_sets_what_the_contract_reserves() {
        let mut installer: Vec<_> = VARIABLES
            .iter()
            .filter(|variable| variable.installer_only)
            .map(|variable| variable.name.trim_start_matches(PREFIX))
            .collect();
        installer.sort_unstable();
        // Contract, section 7, and the file that is written.
        let reserved = [
            "CONNECT_TO",
            "REGISTRY_CA_FILE",
            "SERVICE_ACCOUNT",
            "SERVICE_ACCOUNT_DIR",
            "TERMINATION_MESSAGE_FILE",
            "TOKEN_FILE",
            "TRUSTED_HOSTS",
            "VERIFY",
        ];
        assert_eq!(installer, reserved);
    }

    #[test]
    fn every_variable_has_a_meaning_and_an_example() {
        for variable in VARIABLES {
            assert!(variable.meaning.ends_with('.'), "{}", variable.name);
            assert!(!variable.meaning.contains("  "), "{}", variable.name);
            assert!(!variable.example.is_empty(), "{}", variable.name);
        }
    }
}
