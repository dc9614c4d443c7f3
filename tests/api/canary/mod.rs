//! No output has the credential: for each reason, at every level, in both formats, while registry and API server return
//! it in bodies, headers and realms, and a variable has it by mistake.

mod cases;
mod hostile;

use std::fs;

use anyhow::{Context as _, Result, ensure};
use ensure_pull_secret::outcome::Reason;
use futures_util::{StreamExt as _, stream};
use k8s_openapi::{api::authentication::v1::BoundObjectReference, jiff::Timestamp};
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    listener::{InterceptingProxy, ScriptedServer, upstream::Upstream},
    program::{BINARY, Canary, Outcome, Program},
    registry::OPENSHIFT,
    server_process::Signal,
};

use self::{
    cases::{CASES, Case, Start, Token},
    hostile::{GATE, Knowledge},
};
use crate::{
    first_run::claims,
    world::{PULLER, SECRET, World},
};

/// Cases at a time: more would only wait for the two processors of a small machine.
const AT_ONCE: usize = 6;
/// Length of the pieces of the credential that no output may have; a clipped credential has such a piece.
const FRAGMENT: usize = 16;
const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];
const FORMATS: [&str; 2] = ["text", "json"];

#[tokio::test(flavor = "multi_thread")]
async fn no_reason_prints_the_credential_at_any_level_in_any_format() -> Result<()> {
    let has_case = |reason: &&Reason| CASES.iter().any(|(of_case, _)| of_case == *reason);
    let without: Vec<_> = Reason::ALL.iter().filter(|reason| !has_case(reason)).collect();
    ensure!(without.is_empty(), "a case is missing for {without:?}");
    let failures: Vec<String> = stream::iter(CASES)
        .map(|(reason, case)| async move {
            let stage = Stage::set(*reason, case())
                .await
                .with_context(|| format!("{reason}: setting the stage"));
            let played = match stage {
                Ok(stage) => stage.play().await,
                Err(error) => Err(error),
            };
            played.err().map(|error| format!("{reason}: {error:#}"))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    Ok(())
}

/// A case with everything around it.
struct Stage {
    reason: Reason,
    case: Case,
    world: World,
    knowledge: Knowledge,
    api_server: InterceptingProxy,
    registry: ScriptedServer,
}

impl Stage {
    async fn set(reason: Reason, case: Case) -> Result<Self> {
        let name = format!("canary-{reason}");
        let world = if case.granted {
            World::new(&name).await?
        } else {
            World::without_grant(&name).await?
        };
        let knowledge = store(&world, &case).await?;

        let authority = Authority::new("canary")?;
        for file in ["ca.crt", "service-ca.crt"] {
            fs::write(world.runner.file(file), authority.pem())?;
        }
        let access = ClusterAccess::shared();
        let url = format!("https://{}", access.api_server);
        let upstream = Upstream::new(&url, Some(&access.certificate_authority), true)?;
        let (knows, behaves) = (knowledge.clone(), case.api_server.clone());
        let api_server =
            InterceptingProxy::start(upstream, &authority.issue(&["127.0.0.1"])?, move |request| {
                behaves.action(request, &knows)
            })?;
        let (knows, behaves) = (knowledge.clone(), case.registry);
        let host = OPENSHIFT.split(':').next().unwrap_or_default();
        let registry = ScriptedServer::start(Some(&authority.issue(&[host])?), move |request| {
            behaves.reply(request, &knows)
        })?;
        (case.files)(&world, &knowledge)?;
        Ok(Self {
            reason,
            case,
            world,
            knowledge,
            api_server,
            registry,
        })
    }

    /// Runs the program at every level and in both formats, and looks at everything that came out.
    async fn play(&self) -> Result<()> {
        let combinations = LEVELS
            .iter()
            .flat_map(|level| FORMATS.map(|format| (*level, format)));
        for (index, (level, format)) in combinations.enumerate() {
            let program = self
                .program()
                .env("PULL_SECRET_LOG", level)
                .env("PULL_SECRET_LOG_FORMAT", format);
            let outcome = self
                .run(&program, index + 1)
                .await
                .with_context(|| format!("at {level} in {format}"))?;
            let ended = (outcome.result("REASON"), outcome.output.exit);
            let expected = (self.reason.as_str(), i32::from(self.reason.info().exit_code));
            ensure!(
                ended == expected,
                "at {level} in {format} it ended with {ended:?}:\n{outcome}"
            );
            self.check(&outcome)
                .with_context(|| format!("at {level} in {format}"))?;
        }
        self.check_secret().await
    }

    fn program(&self) -> Program {
        let binary = std::env::var_os(BINARY).unwrap_or_default();
        let program = match self.case.start {
            Start::Normally | Start::Interrupted => Program::outside(),
            Start::WithoutFiles => Program::at("/bin/sh")
                .argument("-c")
                .argument("ulimit -n 4 && exec \"$0\"")
                .argument(binary),
        };
        let image = format!("{OPENSHIFT}/{}/app:v1", self.world.namespace.name());
        let api_server = self.api_server.address();
        let usual = [
            ("KUBERNETES_SERVICE_HOST", api_server.ip().to_string()),
            ("KUBERNETES_SERVICE_PORT", api_server.port().to_string()),
            ("PULL_SECRET_NAME", SECRET.to_owned()),
            ("PULL_SECRET_SERVICE_ACCOUNT", PULLER.to_owned()),
            ("PULL_SECRET_IMAGE", image),
            (
                "PULL_SECRET_CONNECT_TO",
                format!("{OPENSHIFT}={}", self.registry.address()),
            ),
            (
                "PULL_SECRET_TERMINATION_MESSAGE_FILE",
                self.termination_message().display().to_string(),
            ),
        ];
        let more = (self.case.environment)(&self.world, &self.knowledge);
        let program = program.within(&self.world.runner).canary(&self.knowledge.token);
        usual
            .into_iter()
            .chain(more)
            .fold(program, |program, (name, value)| program.env(name, value))
    }

    fn termination_message(&self) -> std::path::PathBuf {
        self.world.runner.file("termination-log")
    }

    async fn run(&self, program: &Program, count: usize) -> Result<Outcome> {
        let running = program.spawn()?;
        if self.case.start == Start::Interrupted {
            tokio::task::block_in_place(|| {
                self.api_server
                    .wait_until_held(GATE, count, std::time::Duration::from_secs(60))
            })
            .map_err(anyhow::Error::msg)?;
            running.signal(Signal::TERM)?;
        }
        running.wait().await
    }

    /// Every run checks for the whole credential; this checks for its pieces and the bait.
    fn check(&self, outcome: &Outcome) -> Result<()> {
        let termination_message = fs::read_to_string(self.termination_message()).unwrap_or_default();
        let output = &outcome.output;
        let texts = [&output.stdout, &output.stderr, &termination_message]
            .into_iter()
            .chain(output.results.values());
        for text in texts {
            self.check_text(text)?;
        }
        ensure!(
            output.results.values().all(|value| !value.contains('\n')),
            "a result has several lines\n{outcome}"
        );
        Ok(())
    }

    fn check_text(&self, text: &str) -> Result<()> {
        let token = &self.knowledge.token;
        if let Some(trace) = Canary::new(token).trace_in(text) {
            anyhow::bail!("{trace} is in an output");
        }
        let mut pieces = (0..token.len()).filter_map(|start| token.get(start..start + FRAGMENT));
        let given_away = pieces.any(|piece| text.contains(piece));
        ensure!(!given_away, "a piece of the credential is in an output");
        for bait in ["\u{1b}", "\\u001b", "$(", "SUCCESS ok (exit 0): pwned"] {
            ensure!(!text.contains(bait), "{bait:?} is in an output:\n{text}");
        }
        Ok(())
    }

    /// The credential is in the document and nowhere else on the object.
    async fn check_secret(&self) -> Result<()> {
        let Some(mut secret) = self.world.namespace.secret(SECRET).await? else {
            return Ok(());
        };
        for (key, value) in secret.data.take().unwrap_or_default() {
            if key != ".dockerconfigjson" {
                self.check_text(&String::from_utf8_lossy(&value.0))
                    .with_context(|| format!("in key {key}"))?;
            }
        }
        secret.metadata.managed_fields = None;
        secret.type_ = None;
        self.check_text(&serde_json::to_string(&secret)?)
            .context("in the Secret's metadata")
    }
}

/// Stores what the case wants stored, and makes its token.
async fn store(world: &World, case: &Case) -> Result<Knowledge> {
    let Some(stored) = &case.stored else {
        return knowledge(world, case, None).await;
    };
    let document: (&str, &[u8]) = (".dockerconfigjson", b"{\"auths\":{}}");
    let mut secret = world
        .namespace
        .create_secret(SECRET, stored.secret_type, [document])
        .await?;
    let uid = secret.metadata.uid.clone();
    let bound = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Secret".to_owned()),
        name: Some(SECRET.to_owned()),
        uid,
    };
    let knowledge = knowledge(world, case, Some(bound)).await?;
    (stored.edit)(&mut secret, &knowledge);
    world.namespace.replace(&secret).await?;
    if secret.metadata.finalizers.is_some() {
        world.namespace.delete_secret(SECRET).await?;
    }
    Ok(knowledge)
}

async fn knowledge(world: &World, case: &Case, bound: Option<BoundObjectReference>) -> Result<Knowledge> {
    let token = match case.token {
        Token::Good => world.namespace.token(PULLER, bound, 86400).await?,
        Token::Mounted => world.runner.token().to_owned(),
        Token::Expired => cases::expired_token(),
    };
    let expires_at = claims(&token)?["exp"].as_i64().context("a token has an expiry")?;
    Ok(Knowledge {
        token,
        expires_at: Timestamp::from_second(expires_at)?.to_string(),
    })
}
