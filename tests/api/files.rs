//! A file may be anything, and a document as long as Kubernetes permits: the run ends in time.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use test_cluster::{program::Program, server_process::Signal};

use crate::world::{SECRET, World};

/// Time that a run may take which has nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(4);

fn fifo(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    let made = std::process::Command::new("mkfifo").arg(path).status()?;
    ensure!(made.success(), "cannot make a FIFO");
    Ok(())
}

/// Runs a program that must not wait for its timeout.
async fn at_once(program: &Program) -> Result<test_cluster::program::Outcome> {
    let started = Instant::now();
    let outcome = program.clone().env("PULL_SECRET_TIMEOUT", "5s").run().await?;
    ensure!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    Ok(outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn o11_a_fifo_in_the_place_of_a_file_that_is_read_delays_no_run() -> Result<()> {
    let world = World::new("fifo-read").await?;
    let pipe = world.runner.file("pipe");
    fifo(&pipe)?;
    for (variable, status, reason, exit) in [
        ("PULL_SECRET_TOKEN_FILE", "ERROR", "invalid-configuration", 64),
        (
            "PULL_SECRET_REGISTRY_CA_FILE",
            "ERROR",
            "invalid-configuration",
            64,
        ),
        ("SSL_CERT_FILE", "SUCCESS", "ok", 0),
    ] {
        let program = world.program().env(variable, &pipe);
        let program = match variable {
            "PULL_SECRET_TOKEN_FILE" => program.without("PULL_SECRET_SERVICE_ACCOUNT"),
            _ => program,
        };
        let outcome = at_once(&program).await.context(variable)?;
        let action = outcome.result("ACTION").to_owned();
        outcome.expect(status, &action, reason, exit);
        let text = format!("{}{}", outcome.output.stdout, outcome.output.stderr);
        ensure!(text.contains("is not a regular file"), "{variable}: {text}");
    }
    let directory = world.runner.file("certificates");
    fs::create_dir(&directory)?;
    fifo(&directory.join("0.pem"))?;
    symlink("/dev/zero", directory.join("1.pem"))?;
    let program = world.program().env("SSL_CERT_DIR", &directory);
    at_once(&program).await?.expect("SUCCESS", "unchanged", "ok", 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn o11_a_fifo_among_the_mounted_files_delays_no_run() -> Result<()> {
    for (name, reason) in [
        ("token", Some("not-in-cluster")),
        ("ca.crt", Some("not-in-cluster")),
        ("namespace", Some("not-in-cluster")),
        // The registry is not trusted then, which the run reports.
        ("service-ca.crt", None),
    ] {
        let world = World::new(&format!("fifo-{}", name.replace('.', "-"))).await?;
        fifo(&world.runner.file(name))?;
        let outcome = at_once(&world.program()).await.context(name)?;
        if let Some(reason) = reason {
            outcome
                .expect("ERROR", "none", reason, 64)
                .expect_message(name)
                .expect_message("is not a regular file");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn o11_a_fifo_in_the_place_of_an_output_file_delays_no_run() -> Result<()> {
    let world = World::new("fifo-written").await?;
    let pipe = world.runner.file("pipe");
    fifo(&pipe)?;
    let program = world.program();
    for path in [pipe.clone(), PathBuf::from("/"), PathBuf::from("/dev/null")] {
        let outcome = at_once(&program.clone().env("RESULTS_MESSAGE_PATH", &path)).await?;
        ensure!(outcome.output.exit == 64, "{}", outcome.output.exit);
        ensure!(outcome.result("REASON") == "invalid-configuration");
        ensure!(
            outcome.output.stderr.contains("it is not a regular file"),
            "{}",
            outcome.output.stderr
        );
    }
    let message = program.env("PULL_SECRET_TERMINATION_MESSAGE_FILE", &pipe);
    let outcome = at_once(&message).await?;
    outcome.expect("SUCCESS", "unchanged", "ok", 0);
    ensure!(
        outcome
            .output
            .stderr
            .contains("could not be written: it is not a regular file"),
        "{}",
        outcome.output.stderr
    );
    Ok(())
}

/// A document with as many entries as fit into a Secret.
fn greatest_document() -> String {
    let mut document = String::from(r#"{"auths":{"first.test":{}"#);
    for number in 0..80_000 {
        let _ = write!(document, r#","{number:05x}":{{}}"#);
    }
    document + "}}"
}

#[tokio::test(flavor = "multi_thread")]
async fn o10_a_document_of_the_greatest_size_delays_no_run() -> Result<()> {
    let world = World::new("greatest").await?;
    let image = world.push("app:v1")?;
    world.store(greatest_document()).await?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_TIMEOUT", "5s");
    // The grace of a run that computes, and the debug build's writing of the report.
    let limit = Duration::from_secs(12);
    for mode in ["verify", "plan", "doctor", "ensure"] {
        let started = Instant::now();
        let outcome = program.clone().env("PULL_SECRET_MODE", mode).run().await?;
        ensure!(started.elapsed() < limit, "{mode}: {:?}", started.elapsed());
        ensure!(
            [0, 75, 78].contains(&outcome.output.exit),
            "{mode}: {}",
            outcome.output.stderr
        );
    }
    let run = program.env("PULL_SECRET_TIMEOUT", "2m").spawn()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let signalled = Instant::now();
    // It may have ended.
    let _ = run.signal(Signal::TERM);
    let outcome = run.wait().await?;
    ensure!(
        signalled.elapsed() < Duration::from_secs(7),
        "{:?}",
        signalled.elapsed()
    );
    ensure!(
        [0, 75].contains(&outcome.output.exit),
        "{}",
        outcome.output.stderr
    );
    ensure!(world.namespace.secret(SECRET).await?.is_some());
    Ok(())
}
