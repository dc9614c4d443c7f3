//! One table: rows, fields of [`Config`], effective settings, defaults and choices agree.

use super::super::variables::FIELDS;
use super::*;

/// Names of the fields of a struct, from the form that `Debug` is derived to.
fn fields(value: &impl std::fmt::Debug) -> Vec<String> {
    let printed = format!("{value:#?}");
    let lines = printed.lines().filter_map(|line| line.strip_prefix("    "));
    let fields = lines.filter(|line| !line.starts_with([' ', '}', ']', ')']));
    fields
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect()
}

#[test]
fn config_has_one_field_for_each_variable() {
    let config = config(&[]);
    let others = [
        "api_server",
        "proxy",
        "ssl_cert_file",
        "ssl_cert_dir",
        "output",
        "warnings",
        "results",
    ];
    let mut of_config = [fields(&config), fields(&config.output)].concat();
    of_config.retain(|field| !others.contains(&field.as_str()));
    of_config.sort_unstable();
    let mut of_table: Vec<_> = FIELDS
        .iter()
        .map(|field| match *field {
            "registry" => "registries",
            "image" => "images",
            "log" => "log_level",
            same => same,
        })
        .collect();
    of_table.sort_unstable();
    assert_eq!(of_config, of_table);
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
