//! The CronJob as installed: a permanent failure ends its Job at once, a transient one is retried, an eviction is no
//! failure.

use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use node_tests::{SECRET, World, eventually, install};
use serde_json::{Value, json};
use test_cluster::{access::ClusterAccess, listener::Forwarder, registry::OPENSHIFT};

/// Components of a CronJob without Tekton.
const WITHOUT_TEKTON: &[&str] = &["components/cronjob", "components/requested-token"];

/// Conditions of an ended Job, by type; its state if it hasn't ended.
async fn await_end(world: &World, job: &str) -> Result<Value> {
    let name = format!("job/{job}");
    eventually(&format!("{name} ends"), || async {
        let job = world.kubectl.get(&name).await?;
        let ended = job["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|condition| {
                (condition["type"] == "Complete" || condition["type"] == "Failed")
                    && condition["status"] == "True"
            })
            .cloned();
        Ok(ended.ok_or_else(|| job["status"].to_string()))
    })
    .await
}

#[tokio::test]
async fn a_first_run_needs_no_tekton() -> Result<()> {
    let world = World::empty("job").await?;
    world.install(&install(WITHOUT_TEKTON, &[])).await?;
    world.grant_pull().await?;
    world
        .kubectl
        .run(["create", "job", "first", "--from=cronjob/ensure-pull-secret"])
        .await?;
    let end = await_end(&world, "first").await?;
    ensure!(end["type"] == "Complete", "{end}");
    let model = world.model("model")?;
    ensure!(
        world.stored_pulls(&model.reference()).await? == Ok(()),
        "what it stored doesn't pull"
    );
    Ok(())
}

#[tokio::test]
async fn a_permanent_failure_ends_the_job_with_its_first_pod() -> Result<()> {
    let world = World::new("permanent").await?;
    world
        .kubectl
        .run(["delete", "rolebinding", "ensure-pull-secret"])
        .await?;
    world
        .kubectl
        .run(["create", "job", "permanent", "--from=cronjob/ensure-pull-secret"])
        .await?;
    let end = await_end(&world, "permanent").await?;
    ensure!(
        (&end["type"], &end["reason"]) == (&json!("Failed"), &json!("PodFailurePolicy")),
        "{end}"
    );
    let pods = world.kubectl.list("pods", "job-name=permanent").await?;
    ensure!(pods.len() == 1, "{} pods", pods.len());
    let terminated = &pods[0]["status"]["containerStatuses"][0]["state"]["terminated"];
    ensure!(terminated["exitCode"] == 77, "{terminated}");
    ensure!(
        terminated["message"]
            .as_str()
            .is_some_and(|message| message.contains("api-forbidden")),
        "{terminated}"
    );
    Ok(())
}

#[tokio::test]
async fn transient_failure_is_retried_until_success() -> Result<()> {
    let world = World::new("transient").await?;
    let first = world.task_run().run().await?;
    first.assert_results("SUCCESS", "ok")?;
    let inconclusive = InconclusiveRegistry::bind()?;
    let environment = [("PULL_SECRET_MODE", "verify"), ("PULL_SECRET_TIMEOUT", "6s")];
    let mut job = world.job_from_cron_job("transient", &environment).await?;
    inconclusive.stand_for_the_registry(&mut job);
    world.kubectl.create(&job.to_string()).await?;
    eventually("the first pod fails with 75", || async {
        let pods = world.kubectl.list("pods", "job-name=transient").await?;
        let codes: Vec<Value> = pods.iter().map(exit_code).collect();
        Ok(if codes.contains(&json!(75)) {
            Ok(())
        } else {
            Err(format!("{codes:?}"))
        })
    })
    .await?;
    let _registry = inconclusive.answer()?;
    let end = await_end(&world, "transient").await?;
    ensure!(end["type"] == "Complete", "{end}");
    let job = world.kubectl.get("job/transient").await?;
    ensure!(
        job["status"]["succeeded"] == 1 && job["status"]["failed"].as_i64() >= Some(1),
        "{}",
        job["status"]
    );
    Ok(())
}

