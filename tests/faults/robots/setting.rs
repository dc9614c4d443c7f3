//! A robot's situation: what is stored, what the token file has, and what holds after any run.

use std::{collections::HashMap, fmt, fs};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::{Value, json};
use test_cluster::{
    access::ClusterAccess,
    listener::faulty::{FaultyProxy, Plan, Side},
    program::{Canary, Outcome, Program},
    registry::Account,
};

use super::stage::Stage;
use crate::world::{Slot, unmanaged, unmanaged_secret};

pub const DOCUMENT: &str = ".dockerconfigjson";
/// Start of a document of [`unmanaged_secret`].
const AUTHS: &str = "{\"auths\" :{";
const WRONG: &str = "a-wrong-robots-password";
/// A registry without a listener.
pub const DOWN: &str = "down.test:5000";

/// State before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// No Secret.
    FirstRun,
    /// The token file has another password than the Secret; both work.
    Rotated,
    /// The token file has a wrong password, the stored one works.
    RotatedBad,
    /// Nothing to do.
    Steady,
    /// Nothing to do, and the run is `verify`.
    Verify,
    /// As `Rotated`, and a second host is down.
    OneIsDown,
    /// As `Rotated`, at a registry that anybody may pull from.
    Anonymous,
    /// As `Rotated`, and the image is not found with the file's password.
    Hidden,
    /// As `Rotated`, and the image is at another path of the same host.
    Redirected,
}

/// Scheme of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Basic,
    Bearer,
}

#[derive(Clone, Copy)]
pub struct Setting {
    pub situation: Situation,
    pub scheme: Scheme,
}

impl Setting {
    pub fn all() -> impl Iterator<Item = Self> {
        let once = |(situation, scheme)| Self { situation, scheme };
        [
            Situation::FirstRun,
            Situation::Rotated,
            Situation::RotatedBad,
            Situation::Steady,
            Situation::Verify,
        ]
        .into_iter()
        .flat_map(|situation| [Scheme::Basic, Scheme::Bearer].map(|scheme| Self { situation, scheme }))
        .chain(
            [
                (Situation::OneIsDown, Scheme::Bearer),
                (Situation::Anonymous, Scheme::Basic),
                (Situation::Hidden, Scheme::Basic),
                (Situation::Redirected, Scheme::Bearer),
            ]
            .map(once),
        )
    }

