//! Secrets in what a report is made from: a token in the wrong variable, and in each text of an outcome.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;

use super::*;
use crate::config::VARIABLES;
use crate::credential::KnownSecrets;
use crate::outcome::{Change, Diff, DoctorCheck, ExcessPermissions, Plan};

const PASSWORD: &str = "s3cr3t-robot-pass";

fn secrets() -> KnownSecrets {
    let secrets = KnownSecrets::default();
    secrets.add("team+robot", &SecretString::from(PASSWORD));
    secrets
}

/// The outputs of a run with this environment, without the files that it would write.
fn printed(variables: &[(&str, String)]) -> String {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).into(), value.into()));
    let secrets = secrets();
    let mut stdout = Vec::new();
    let log = logged(&Output::default(), |mut lines: Lines| {
        let (mut context, mut problems) = match Config::from_env(variables) {
            Ok(config) => {
                super::log::warnings(&config.warnings, &secrets);
                super::log::effective(&config, &secrets);
                (config.report_context(), Vec::new())
            }
            Err(error) => {
                super::log::warnings(&error.warnings, &secrets);
                (error.context, error.problems)
            }
        };
        let mut outcome = refreshed();
        ending::redact(&mut outcome, &mut context, &mut problems, &secrets);
        ending::write(
            &outcome,
            &context,
            &problems,
            &Output::default(),
            now(),
            &mut stdout,
            &mut lines,
        );
    });
    format!("{}\n{log}", String::from_utf8(stdout).expect("UTF-8"))
}

/// Values that a token gets into by mistake: alone, in a URL or a path, and as YAML gives them.
fn mistakes() -> Vec<String> {
    let encoded = STANDARD.encode(format!("team+robot:{PASSWORD}"));
    let mut mistakes = vec![encoded, STANDARD.encode(PASSWORD)];
    for form in [
        "@",
        " @ ",
        "\"@\"",
        "'@'",
        "@\n",
        "@\r\n",
        "- @",
        "&a @",
        "|\n  @\n",
        "[@]",
        "{password: @}",
        "Bearer @",
        "/@",
        "/run/@/token",
        "@.example.com",
        "@.example.com:5000",
        "quay.io:@",
        "quay.io/@",
        "quay.io/@/app:1.0",
        "quay.io/team/app:@",
        "https://robot:@@quay.io",
        "http://robot:@@proxy.test:3128",
        "quay.io:443=@.example.com:5000",
        "@:443=10.0.0.1:5000",
    ] {
        mistakes.push(match form.strip_suffix("@@quay.io") {
            Some(before) => format!("{before}{PASSWORD}@quay.io"),
            None => form.replacen('@', PASSWORD, 1),
        });
    }
    mistakes
}

#[test]
fn s3_a_token_in_a_wrong_variable_is_never_printed() {
    let others = [
        "KUBERNETES_SERVICE_HOST",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "PULL_SECRET_PASSWORD",
    ];
    let names = VARIABLES.iter().map(|variable| variable.name).chain(others);
    let mut refused = 0;
    for name in names {
        for value in mistakes() {
            let mut variables = vec![
                ("PULL_SECRET_NAME", "pull".to_owned()),
                ("PULL_SECRET_REGISTRY", "quay.io".to_owned()),
                ("PULL_SECRET_TOKEN_FILE", "/run/robot/token".to_owned()),
            ];
            variables.retain(|(other, _)| *other != name);
            variables.push((name, value.clone()));
            let text = printed(&variables);
            for secret in [PASSWORD, &STANDARD.encode(PASSWORD), "dGVhbStyb2JvdDpzM2NyM3Qt"] {
                assert!(!text.contains(secret), "{name}={value:?}: {text}");
            }
            refused += usize::from(text.contains("invalid-configuration"));
        }
    }
    assert!(refused > 300, "{refused} values are refused");
    let ordinary = [
        ("PULL_SECRET_NAME", "A".to_owned()),
        ("PULL_SECRET_REGISTRY", "quay.io/".to_owned()),
    ];
    let text = printed(&ordinary);
    assert!(text.contains("given: A") && text.contains("quay.io/"), "{text}");
}

#[test]
fn s3_no_text_of_an_outcome_keeps_a_secret() {
    let text = || format!("of a.test/{PASSWORD}");
    let check = || Check {
        subject: text(),
        ..refreshed().images.remove(0)
    };
    let mut outcome = Outcome {
        namespace: Some(text()),
        findings: vec![
            Finding::new(Reason::PullForbidden, text())
                .about(text())
                .with_remedy(text())
                .with_paste(text()),
        ],
        notes: vec![text()],
        warnings: vec![text()],
        credential: CredentialSummary {
            service_account: Some(text()),
            credential_id: Some(text()),
            ..refreshed().credential
        },
        excess: Some(ExcessPermissions {
            rights: vec![text()],
            complete: true,
            remedy: Some(text()),
        }),
        registries: vec![check()],
        images: vec![check()],
        plan: Some(Plan {
            action: Action::Refreshed,
            because: None,
            diff: Diff(vec![(Change::Add, text())]),
        }),
        lines: vec![DoctorCheck::warn("permission", text(), text()).with_paste(text())],
        ..Outcome::default()
    };
    let count = format!("{outcome:?}").matches(PASSWORD).count();
    assert_eq!(outcome.texts().len(), count, "a text is not in the list");
    let (mut context, mut problems) = (context(), problems());
    context.name = Some(PASSWORD.to_owned());
    problems[0].given = Some(PASSWORD.to_owned());
    ending::redact(&mut outcome, &mut context, &mut problems, &secrets());
    let all = format!("{outcome:?}{context:?}{problems:?}");
    assert!(!all.contains(PASSWORD), "{all}");
    assert_eq!(all.matches("redacted").count(), count + 2);
}
