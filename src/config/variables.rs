//! Every environment variable that the program reads, in one table.
//!
//! The raw struct that envy fills, the checks' names, defaults and examples, `--help` and the tables of README and
//! Task come from here.

use serde::Deserialize;

/// What the names of our own variables start with.
pub const PREFIX: &str = "PULL_SECRET_";

/// Written as `openshift.io/display-name` where neither the Secret nor `PULL_SECRET_DISPLAY_NAME` has one.
pub const DEFAULT_DISPLAY_NAME: &str = "Internal OpenShift Registry";

/// Written as `openshift.io/description` where neither the Secret nor `PULL_SECRET_DESCRIPTION` has one.
pub const DEFAULT_DESCRIPTION: &str = "Internal OpenShift Registry for ModelCar Images";

/// What holds where a variable is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// It must be set.
    Required,
    /// No value.
    None,
    /// A value known only at run time, in words.
    Described(&'static str),
    /// This value, read as if it had been set.
    Value(&'static str),
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The name of a Kubernetes object.
    Name,
    /// A comma-separated list.
    List,
    /// `90s`, `15m`, `24h`, `7d`.
    Duration,
    /// `40%`.
    Percentage,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Free text; a token ends up here by mistake easily, so it is never echoed.
    Text,
    /// A path; never echoed either, since a token is put where its file is asked for.
    Path,
}

/// One environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its full name.
    pub name: &'static str,
    /// What holds where it is not set.
    pub default: DefaultValue,
    /// What its value is.
    pub kind: Kind,
    /// Set by whoever installs, never by a Task parameter: it decides where a credential goes, which one is stored or
    /// how it is verified (contract, section 7), or names a file that is written.
    pub installer_only: bool,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// A right value.
    pub example: &'static str,
}

/// Who sets a variable.
const ANYBODY: bool = false;
const INSTALLER: bool = true;

/// One variable and what was given for it.
pub(super) struct RawValue {
    pub variable: &'static Variable,
    pub value: Option<String>,
}

macro_rules! variables {
    ($($field:ident $name:literal, $default:expr, $kind:expr, $who:ident, $meaning:expr, $example:literal;)+) => {
        /// Our own variables, in the order of the contract.
        pub const VARIABLES: &[Variable] = &[$(Variable {
            name: $name,
            default: $default,
            kind: $kind,
            installer_only: $who,
            meaning: $meaning,
            example: $example,
        },)+];

        /// Our own variables as the environment has them; envy fills it by the names without the prefix.
        #[derive(Default, Deserialize)]
        pub(super) struct Raw {
            $($field: Option<String>,)+
        }

        /// Each of our own variables beside its row of the table.
        pub(super) struct Values {
            $(pub $field: RawValue,)+
        }

        impl From<Raw> for Values {
            fn from(raw: Raw) -> Self {
                Self {
                    $($field: RawValue {
                        variable: const { &Variable {
                            name: $name,
                            default: $default,
                            kind: $kind,
                            installer_only: $who,
                            meaning: $meaning,
                            example: $example,
                        } },
                        value: raw.$field,
                    },)+
                }
            }
        }

        #[cfg(test)]
        const FIELDS: &[&str] = &[$(stringify!($field),)+];
    };
}

const BOOL: Kind = Kind::Choice(&["true", "false"]);

