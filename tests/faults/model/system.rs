//! The system that the model is compared with: the program, the real servers, and other writers.

use std::{collections::HashMap, sync::LazyLock};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::Api;
use proptest_state_machine::StateMachineTest;
use serde_json::{Map, Value, json};
use test_cluster::{
    invariants::{After, Before, Unmanaged, ensure_true},
    listener::faulty::{Fault, Plan, Side},
    program::{Outcome, Program},
    registry::OPENSHIFT,
};
use tokio::{runtime::Runtime, sync::MutexGuard};

use super::{Drawn, Event, Model, State};
use crate::{
    ALONE,
    case::{Kind, Step},
    catalogue,
    crashes::Moment,
    proxies::Proxies,
    robots::{DOWN, Stage},
    situation::{Setting, Situation},
    slots::Taken,
    world::{Prepared, Slots},
    writers::Writer,
};

const DOCUMENT: &str = ".dockerconfigjson";
const LABEL: &str = "opendatahub.io/dashboard";
/// The time of a run that a fault befalls.
const SHORT: &str = "4s";

/// Resources of all sequences, which run one after the other.
static SHARED: LazyLock<(Runtime, Stage, Slots)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let (stage, slots) = runtime.block_on(Stage::new(1)).expect("a namespace");
    (runtime, stage, slots)
});

/// A Secret, and the model's state of it.
pub struct System {
    pub(super) stage: &'static Stage,
    pub(super) slot: Taken<'static>,
    pub(super) state: State,
    _alone: MutexGuard<'static, ()>,
}

impl StateMachineTest for System {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(state: &State) -> Self {
        let (runtime, stage, slots) = &*SHARED;
        runtime.block_on(async {
            let system = Self {
                stage,
                slot: slots.take().await,
                state: state.clone(),
                _alone: ALONE.lock().await,
            };
            system
                .stage
                .world
                .clear(&system.slot)
                .await
                .expect("there is no Secret");
            system
                .stage
                .world
                .let_pull(true)
                .await
                .expect("the puller may pull");
            system
        })
    }

    fn apply(mut system: Self, after: &State, event: Event) -> Self {
        let (runtime, ..) = &*SHARED;
        let happened = runtime.block_on(system.happens(&event));
        happened.unwrap_or_else(|error| panic!("{event:?} in {:?}: {error:#}", system.state));
        system.state = after.clone();
        system
    }

    fn check_invariants(system: &Self, _: &State) {
        let (runtime, ..) = &*SHARED;
        let result = runtime.block_on(system.ensure_as_modelled());
        result.unwrap_or_else(|error| panic!("not {:?}: {error:#}", system.state));
    }
}

impl System {
    async fn happens(&self, event: &Event) -> Result<()> {
        match event {
            Event::Ensure => self.ensures(self.state.actions(), &[self.state.ensured()]).await,
            Event::Verify => self.verifies().await,
            Event::Plan => self.plans().await,
            Event::Fault(drawn) => {
                self.suffers(drawn).await?;
                self.ensures_after_part_of_one().await
            }
            Event::Killed(number, moment) => {
                self.is_killed(*number, *moment).await?;
                self.ensures_after_part_of_one().await
            }
            Event::Revokes => self.stage.world.let_pull(false).await,
            Event::Grants => self.stage.world.let_pull(true).await,
            Event::Deletes => self.stage.world.clear(&self.slot).await,
            Event::Restores => self.restores().await,
            Event::Ages => match self.setting() {
                Some(setting) => self.rotates(setting).await,
                None => self.ages().await,
            },
            Event::Wrongs(_) | Event::Falls(_) => Ok(()),
            Event::Labels(number) => {
                Writer::Labels
                    .write(&self.api(), &self.slot.secret, *number)
                    .await
            }
            Event::Entry(number) => {
                Writer::Entries
                    .write(&self.api(), &self.slot.secret, *number)
                    .await
            }
            Event::TakesLabel => {
                self.edits(|secret| {
                    secret.metadata.labels.get_or_insert_default().remove(LABEL);
                    Ok(())
                })
                .await
            }
            Event::TakesEntry => {
                self.edits_document(|document| {
                    let keys = self.setting().map(|setting| setting.keys(self.stage));
                    let robots = keys.transpose()?.into_iter().flatten();
                    for key in robots.chain([OPENSHIFT, DOWN].map(str::to_owned)) {
                        entries(document)?.remove(&key);
                    }
                    Ok(())
                })
                .await
            }
            Event::Unwraps => {
                self.edits_document(|document| {
                    *document = Value::Object(std::mem::take(entries(document)?));
                    Ok(())
                })
                .await
            }
            Event::Blanks => {
                self.edits_document(|document| {
                    *document = json!({"auths": {}});
                    Ok(())
                })
                .await
            }
        }
    }