    fn account(self, name: &str) -> Result<&'static Account> {
        let registries = ClusterAccess::shared().registries()?;
        let registry = match self.scheme {
            Scheme::Basic => &registries.basic,
            Scheme::Bearer => &registries.token,
        };
        registry.account(name).context("an account")
    }

    /// Password of the token file.
    fn password(self) -> Result<String> {
        Ok(match self.situation {
            Situation::RotatedBad => WRONG.to_owned(),
            _ => self.account("robot")?.password.clone(),
        })
    }

    /// Stored account; none for no Secret.
    fn stored(self) -> Result<Option<&'static Account>> {
        Ok(match self.situation {
            Situation::FirstRun => None,
            Situation::Steady | Situation::Verify => Some(self.account("robot")?),
            _ => Some(self.account("pusher")?),
        })
    }

    /// Reason of a run without faults.
    pub fn reason(self) -> &'static str {
        match self.situation {
            Situation::RotatedBad => "credential-rejected",
            Situation::OneIsDown => "registry-unavailable",
            Situation::Anonymous => "registry-anonymous",
            Situation::Hidden => "pull-forbidden",
            _ => "ok",
        }
    }

    /// True if no run may change the document.
    pub fn is_kept(self) -> bool {
        matches!(
            self.situation,
            Situation::RotatedBad | Situation::Verify | Situation::Hidden
        )
    }

    /// The two keys of the run at this registry.
    pub fn keys(self, stage: &Stage) -> Result<[String; 2]> {
        let host = &self.registry()?.host.name;
        Ok([host.clone(), format!("{host}/{}", stage.world.namespace().name())])
    }

    pub fn image(self, stage: &Stage) -> Result<String> {
        let host = &self.registry()?.host.name;
        Ok(format!("{host}/{}/model:v1", stage.world.namespace().name()))
    }

    pub fn program(self, stage: &Stage, slot: &Slot) -> Result<Program> {
        let world = &stage.world;
        let host = stage.host(self)?;
        let file = world.runner().file(&format!("robot-{}", slot.secret));
        let mut keys = self.keys(stage)?.join(",");
        if self.situation == Situation::OneIsDown {
            keys = format!("{keys},{DOWN}");
        }
        fs::write(&file, format!("{}\n", self.password()?))?;
        // A registry that is down takes all of it.
        let timeout = if self.situation == Situation::OneIsDown {
            "1s"
        } else {
            "4s"
        };
        let mode = if self.situation == Situation::Verify {
            "verify"
        } else {
            "ensure"
        };
        let program = Program::new(world.runner())
            .env("PULL_SECRET_NAME", &slot.secret)
            .env("PULL_SECRET_MODE", mode)
            .env("PULL_SECRET_REGISTRY", keys)
            .env("PULL_SECRET_USERNAME", "robot")
            .env("PULL_SECRET_TOKEN_FILE", file)
            .env("PULL_SECRET_TIMEOUT", timeout)
            .env("PULL_SECRET_CONNECTION", "false")
            .env("PULL_SECRET_IMAGE", self.image(stage)?)
            .env(
                "PULL_SECRET_CONNECT_TO",
                format!("{}={},{DOWN}=127.0.0.1:1", host.name, host.address),
            );
        Ok(match self.stored()? {
            Some(account) => program.canary(&account.password),
            None => program,
        })
    }

    /// A run between two proxies, the servers for it.
    pub fn start(
        self,
        stage: &Stage,
        slot: &Slot,
        plan: impl Fn(Side) -> Plan,
    ) -> Result<(Program, [FaultyProxy; 2])> {
        let host = stage.host(self)?;
        let api = stage.world.proxy(
            Side::ApiServer,
            plan(Side::ApiServer),
            HashMap::new(),
            std::future::ready(()),
        )?;
        let registry = stage.world.proxy_of(&host, plan(Side::Registry))?;
        let program = self
            .program(stage, slot)?
            .env("KUBERNETES_SERVICE_PORT", api.address().port().to_string())
            .env(
                "PULL_SECRET_CONNECT_TO",
                format!("{}={},{DOWN}=127.0.0.1:1", host.name, registry.address()),
            );
        Ok((program, [api, registry]))
    }

    /// The stored entry; none for no Secret.
    pub fn stored_entry(self) -> Result<Option<Value>> {
        let entry = |account: &Account| {
            let (name, password) = (&account.name, &account.password);
            let auth = STANDARD.encode(format!("{name}:{password}"));
            json!({"username": name, "password": password, "auth": auth})
        };
        Ok(self.stored()?.map(entry))
    }

    /// As `program`, with time for a busy machine.
    pub fn peaceful(self, stage: &Stage, slot: &Slot) -> Result<Program> {
        let timeout = match self.situation {
            Situation::OneIsDown => "2s",
            _ => "1m",
        };
        Ok(self.program(stage, slot)?.env("PULL_SECRET_TIMEOUT", timeout))
    }

    /// Empties the slot, and stores what the situation begins with.
    pub async fn prepare(self, stage: &Stage, slot: &Slot) -> Result<Option<Secret>> {
        let world = &stage.world;
        world.clear(slot).await?;
        let Some(entry) = self.stored_entry()? else {
            return Ok(None);
        };
        let mut secret = unmanaged_secret(&slot.secret);
        let data = secret.data.get_or_insert_default();
        let document = String::from_utf8(data.remove(DOCUMENT).context("a document")?.0)?;
        let entries: String = self
            .keys(stage)?
            .map(|key| format!("\"{key}\":{entry},"))
            .concat();
        let document = document.replacen(AUTHS, &format!("{AUTHS}{entries}"), 1);
        data.insert(DOCUMENT.to_owned(), ByteString(document.into_bytes()));
        world.namespace().create(&secret).await?;
        if matches!(self.situation, Situation::Steady | Situation::Verify) {
            let ensure = self.program(stage, slot)?.env("PULL_SECRET_MODE", "ensure");
            ensure_reason(&ensure.run().await?, "ok")?;
        }
        let secret = world.secret(slot).await?;
        let stored = secret.as_ref().context("a Secret")?;
        let pulls = self.pulls(stage, stored).await?;
        ensure!(pulls == Some(true), "the stored password does not pull");
        Ok(secret)
    }

    /// Nothing unmanaged is lost, and what pulled before the run pulls after it.
    pub async fn ensure_not_worse(
        self,
        stage: &Stage,
        after: Option<&Secret>,
        before: Option<&Secret>,
    ) -> Result<()> {
        let pulls = match after {
            Some(after) => self.pulls(stage, after).await?,
            None => None,
        };
        if before.is_none() {
            ensure!(pulls != Some(false), "a password that does not pull is stored");
            return Ok(());
        }
        unmanaged().ensure_in(after.context("the Secret is gone")?)?;
        ensure!(
            pulls == Some(true),
            "it pulled before the run and does not any more"
        );
        Ok(())
    }

    /// True if each key's entry pulls; none where none has one.
    pub async fn pulls(self, stage: &Stage, secret: &Secret) -> Result<Option<bool>> {
        let document = secret.data.as_ref().and_then(|data| data.get(DOCUMENT));
        // Serde has no half of a surrogate pair.
        let document = String::from_utf8(document.context("a document")?.0.clone())?.replace("\\ud800", "");
        let document: Value = serde_json::from_str(&document)?;
        let keys = self.keys(stage)?;
        let auths: Vec<&str> = keys
            .iter()
            .filter_map(|key| document["auths"][key]["auth"].as_str())
            .collect();
        if auths.is_empty() {
            return Ok(None);
        }
        let mut pulls = auths.len() == keys.len();
        for auth in auths {
            pulls &= stage.pulls(self, auth).await?;
        }
        Ok(Some(pulls))
    }

    /// No output has the file's password or the stored one.
    pub fn ensure_nothing_given_away(self, output: &str) -> Result<()> {
        let stored = self.stored()?.map(|account| account.password.clone());
        for secret in stored.into_iter().chain([self.password()?]) {
            let is_shown = Canary::new(&secret).trace_in(output).is_some();
            ensure!(!is_shown, "a password was given away");
        }
        Ok(())
    }
}

pub fn ensure_reason(outcome: &Outcome, reason: &str) -> Result<()> {
    ensure!(outcome.result("REASON") == reason, "expected {reason}\n{outcome}");
    Ok(())
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "robot {:?} {:?}", self.situation, self.scheme)
    }
}