variables! {
    name "PULL_SECRET_NAME", DefaultValue::Required, Kind::Name, ANYBODY,
        "Name of the Secret.",
        "internal-registry-private-ai";
    namespace "PULL_SECRET_NAMESPACE", DefaultValue::Described("the pod's own"), Kind::Name, ANYBODY,
        "Namespace of the Secret.",
        "private-ai-demo";
    registry "PULL_SECRET_REGISTRY",
        DefaultValue::Value("image-registry.openshift-image-registry.svc:5000"), Kind::List, ANYBODY,
        "List of registries that get the credential: host[:port], narrowed by a path where wanted; no scheme, \
         trailing slash, user or wildcard; Docker Hub is docker.io.",
        "image-registry.openshift-image-registry.svc:5000,quay.io/team";
    trusted_hosts "PULL_SECRET_TRUSTED_HOSTS", DefaultValue::None, Kind::List, INSTALLER,
        "List of hosts that may receive the credential beside those where it plainly belongs (a Kubernetes token: \
         OpenShift's internal registry; any other: its registry): another registry for a Kubernetes token, or \
         another host that a registry's Bearer challenge names.",
        "default-route-openshift-image-registry.apps.example.com";
    image "PULL_SECRET_IMAGE", DefaultValue::None, Kind::List, ANYBODY,
        "List of image references that must be pullable with the credential; white space, oci://, oci+native://, \
         oci+fetch:// and docker:// are dropped; with tag and digest, the digest is asked for.",
        "image-registry.openshift-image-registry.svc:5000/private-ai-demo/model:1.0";
    mode "PULL_SECRET_MODE", DefaultValue::Value("ensure"), Kind::Choice(&["ensure", "verify", "plan", "doctor"]), ANYBODY,
        "ensure makes the secret right and proves it; verify reads only and makes the same checks; plan says what ensure \
         would change, and whether it may; doctor says what is missing or too much for it. The last three write nothing.",
        "verify";
    service_account "PULL_SECRET_SERVICE_ACCOUNT", DefaultValue::Described("the caller's own"), Kind::Name,
        INSTALLER,
        "ServiceAccount whose token is requested, in the Secret's namespace; required if the program runs in another \
         namespace. Whoever can read the Secret can act as this ServiceAccount.",
        "model-puller";
    token_lifetime "PULL_SECRET_TOKEN_LIFETIME", DefaultValue::Value("24h"), Kind::Duration, ANYBODY,
        "Lifetime asked of the API server, which may shorten it; 10m to 30d.",
        "24h";
    refresh_below "PULL_SECRET_REFRESH_BELOW", DefaultValue::Value("40%"), Kind::Percentage, ANYBODY,
        "Refresh when less than this share of the lifetime is left; more than 0% and less than 100%.",
        "40%";
    next_run_within "PULL_SECRET_NEXT_RUN_WITHIN", DefaultValue::None, Kind::Duration, ANYBODY,
        "The longest time until the next scheduled run: a credential that would not outlive it is refreshed now. \
         Unset, MESSAGE says that no next run is known; none leaves that out.",
        "9h";
    token_file "PULL_SECRET_TOKEN_FILE", DefaultValue::None, Kind::Path, INSTALLER,
        "Store the token in this file instead of requesting one: a robot account's password, or a Google key file \
         (user name _json_key). A line end at its end is dropped.",
        "/var/run/robot/token";
    username "PULL_SECRET_USERNAME", DefaultValue::Value("<token>"), Kind::Text, ANYBODY,
        "User name of the entry; not empty, without colon or control character.",
        "team+robot";
    access "PULL_SECRET_ACCESS", DefaultValue::Value("Pull"), Kind::List, ANYBODY,
        "Pull or Push,Pull: what ACCESS_TYPE says, and what is verified.",
        "Push,Pull";
    connection "PULL_SECRET_CONNECTION", DefaultValue::Value("true"), BOOL, ANYBODY,
        "Write the Open Data Hub label, annotations and keys; false leaves them out of the next write.",
        "false";
    display_name "PULL_SECRET_DISPLAY_NAME", DefaultValue::Value(DEFAULT_DISPLAY_NAME), Kind::Text, ANYBODY,
        "Name that the dashboard shows; unset, it is written only where absent.",
        "Internal OpenShift Registry";
    description "PULL_SECRET_DESCRIPTION", DefaultValue::Value(DEFAULT_DESCRIPTION), Kind::Text, ANYBODY,
        "Description that the dashboard shows; unset, it is written only where absent.",
        "Internal OpenShift Registry for ModelCar Images";
    verify "PULL_SECRET_VERIFY", DefaultValue::Value("registry"),
        Kind::Choice(&["registry", "api", "structure"]), INSTALLER,
        "How far to verify: registry, api (structure, token review, access review; never contacts the registry) or \
         structure. With api and structure a run ends with WARNING not-verified, unless the API server reviewed a \
         token of this cluster for OpenShift's internal registry.",
        "registry";
    registry_ca_file "PULL_SECRET_REGISTRY_CA_FILE", DefaultValue::None, Kind::Path, INSTALLER,
        "PEM bundle trusted for registries, in addition to service-ca.crt and ca.crt beside the service account \
         token, SSL_CERT_FILE, the files in SSL_CERT_DIR, and the public roots built in; the API server is trusted \
         by ca.crt alone.",
        "/etc/registry-ca/ca-bundle.crt";
    connect_to "PULL_SECRET_CONNECT_TO", DefaultValue::None, Kind::List, INSTALLER,
        "List of host:port=address:port, like curl's --connect-to: where to dial instead of a host; names, TLS \
         verification and keys stay those of the host; the API server never.",
        "registry.example.com:443=10.0.0.7:5000";
    strict "PULL_SECRET_STRICT", DefaultValue::Value("true"), BOOL, ANYBODY,
        "false: a STATUS of FAILURE stands in the results and the exit code is 0; never for ERROR.",
        "false";
    timeout "PULL_SECRET_TIMEOUT", DefaultValue::Value("2m"), Kind::Duration, ANYBODY,
        "Time for the whole run, retries included; 1s to 1h.",
        "2m";
    log "PULL_SECRET_LOG", DefaultValue::Value("info"), Kind::Choice(&["error", "warn", "info", "debug"]), ANYBODY,
        "Level of the program's own messages on standard error: error, warn, info or debug.",
        "debug";
    log_format "PULL_SECRET_LOG_FORMAT", DefaultValue::Value("text"), Kind::Choice(&["text", "json"]), ANYBODY,
        "Format of standard error: text or json.",
        "json";
    termination_message_file "PULL_SECRET_TERMINATION_MESSAGE_FILE", DefaultValue::None, Kind::Path, INSTALLER,
        "File that gets STATUS, REASON and MESSAGE in one line; for a CronJob: /dev/termination-log.",
        "/dev/termination-log";
    service_account_dir "PULL_SECRET_SERVICE_ACCOUNT_DIR",
        DefaultValue::Value("/var/run/secrets/kubernetes.io/serviceaccount"), Kind::Path, INSTALLER,
        "Directory with token, ca.crt, namespace and, on OpenShift, service-ca.crt.",
        "/var/run/secrets/kubernetes.io/serviceaccount";
}