#[tokio::test]
async fn an_evicted_pod_is_not_counted_as_a_failure() -> Result<()> {
    let world = World::new("eviction").await?;
    let inconclusive = InconclusiveRegistry::bind()?;
    let mut job = world.job_from_cron_job("eviction", &[]).await?;
    inconclusive.stand_for_the_registry(&mut job);
    // Without retries, a counted eviction would fail the Job.
    job["spec"]["backoffLimit"] = json!(0);
    world.kubectl.create(&job.to_string()).await?;
    let pod = eventually("its pod asks the registry", || async {
        let pods = world.kubectl.list("pods", "job-name=eviction").await?;
        let running = pods.iter().find(|pod| pod["status"]["phase"] == "Running");
        Ok(match running.and_then(|pod| pod["metadata"]["name"].as_str()) {
            Some(name) if inconclusive.was_requested() => Ok(name.to_owned()),
            _ => Err(format!("{} pods", pods.len())),
        })
    })
    .await?;
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": { "name": pod, "namespace": world.namespace.name() },
    });
    let path = format!(
        "/api/v1/namespaces/{}/pods/{pod}/eviction",
        world.namespace.name()
    );
    world
        .kubectl
        .run_with_input(
            ["create", "--raw", &path, "--filename", "-"],
            &eviction.to_string(),
        )
        .await?;
    let _registry = inconclusive.answer()?;
    let end = await_end(&world, "eviction").await?;
    ensure!(end["type"] == "Complete", "{end}");
    let status = world.kubectl.get("job/eviction").await?["status"].clone();
    ensure!(status["failed"].as_i64().unwrap_or(0) == 0, "{status}");
    Ok(())
}

#[tokio::test]
async fn schedule_starts_a_run() -> Result<()> {
    let world = World::empty("schedule").await?;
    let every_minute = json!([{ "op": "replace", "path": "/spec/schedule", "value": "* * * * *" }]);
    let mut own = install(WITHOUT_TEKTON, &[]);
    own["patches"] = json!([{ "target": { "kind": "CronJob" }, "patch": every_minute.to_string() }]);
    world.install(&own).await?;
    world.grant_pull().await?;
    eventually("a Job of the CronJob is complete", || async {
        let jobs = world.kubectl.list("jobs", "").await?;
        let states: Vec<&Value> = jobs.iter().map(|job| &job["status"]).collect();
        let complete = states.iter().any(|status| status["succeeded"] == 1);
        Ok(if complete {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        })
    })
    .await?;
    let model = world.model("model")?;
    ensure!(
        world.stored_pulls(&model.reference()).await? == Ok(()),
        "what it stored doesn't pull"
    );
    ensure!(
        world.namespace.secret(SECRET).await?.is_some(),
        "there is no Secret"
    );
    Ok(())
}

fn exit_code(pod: &Value) -> Value {
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"].clone()
}

/// An address of the node in place of the registry that accepts no connection: they wait.
struct InconclusiveRegistry {
    listener: TcpListener,
    address: std::net::Ipv4Addr,
}

impl InconclusiveRegistry {
    /// An unused address on the node's loopback device: any of 127/8 is there, but pods reach only routed ones, so it
    /// is from the registries' prefix.
    fn bind() -> Result<Self> {
        let address = node_tests::free_address()?;
        let port = OPENSHIFT
            .rsplit_once(':')
            .context("the registry has a port")?
            .1
            .parse()?;
        let listener =
            TcpListener::bind((address, port)).with_context(|| format!("cannot listen at {address}"))?;
        Ok(Self { listener, address })
    }

    fn stand_for_the_registry(&self, job: &mut Value) {
        let host = OPENSHIFT.split(':').next();
        job["spec"]["template"]["spec"]["hostAliases"] = json!([{ "ip": self.address, "hostnames": [host] }]);
    }

    /// True if a client waits for a response: the kernel has accepted a connection.
    fn was_requested(&self) -> bool {
        // Accepting it shows that it is in the queue; it gets no response before `answer`.
        self.listener.set_nonblocking(true).is_ok() && self.listener.accept().is_ok()
    }

    /// From now on it is the registry.
    fn answer(self) -> Result<Forwarder> {
        Forwarder::start(
            self.listener,
            ClusterAccess::shared().registries()?.openshift.host.address,
        )
    }
}
