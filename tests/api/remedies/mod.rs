//! `docs/troubleshooting.md`, followed: each case of `cases.yaml` causes a failure, and the page's commands end it.
//!
//! The commands run as they are printed, with one exception: `again` starts a Job, and this tier has no kubelet, so the
//! test runs the program with the CronJob's environment and volumes.

mod case;
mod page;
mod settings;
mod site;
mod stand_ins;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use ensure_pull_secret::outcome::Reason;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use test_cluster::{namespace::TestNamespace, program::Outcome, registry::push_image, webhook::mutate};

use self::{
    case::Case,
    page::{Command, Page, normalised, other},
    site::Site,
    stand_ins::StandIns,
};
use crate::world::{pull_rules, registries};

/// Cases at a time.
const AT_ONCE: usize = 3;
/// Variable that selects the cases of one reason while the page is written.
const ONLY: &str = "REASON";

#[tokio::test(flavor = "multi_thread")]
async fn each_section_of_troubleshooting_is_followed() -> Result<()> {
    let page = Page::read()?;
    let stand_ins = StandIns::start()?;
    push_image(registries().store, "public/base:1.0")?;
    // OpenShift has it.
    let puller = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "system:image-puller"}, "rules": pull_rules(),
    });
    let namespace = TestNamespace::new("remedies").await?;
    namespace.apply(&puller.to_string()).await?;
    let only = std::env::var(ONLY).ok();
    let cases = Case::all()?.into_iter();
    let cases = cases.filter(|case| only.as_ref().is_none_or(|only| *only == case.reason));
    let failures: Vec<String> = stream::iter(cases)
        .map(|case| {
            let (page, stand_ins) = (&page, &stand_ins);
            async move {
                let followed = follow(page, stand_ins, &case).await;
                followed.err().map(|error| format!("{}: {error:#}", case.name()))
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    Ok(())
}

#[test]
fn each_reason_has_a_case_and_a_section() -> Result<()> {
    let page = Page::read()?;
    let cases = Case::all()?;
    let mut with_line = BTreeSet::new();
    for case in cases.iter().filter(|case| case.words.is_none()) {
        ensure!(
            with_line.insert(case.reason.as_str()),
            "{} has two cases without words",
            case.reason
        );
    }
    for reason in Reason::ALL.iter().map(|reason| reason.as_str()) {
        ensure!(
            with_line.contains(reason),
            "{reason} has no case that compares its line"
        );
        page.section(reason)?;
    }
    Ok(())
}

/// Causes the failure, confirms it and fixes it.
async fn follow(page: &Page, stand_ins: &StandIns, case: &Case) -> Result<()> {
    let section = page.section(&case.reason)?;
    let site = Site::new(page, stand_ins, case).await?;
    if case.installed {
        site.shell("apply").await?;
        expect(&site.run(case, false).await?, "ok").context("the installation")?;
    }
    site.shell(&case.cause).await.context("the cause")?;
    let webhook = match case.webhook {
        true => Some(mutate(&site.namespace, put_back).await?),
        false => None,
    };
    let outcome = site.run(case, true).await?;
    drop(webhook);
    expect(&outcome, &case.reason)?;
    let message = normalised(outcome.result("MESSAGE"), site.namespace.name());
    if let Some(words) = &case.words {
        ensure!(message.contains(words), "MESSAGE is: {message}");
    } else {
        let line = outcome.output.stderr.lines().last().unwrap_or_default();
        let line = normalised(line, site.namespace.name());
        ensure!(line == section.line, "the line to print is:\n{line}");
        confirm(&site, case, section.confirm, &stand_ins.robot.name)
            .await
            .context("Confirm")?;
    }
    if let Some(yaml) = outcome.report["remedy"].as_str() {
        site.save("log.yaml", yaml)?;
    }
    site.shell(&case.before).await.context("before the fix")?;
    let fix = match (&case.fix, section.fix) {
        (Some(fix), _) => fix,
        (None, Command::Tested(fix)) => fix,
        (None, Command::Absent | Command::Marked) => return Ok(()),
    };
    let fix = fix
        .replace("SOURCE", "quay.io/public/base:1.0")
        .replace("team+robot", &stand_ins.robot.name);
    site.shell(&fix).await.context("Fix")?;
    ensure!(site.asked_for_a_run(), "the fix does not run the program");
    expect(&site.run(case, false).await?, &case.after).context("after the fix")
}

/// What a webhook of another manager does with a write.
fn put_back(review: &Value) -> Value {
    let stored = &review["request"]["oldObject"]["data"];
    json!([{"op": "replace", "path": "/data", "value": stored}])
}

async fn confirm(site: &Site<'_>, case: &Case, command: Command<'_>, robot: &str) -> Result<()> {
    let command = match command {
        Command::Tested(command) => command,
        Command::Marked => return Ok(()),
        Command::Absent => bail!("the section has no command"),
    };
    let output = site.shell(&command.replace("team+robot", robot)).await?;
    ensure!(
        !case.shows.is_empty() || case.lacks.is_some(),
        "the case has no text"
    );
    let shown = case.shows.iter().all(|text| output.contains(text));
    let other = other(site.namespace.name());
    let mut lacks = case.lacks.iter().map(|text| text.replace("$OTHER", &other));
    let lacking = lacks.all(|text| !output.contains(&text));
    ensure!(shown && lacking, "it shows: {output}");
    Ok(())
}

fn expect(outcome: &Outcome, reason: &str) -> Result<()> {
    ensure!(outcome.result("REASON") == reason, "expected {reason}: {outcome}");
    Ok(())
}