/// Variables without our prefix that are read too; for the tables.
pub const PLATFORM_VARIABLES: &[(&str, &str, &str)] = &[
    (
        "KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT",
        "set by Kubernetes",
        "Address of the API server; https only.",
    ),
    (
        "HTTPS_PROXY, NO_PROXY, ALL_PROXY",
        "–",
        "Proxy for registries, by CONNECT; never for the API server. Lower case is read too.",
    ),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "–",
        "PEM files, and directories of them separated by colons, trusted for registries in addition; never for the \
         API server.",
    ),
    (
        "RESULTS_<RESULT>_PATH",
        "–",
        "File that gets a result; absent means not wanted.",
    ),
];

/// Variables of the contract that this version does not have, and what they are for.
pub(super) const RESERVED: &[(&str, &str)] = &[
    ("PULL_SECRET_NAMESPACES", "several namespaces in one run"),
    ("PULL_SECRET_NAMESPACE_SELECTOR", "several namespaces in one run"),
    ("PULL_SECRET_CONCURRENCY", "several namespaces in one run"),
    (
        "PULL_SECRET_SHARDS",
        "dividing namespaces among the pods of an Indexed Job",
    ),
    ("JOB_COMPLETION_INDEX", "running as an Indexed Job"),
    (
        "PULL_SECRET_LINK_SERVICE_ACCOUNTS",
        "linking the secret to service accounts",
    ),
    ("PULL_SECRET_LINK_FOR", "linking the secret to service accounts"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_its_field_in_capitals_behind_the_prefix() {
        for (variable, field) in VARIABLES.iter().zip(FIELDS) {
            assert_eq!(variable.name, format!("{PREFIX}{}", field.to_uppercase()));
        }
    }

    #[test]
    fn p5_s1_the_installer_alone_sets_what_the_contract_reserves() {
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
    fn a_meaning_is_a_sentence_and_an_example_is_there() {
        for variable in VARIABLES {
            assert!(variable.meaning.ends_with('.'), "{}", variable.name);
            assert!(!variable.meaning.contains("  "), "{}", variable.name);
            assert!(!variable.example.is_empty(), "{}", variable.name);
        }
    }
}