    /// Runs without faults after a run that was interrupted, which may have done all of it or nothing.
    async fn ensures_after_part_of_one(&self) -> Result<()> {
        let actions = [self.state.actions(), &["refreshed", "unchanged"]].concat();
        let done = match self.state.ensured() {
            "reverted" => "ok",
            ended => ended,
        };
        self.ensures(&actions, &[self.state.ensured(), done]).await
    }

    /// Runs without faults; the object changes by one of these actions, and the run ends with one of these reasons.
    async fn ensures(&self, actions: &[&str], reasons: &[&str]) -> Result<()> {
        let before = self.before().await?;
        let outcome = self.program("ensure").run().await?;
        self.ensure_kept(&before, &outcome, false).await?;
        ensure!(
            reasons.contains(&outcome.result("REASON")) && actions.contains(&outcome.result("ACTION")),
            "expected {actions:?} and {reasons:?}\n{outcome}"
        );
        Ok(())
    }

    async fn verifies(&self) -> Result<()> {
        let outcome = self.reads("verify").await?;
        let complaints = self.state.verified();
        ensure!(
            complaints.contains(&outcome.result("REASON")),
            "expected one of {complaints:?}\n{outcome}"
        );
        Ok(())
    }

    async fn plans(&self) -> Result<()> {
        let outcome = self.reads("plan").await?;
        ensure!(
            !matches!(self.state.ensured(), "ok" | "reverted")
                || outcome.result("REASON") == self.state.ensured(),
            "it would be possible\n{outcome}"
        );
        Ok(())
    }

    /// A run that writes nothing.
    async fn reads(&self, mode: &str) -> Result<Outcome> {
        let version = |secret: Option<Secret>| secret.and_then(|secret| secret.metadata.resource_version);
        let before = version(self.secret().await?);
        let outcome = self.program(mode).run().await?;
        ensure!(
            version(self.secret().await?) == before && outcome.result("ACTION") == "none",
            "{mode} wrote\n{outcome}"
        );
        Ok(outcome)
    }

    async fn suffers(&self, drawn: &Drawn) -> Result<()> {
        let (side, kind) = if drawn.at_registry {
            (Side::Registry, Kind::Manifest)
        } else {
            (Side::ApiServer, Kind::Read)
        };
        let faults = catalogue::faults(
            &Step {
                side,
                number: drawn.number,
                kind,
                has_body: true,
                answer_has_body: true,
            },
            1,
        );
        let fault = *drawn.which.get(&faults);
        let before = self.before().await?;
        let (program, _proxies) = self.disturbed(side, drawn.number, fault, &before)?;
        let outcome = program.env("PULL_SECRET_TIMEOUT", SHORT).run().await?;
        let kept = self.ensure_kept(&before, &outcome, true).await;
        kept.with_context(|| format!("{fault}\n{outcome}"))
    }

    async fn is_killed(&self, number: usize, moment: Moment) -> Result<()> {
        let before = self.before().await?;
        let held = moment.held();
        let (program, proxies) = self.disturbed(Side::ApiServer, number, held, &before)?;
        let mut running = program.spawn()?;
        tokio::select! {
            () = proxies.occurred(Side::ApiServer, held) => {
                running.kill().await?;
                self.ensure_stored_kept(&before).await.map(drop)
            }
            // It made fewer calls.
            () = running.ended() => {
                let outcome = running.wait().await?;
                self.ensure_kept(&before, &outcome, true).await
            }
        }
    }

    /// A run of `ensure` between proxies.
    fn disturbed(
        &self,
        side: Side,
        number: usize,
        fault: Fault,
        before: &Before,
    ) -> Result<(Program, Proxies)> {
        let plan = Plan::none().once(number, fault);
        if let Some(setting) = self.setting() {
            let of = |proxy| if proxy == side { plan.clone() } else { Plan::none() };
            let (program, proxies) = setting.start(self.stage, &self.slot, of)?;
            return Ok((program, Proxies::of(proxies)));
        }
        let setting = Setting {
            situation: Situation::Refresh,
            reviewed: false,
        };
        let prepared = Prepared {
            before: before.clone(),
            earlier: HashMap::new(),
            token: None,
        };
        let proxies = Proxies::start(&self.stage.world, setting, Some((side, plan)), &prepared)?;
        Ok((proxies.lead(self.program("ensure")), proxies))
    }

    async fn ensure_kept(&self, before: &Before, outcome: &Outcome, answers_are_lost: bool) -> Result<()> {
        let (secret, after) = self.ensure_stored_kept(before).await?;
        match after {
            Some(after) => ensure_true(outcome, after, secret.as_ref(), answers_are_lost),
            None => Ok(()),
        }
        .with_context(|| outcome.to_string())
    }

