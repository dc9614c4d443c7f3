//! The incident and its end, printed while it happens on real servers.

use std::{path::Path, time::Instant};

use anyhow::{Result, ensure};
use ensure_pull_secret::kubernetes::rbac_yaml::PULLER;
use test_cluster::{access::ClusterAccess, program::Outcome};

use super::setting::{Setting, image};
use crate::{
    generate::{ROLE, RUNNER, names},
    transcript::{Kind, Transcript},
};

/// Introduction, before anything is started.
pub fn introduce(transcript: &mut Transcript) {
    transcript.say(Kind::Heading, "A model image that cannot be pulled");
    transcript.say(
        Kind::Text,
        "A pipeline built it and pushed it to OpenShift's internal registry, a person wrote the pull secret by hand, \
         and the model's pod stays in ImagePullBackOff. This is that cluster on a small scale: a real Kubernetes API \
         server, and a registry that sends it access reviews, as OpenShift's registry does. Both start now, within a \
         few seconds; nothing leaves this machine.",
    );
}

/// Plays the story on a running cluster, with the shipped binary.
///
/// # Errors
/// Where a step has another result than the story.
pub async fn play(access: &ClusterAccess, binary: &Path, transcript: &mut Transcript) -> Result<()> {
    let setting = Setting::new(access, binary).await?;
    incident(&setting, transcript).await?;
    diagnosis(&setting, transcript).await?;
    repair(&setting, transcript).await?;
    steady_state(&setting, transcript).await
}

async fn incident(setting: &Setting, transcript: &mut Transcript) -> Result<()> {
    transcript.heading("1  The pipeline pushes the model image");
    let digest = setting.push()?;
    transcript.say(Kind::Command, &format!("IMAGE={}", image()));
    transcript.say(Kind::Output, &digest);

    transcript
        .heading("2  The pull secret is written by hand: a good token, but no \"auths\" around the entries");
    setting.write_unwrapped_secret().await?;
    transcript.say(
        Kind::Text,
        "The API server accepts it. No client finds a credential in it; crane, which is independent of this project, \
         reports:",
    );
    transcript.say(Kind::Command, "crane pull $IMAGE");
    match setting.crane_pulls().await? {
        Ok(()) => anyhow::bail!("crane pulled with a secret that has no auths"),
        Err(words) => transcript.say(Kind::Bad, error_of(&words)),
    }
    Ok(())
}

async fn diagnosis(setting: &Setting, transcript: &mut Transcript) -> Result<()> {
    transcript.heading("3  verify reports what is wrong");
    setting.apply_role().await?;
    transcript.say(
        Kind::Text,
        &format!(
            "It runs as a pod of ServiceAccount {RUNNER}, with only the Role of {ROLE}. verify is read-only."
        ),
    );
    transcript.say(
        Kind::Command,
        &format!(
            "export PULL_SECRET_NAME={} PULL_SECRET_IMAGE=$IMAGE\nexport PULL_SECRET_SERVICE_ACCOUNT={PULLER}",
            names::SECRET
        ),
    );
    transcript.say(Kind::Command, "PULL_SECRET_MODE=verify ensure-pull-secret");
    let verdict = setting.run("verify").await?;
    expect(&verdict, "FAILURE", "auths-missing", "none")?;
    transcript.say(Kind::Bad, last_line(&verdict));
    Ok(())
}

async fn repair(setting: &Setting, transcript: &mut Transcript) -> Result<()> {
    transcript.heading("4  ensure repairs the Secret, and verifies that it pulls");
    transcript.say(
        Kind::Text,
        &format!(
            "It requests a token of {PULLER} that is bound to the Secret, verifies the image at the registry with it, and \
             only then writes."
        ),
    );
    transcript.say(Kind::Command, "ensure-pull-secret");
    let repaired = setting.run("ensure").await?;
    expect(&repaired, "SUCCESS", "ok", "repaired")?;
    let results = ["STATUS", "ACTION", "VERIFIED", "EXPIRES_AT", "MESSAGE"];
    transcript.table(&results.map(|name| (name, repaired.result(name))));

    transcript.heading("5  crane again, with the stored bytes");
    transcript.say(Kind::Command, "crane pull $IMAGE");
    match setting.crane_pulls().await? {
        Ok(()) => transcript.say(Kind::Good, "pulled, with every layer"),
        Err(words) => anyhow::bail!("crane can't pull with what was stored: {words}"),
    }
    Ok(())
}

async fn steady_state(setting: &Setting, transcript: &mut Transcript) -> Result<()> {
    transcript.heading("6  A second run finds nothing to do");
    transcript.say(Kind::Command, "ensure-pull-secret");
    let (outcome, calls) = setting.run_and_count("ensure").await?;
    expect(&outcome, "SUCCESS", "ok", "unchanged")?;
    ensure!(
        calls == ["get secrets"],
        "a run with nothing to do made these calls: {calls:?}"
    );
    transcript.say(Kind::Good, last_line(&outcome));
    transcript.say(
        Kind::Text,
        &format!(
            "The API server's audit log shows {} call: {}. Nothing was written.",
            calls.len(),
            calls.join(", ")
        ),
    );

    transcript.heading("7  The keys of the Secret, without a token");
    transcript.say(
        Kind::Command,
        "kubectl get secret $PULL_SECRET_NAME -o json |\njq -c '.data[\".dockerconfigjson\"] | @base64d | fromjson | \
         .auths | keys'",
    );
    let keys = setting.stored_keys().await?;
    transcript.say(Kind::Output, &keys);
    transcript.say(
        Kind::Text,
        "The entry for quay.io is unmanaged: it keeps every byte.",
    );
    Ok(())
}

/// The last line: how long all of it took.
pub fn conclude(transcript: &mut Transcript, begun: Instant) {
    transcript.heading(&format!("Done in {:.1} s.", begun.elapsed().as_secs_f64()));
}

fn expect(outcome: &Outcome, status: &str, reason: &str, action: &str) -> Result<()> {
    let seen = ["STATUS", "REASON", "ACTION"].map(|name| outcome.result(name));
    ensure!(
        seen == [status, reason, action],
        "the run had another result than in the story:\n{outcome}"
    );
    Ok(())
}

/// The line that consoles show: `STATUS REASON (exit N): MESSAGE`.
fn last_line(outcome: &Outcome) -> &str {
    outcome.output.stderr.lines().next_back().unwrap_or_default()
}

/// crane's own words: what follows "Error: " in what it wrote.
fn error_of(words: &str) -> &str {
    let from = words.rfind("Error: ").unwrap_or(0);
    words.get(from..).unwrap_or(words).lines().next().unwrap_or(words)
}
