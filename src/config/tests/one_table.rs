//! One table: rows, raw fields, fields of [`Config`], effective settings, defaults and choices agree.

use super::super::output::Output;
use super::super::variables::FIELDS;
use super::*;

/// Names of all fields of a struct; a field that is missing here doesn't compile.
macro_rules! fields {
    ($type:ident { $($field:ident),+ $(,)? }, $value:expr) => {{
        let $type { $($field),+ } = $value;
        $(let _ = $field;)+
        vec![$(stringify!($field)),+]
    }};
}

/// Field of [`Config`] or [`Output`] for a raw field.
fn config_field(raw: &str) -> &str {
    match raw {
        "registry" => "registries",
        "image" => "images",
        "log" => "log_level",
        same => same,
    }
}

#[test]
fn config_has_one_field_for_each_raw_field() {
    let fields = fields!(
        Config {
            name,
            namespace,
            registries,
            trusted_hosts,
            images,
            mode,
            service_account,
            token_lifetime,
            refresh_below,
            next_run_within,
            token_file,
            username,
            access,
            connection,
            display_name,
            description,
            verify,
            registry_ca_file,
            connect_to,
            timeout,
            service_account_dir,
            api_server,
            proxy,
            ssl_cert_file,
            ssl_cert_dir,
            output,
            warnings,
        },
        config(&[])
    );
    let of_output = fields!(
        Output {
            log_level,
            log_format,
            strict,
            results,
            termination_message_file,
        },
        Output::default()
    );
    let others = [
        "api_server",
        "proxy",
        "ssl_cert_file",
        "ssl_cert_dir",
        "output",
        "warnings",
        "results",
    ];
    let mut of_config: Vec<_> = fields.into_iter().chain(of_output).collect();
    of_config.retain(|field| !others.contains(field));
    of_config.sort_unstable();
    let mut of_table: Vec<_> = FIELDS.iter().map(|raw| config_field(raw)).collect();
    of_table.sort_unstable();
    assert_eq!(of_config, of_table);
    assert_eq!(FIELDS.len(), VARIABLES.len());
}

/// A valid value that is not the default.
fn other_value(variable: &Variable) -> &'static str {
    match variable.name {
        "PULL_SECRET_NAME" => "other",
        "PULL_SECRET_REGISTRY" => "quay.io",
        "PULL_SECRET_MODE" => "plan",
        "PULL_SECRET_TOKEN_LIFETIME" => "12h",
        "PULL_SECRET_REFRESH_BELOW" => "50%",
        "PULL_SECRET_VERIFY" => "api",
        "PULL_SECRET_TIMEOUT" => "3m",
        "PULL_SECRET_SERVICE_ACCOUNT_DIR" => "/var/run/other",
        _ => variable.example,
    }
}

#[test]
fn each_variable_changes_its_own_effective_setting_only() {
    let verify = ("PULL_SECRET_MODE", "verify");
    let unset = config(&[verify]).effective();
    for variable in VARIABLES {
        let mut set = vec![(variable.name, other_value(variable))];
        set.extend((variable.name != verify.0).then_some(verify));
        let mut effective = config(&set).effective();
        let mut expected = unset.clone();
        let changed = |(name, _): &(&str, String)| *name == variable.name;
        assert_ne!(
            effective.iter().find(|row| changed(row)),
            expected.iter().find(|row| changed(row)),
            "{}",
            variable.name
        );
        effective.retain(|row| !changed(row));
        expected.retain(|row| !changed(row));
        assert_eq!(effective, expected, "{}", variable.name);
    }
}

#[test]
fn each_default_of_the_table_is_the_effective_one() {
    let unset = config(&[]).effective();
    for variable in VARIABLES {
        let DefaultValue::Value(default) = variable.default else {
            continue;
        };
        // If unset, they are written only where the Secret has none.
        if variable.kind == Kind::Text && variable.name != "PULL_SECRET_USERNAME" {
            continue;
        }
        let set = config(&[(variable.name, default)]).effective();
        assert_eq!(set, unset, "{}", variable.name);
    }
}

#[test]
fn each_choice_of_the_table_is_accepted_and_no_other() {
    for variable in VARIABLES {
        let Kind::Choice(words) = variable.kind else {
            continue;
        };
        for word in words {
            assert_eq!(problems(&[(variable.name, word)]), [], "{}={word}", variable.name);
        }
        let problems = problems(&[(variable.name, "other")]);
        let problem = problems.first().map(|problem| problem.problem.as_str());
        let expected = format!("must be one of {}", words.join(", "));
        assert_eq!(problem, Some(expected.as_str()), "{}", variable.name);
    }
}