    /// Nothing is lost, and nothing is worse. Where the puller may not pull, the latter is no question.
    async fn ensure_stored_kept(&self, before: &Before) -> Result<(Option<Secret>, Option<After>)> {
        let secret = self.secret().await?;
        if let Some(setting) = self.setting() {
            self.ensure_robot_kept(setting, secret.as_ref()).await?;
        } else if self.state.may_pull {
            let after = before
                .ensure_not_worse(
                    secret.as_ref(),
                    self.stage.world.puller(),
                    self.stage.world.image(),
                )
                .await?;
            return Ok((secret, Some(after)));
        }
        if let Some(secret) = &secret {
            before.unmanaged().ensure_in(secret)?;
        }
        Ok((secret, None))
    }

    /// The stored Secret has the state of the model.
    async fn ensure_as_modelled(&self) -> Result<()> {
        let secret = self.secret().await?;
        ensure!(
            secret.is_some() == self.state.secret.is_some(),
            "whether there is a Secret"
        );
        let (Some(secret), Some(stored)) = (secret, &self.state.secret) else {
            return Ok(());
        };
        self.unmanaged().ensure_in(&secret)?;
        let labels = secret.metadata.labels.as_ref();
        ensure!(
            labels.is_some_and(|labels| labels.contains_key(LABEL)) == stored.labelled,
            "whether it has its label"
        );
        let pulls = match self.setting() {
            Some(setting) => setting.pulls(self.stage, &secret).await? == Some(true),
            None => {
                let document = secret.data.as_ref().and_then(|data| data.get(DOCUMENT));
                let (document, world) = (document.context("there is a document")?, &self.stage.world);
                world.puller().pulls(&document.0, world.image()).await?
            }
        };
        ensure!(
            self.state.pulls().is_none_or(|expected| expected == pulls),
            "whether it pulls: {pulls}"
        );
        Ok(())
    }

    async fn before(&self) -> Result<Before> {
        let (puller, image) = (self.stage.world.puller(), self.stage.world.image());
        Before::new(self.secret().await?, self.unmanaged(), puller, image).await
    }

    pub(super) fn unmanaged(&self) -> Unmanaged {
        let mut unmanaged = Unmanaged::default();
        if let Some(stored) = &self.state.secret {
            unmanaged.labels.extend(stored.label.map(Writer::label));
            unmanaged.document.extend(stored.entry.map(Writer::entry));
        }
        unmanaged
    }

    async fn secret(&self) -> Result<Option<Secret>> {
        self.stage.world.secret(&self.slot).await
    }

    fn api(&self) -> Api<Secret> {
        self.stage.world.namespace().api()
    }

    fn program(&self, mode: &str) -> Program {
        let program = match self.setting() {
            Some(setting) => setting.peaceful(self.stage, &self.slot).expect("a token file"),
            None => self.stage.world.program(&self.slot, Situation::Refresh),
        };
        program.env("PULL_SECRET_MODE", mode)
    }

    /// The same content as another object.
    async fn restores(&self) -> Result<()> {
        let mut secret = self.secret().await?.context("there is a Secret")?;
        self.stage.world.clear(&self.slot).await?;
        secret.metadata = ObjectMeta {
            name: secret.metadata.name,
            labels: secret.metadata.labels,
            annotations: secret.metadata.annotations,
            ..ObjectMeta::default()
        };
        self.stage.world.namespace().create(&secret).await.map(drop)
    }

    /// The stored token seems to be one that was requested a day ago.
    async fn ages(&self) -> Result<()> {
        let secret = self.secret().await?.context("there is a Secret")?;
        let token = self.stage.world.short_lived_token(&secret).await?;
        let auth = STANDARD.encode(format!("<token>:{token}"));
        self.edits_document(|document| {
            let managed = json!({"username": "<token>", "password": token, "auth": auth});
            entries(document)?.insert(OPENSHIFT.to_owned(), managed);
            Ok(())
        })
        .await
    }

    pub(super) async fn edits_document(&self, edit: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
        self.edits(|secret| {
            let data = secret.data.get_or_insert_default();
            let stored = data.get_mut(DOCUMENT).context("there is a document")?;
            let mut document = serde_json::from_slice(&stored.0)?;
            edit(&mut document)?;
            stored.0 = serde_json::to_vec(&document)?;
            Ok(())
        })
        .await
    }

    async fn edits(&self, edit: impl FnOnce(&mut Secret) -> Result<()>) -> Result<()> {
        let mut secret = self.secret().await?.context("there is a Secret")?;
        edit(&mut secret)?;
        self.stage.world.namespace().replace(&secret).await.map(drop)
    }
}

pub(super) fn entries(document: &mut Value) -> Result<&mut Map<String, Value>> {
    let auths = document.get_mut("auths").and_then(Value::as_object_mut);
    auths.context("the document has auths")
}
