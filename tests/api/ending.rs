//! A run ends in time if a server hangs, and at SIGTERM with results.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use http::StatusCode;
use test_cluster::{
    control_plane::{Cluster, Options},
    listener::{Action, InterceptingProxy, RequestParts},
    program::{BINARY, Program, RunningProgram},
    registry::OPENSHIFT,
    server_process::Signal,
};

use crate::{
    interception::{
        answer, before_api_server, before_openshift, held, is_placeholder, is_secret_get, is_write, through,
        to_openshift,
    },
    world::World,
};

/// Time that a run may take beyond its timeout.
const GRACE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_during_an_api_call_ends_the_run_with_results() -> Result<()> {
    type Stage = (&'static str, fn(&RequestParts) -> bool, &'static str);
    let stages: [Stage; 4] = [
        ("read", is_secret_get, "none"),
        ("placeholder", is_placeholder, "none"),
        ("mint", |request| request.path.ends_with("/token"), "created"),
        ("write", is_write, "created"),
    ];
    for (name, is_stage, action) in stages {
        let world = World::new(&format!("stop-{name}")).await?;
        let proxy = before_api_server(&world, move |request| hold_if(is_stage(request)))?;
        let run = through(&world, &proxy).spawn()?;
        stopped_at_once(run, &proxy, Signal::TERM)
            .await?
            .expect("ERROR", action, "deadline", 75);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_during_a_retry_reports_the_last_response() -> Result<()> {
    fn later(request: &RequestParts) -> Action {
        // The second try has failed as well by the time that the third is held.
        match request.number {
            1 | 2 => answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", ""),
            _ => hold_if(true),
        }
    }
    let world = World::new("stop-api-again").await?;
    let proxy = before_api_server(&world, later)?;
    let run = through(&world, &proxy).spawn()?;
    stopped_at_once(run, &proxy, Signal::TERM)
        .await?
        .expect("ERROR", "none", "api-unavailable", 75)
        .expect_message("SIGTERM")
        .expect_message("the API server did not answer (it answers 503)");

    let world = World::new("stop-registry-again").await?;
    let proxy = before_openshift(&world, later)?;
    let program = world
        .program()
        .env("PULL_SECRET_CONNECT_TO", to_openshift(proxy.address()));
    stopped_at_once(program.spawn()?, &proxy, Signal::TERM)
        .await?
        .expect("ERROR", "created", "registry-unavailable", 75)
        .expect_message("the registry did not answer");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_during_a_registry_request_ends_the_run_with_results() -> Result<()> {
    for (name, signal) in [("term", Signal::TERM), ("int", Signal::INT)] {
        let world = World::new(&format!("stop-registry-{name}")).await?;
        let proxy = before_openshift(&world, |_| hold_if(true))?;
        let program = world
            .program()
            .env("PULL_SECRET_CONNECT_TO", to_openshift(proxy.address()));
        let outcome = stopped_at_once(program.spawn()?, &proxy, signal).await?;
        outcome
            .expect("ERROR", "created", "deadline", 75)
            .expect_message(&format!("SIG{}", name.to_uppercase()));
        assert_eq!(world.document().await?, br#"{"auths":{}}"#, "abandoned cleanly");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_after_the_write_reports_the_write() -> Result<()> {
    let world = World::new("stop-reread").await?;
    let image = world.push("app:v1")?;
    let proxy = before_api_server(&world, |request| {
        hold_if(is_secret_get(request) && request.number > 1)
    })?;
    let run = through(&world, &proxy).env("PULL_SECRET_IMAGE", &image).spawn()?;
    stopped_at_once(run, &proxy, Signal::TERM)
        .await?
        .expect("ERROR", "created", "deadline", 75);
    world.assert_pulls(&image).await
}

/// The write is done, its answer is lost and the next try is held while SIGTERM comes.
#[tokio::test(flavor = "multi_thread")]
async fn o9_sigterm_while_the_answer_of_a_write_is_lost() -> Result<()> {
    for (name, reads_end, action) in [("read", false, "created"), ("unread", true, "unknown")] {
        let world = World::new(&format!("stop-lost-{name}")).await?;
        let writes = std::sync::atomic::AtomicU32::new(0);
        let proxy = before_api_server(&world, move |request| {
            let written = writes.load(std::sync::atomic::Ordering::SeqCst);
            if is_write(request) {
                return match writes.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                    0 => Action::LoseAnswer,
                    _ => Action::Hold("stage".to_owned()),
                };
            }
            if reads_end && written > 0 && is_secret_get(request) {
                return Action::Hold("reads".to_owned());
            }
            Action::Forward
        })?;
        let run = through(&world, &proxy).spawn()?;
        held(&proxy, "stage", 1).await?;
        run.signal(Signal::TERM)?;
        let outcome = run.wait().await?;
        outcome.expect("ERROR", action, "api-unavailable", 75);
        let secret = world.secret().await?;
        let annotations = secret.metadata.annotations.unwrap_or_default();
        let stored = annotations
            .get("ensure-pull-secret/expires-at")
            .context("it was written")?;
        let expected = if reads_end { "" } else { stored.as_str() };
        assert_eq!(outcome.result("EXPIRES_AT"), expected);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_before_the_first_request_writes_results() -> Result<()> {
    let world = World::new("stop-early").await?;
    // An API server that accepts connections and sends nothing.
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = server.local_addr()?.port();
    let run = world
        .program()
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", port.to_string())
        .spawn()?;
    let _connection = server.accept().await?;
    run.signal(Signal::TERM)?;
    run.wait().await?.expect("ERROR", "none", "deadline", 75);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_servers_delay_no_run_beyond_its_timeout() -> Result<()> {
    let mut cluster = Cluster::start(Options::new().registries()).await?;
    let world = World::within(cluster.access(), "frozen").await?;
    world.grant_pull().await?;
    let registries = cluster.access().registries()?.clone();
    let repository = format!("{}/app:v1", world.namespace.name());
    test_cluster::registry::push_image(registries.store, &repository)?;
    let timeout = Duration::from_secs(4);
    let program = world
        .program()
        .env("PULL_SECRET_CONNECT_TO", registries.connect_to())
        .env("PULL_SECRET_IMAGE", format!("{OPENSHIFT}/{repository}"))
        .env("PULL_SECRET_TIMEOUT", "4s");

    cluster
        .registries()
        .context("registries")?
        .store()
        .process()
        .freeze()?;
    let started = Instant::now();
    let outcome = program.run().await?;
    outcome
        .expect("WARNING", "created", "registry-unavailable", 0)
        .expect_verified("review");
    assert!(started.elapsed() < timeout + GRACE, "{:?}", started.elapsed());
    let started = Instant::now();
    let outcome = program.clone().env("PULL_SECRET_MODE", "verify").run().await?;
    outcome.expect("ERROR", "none", "registry-unavailable", 75);
    assert!(started.elapsed() < timeout + GRACE, "{:?}", started.elapsed());
    cluster
        .registries()
        .context("registries")?
        .store()
        .process()
        .thaw()?;
    program
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");

    cluster.freeze()?;
    for mode in ["ensure", "verify"] {
        let started = Instant::now();
        let outcome = program.clone().env("PULL_SECRET_MODE", mode).run().await?;
        outcome.expect("ERROR", "none", "api-unavailable", 75);
        assert!(
            started.elapsed() < timeout + GRACE,
            "{mode}: {:?}",
            started.elapsed()
        );
    }
    cluster.thaw()?;
    program
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn api_server_that_hangs_before_the_write_delays_no_run() -> Result<()> {
    let world = World::new("frozen-write").await?;
    let proxy = before_api_server(&world, |request| hold_if(is_write(request)))?;
    let started = Instant::now();
    let outcome = through(&world, &proxy)
        .env("PULL_SECRET_TIMEOUT", "3s")
        .run()
        .await?;
    assert!(
        started.elapsed() < Duration::from_secs(3) + GRACE,
        "{:?}",
        started.elapsed()
    );
    outcome
        .expect("ERROR", "created", "api-unavailable", 75)
        .expect_message("patch secrets");
    assert_eq!(world.document().await?, br#"{"auths":{}}"#);
    Ok(())
}

#[tokio::test]
async fn hanging_name_lookup_does_not_delay_the_exit() -> Result<()> {
    let world = World::new("hanging-name").await?;
    // In the program's own mount namespace, /etc/hosts is a FIFO without a writer: a name lookup hangs in a thread that
    // can't be cancelled.
    let script = "mkfifo \"$1\" && mount --bind \"$1\" /etc/hosts && exec \"$2\"";
    let pipe = world.runner.file("hosts");
    let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
    let possible = std::process::Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "mount",
            "--bind",
            "/etc/passwd",
            "/etc/hosts",
        ])
        .output()
        .is_ok_and(|output| output.status.success());
    if !possible {
        anyhow::ensure!(
            std::env::var_os("CI").is_none(),
            "this machine permits no mount namespace"
        );
        eprintln!("not tested: this machine permits no mount namespace (unshare --user --mount)");
        return Ok(());
    }
    let program = Program::at("/usr/bin/env").argument("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    let program = unshare
        .iter()
        .fold(program, |program, word| program.argument(word));
    let program = program
        .argument("sh")
        .argument("-c")
        .argument(script)
        .argument("sh")
        .argument(&pipe)
        .argument(std::env::var_os(BINARY).context("the binary under test")?)
        .within(&world.runner)
        .env("PULL_SECRET_NAME", crate::world::SECRET)
        .env("PULL_SECRET_SERVICE_ACCOUNT", crate::world::PULLER)
        .env("PULL_SECRET_TIMEOUT", "4s")
        .timeout(Duration::from_secs(30));
    let started = Instant::now();
    let outcome = program.run().await?;
    outcome
        .expect("WARNING", "created", "registry-unavailable", 0)
        .expect_message("no answer in time");
    assert!(
        started.elapsed() < Duration::from_secs(4) + GRACE,
        "{:?}",
        started.elapsed()
    );
    Ok(())
}

fn hold_if(hold: bool) -> Action {
    if hold {
        Action::Hold("stage".to_owned())
    } else {
        Action::Forward
    }
}

/// A core dump would have its credentials.
#[tokio::test(flavor = "multi_thread")]
async fn no_run_leaves_a_core_dump() -> Result<()> {
    let world = World::new("no-core").await?;
    let proxy = before_api_server(&world, |request| hold_if(is_secret_get(request)))?;
    let run = through(&world, &proxy).spawn()?;
    held(&proxy, "stage", 1).await?;
    let pid = run.pid().context("it runs")?;
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .context("a limit")?;
    let limits: Vec<&str> = core.split_whitespace().take(2).collect();
    assert_eq!(limits, ["0", "0"]);
    run.signal(Signal::TERM)?;
    run.wait().await?.expect("ERROR", "none", "deadline", 75);
    Ok(())
}

/// Sends the signal while a request is held; the run must end at once.
async fn stopped_at_once(
    run: RunningProgram,
    proxy: &Arc<InterceptingProxy>,
    signal: Signal,
) -> Result<test_cluster::program::Outcome> {
    held(proxy, "stage", 1).await?;
    let signalled = Instant::now();
    run.signal(signal)?;
    let outcome = run.wait().await?;
    assert!(signalled.elapsed() < GRACE, "{:?}", signalled.elapsed());
    Ok(outcome)
}
