//! Runs with a robot account's token file and two registries of a run: a fault at each call, a kill at each call, and
//! many runs at once, each with Basic and with Bearer.

use std::{collections::HashMap, fmt, fs};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::{Value, json};
use test_cluster::{
    access::ClusterAccess,
    listener::faulty::{
        ConnectionFault, Cut, Ending, Fault, FaultyProxy, Invented, Place, Plan, RequestFault, Side,
    },
    program::{Outcome, Program},
    registry::{Account, Registry},
};

use crate::{
    all_of::all_of,
    crashes::Moment,
    world::{Slot, World, unmanaged, unmanaged_secret},
};

const DOCUMENT: &str = ".dockerconfigjson";
/// Start of a document of [`unmanaged_secret`].
const AUTHS: &str = "{\"auths\" :{";
/// Cases at a time.
const SLOTS: usize = 4;
/// Runs at once.
const RUNS: usize = 20;
/// Faults of each call in a sample; they take turns.
const SAMPLE: usize = 3;
const WRONG: &str = "a-wrong-robots-password";
/// A registry without a listener.
const DOWN: &str = "down.test:5000";

/// State before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Situation {
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
}

/// Scheme of the registry.
#[derive(Clone, Copy, Debug)]
enum Scheme {
    Basic,
    Bearer,
}

#[derive(Clone, Copy)]
struct Setting {
    situation: Situation,
    scheme: Scheme,
}

/// Fault at one call, and its repetition.
#[derive(Clone, Copy)]
struct Case {
    setting: Setting,
    side: Side,
    number: usize,
    event: Event,
}

#[derive(Clone, Copy)]
enum Event {
    Once(Fault),
    Lasting(Fault),
    Killed(Moment),
}

/// Faults, the transient ones first.
const TRANSIENT: usize = 5;
const FAULTS: [Fault; 13] = [
    Fault::Request(RequestFault::Reset),
    Fault::Instead(Invented::Status(503)),
    cut(Place::Start, Ending::Close),
    Fault::Instead(Invented::Status(429)),
    Fault::Connection(ConnectionFault::ResetAfterHandshake),
    Fault::Instead(Invented::Status(401)),
    Fault::Instead(Invented::Status(404)),
    Fault::Instead(Invented::Html),
    cut(Place::BodyMiddle, Ending::Reset),
    Fault::Connection(ConnectionFault::UnknownAuthority),
    Fault::Instead(Invented::Redirect),
    Fault::Instead(Invented::Status(400)),
    Fault::Instead(Invented::Garbage),
];

const fn cut(place: Place, ending: Ending) -> Fault {
    Fault::Cut(Cut { place, ending })
}

impl Setting {
    fn all() -> impl Iterator<Item = Self> {
        let one_is_down = Self {
            situation: Situation::OneIsDown,
            scheme: Scheme::Bearer,
        };
        [
            Situation::FirstRun,
            Situation::Rotated,
            Situation::RotatedBad,
            Situation::Steady,
            Situation::Verify,
        ]
        .into_iter()
        .flat_map(|situation| [Scheme::Basic, Scheme::Bearer].map(|scheme| Self { situation, scheme }))
        .chain([one_is_down])
    }

    fn registry(self) -> Result<&'static Registry> {
        let registries = ClusterAccess::shared().registries()?;
        Ok(match self.scheme {
            Scheme::Basic => &registries.basic,
            Scheme::Bearer => &registries.token,
        })
    }

    fn account(self, name: &str) -> Result<&'static Account> {
        self.registry()?.account(name).context("an account")
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
            Situation::Rotated | Situation::RotatedBad | Situation::OneIsDown => {
                Some(self.account("pusher")?)
            }
            Situation::Steady | Situation::Verify => Some(self.account("robot")?),
        })
    }

    /// Reason of a run without faults.
    fn reason(self) -> &'static str {
        match self.situation {
            Situation::RotatedBad => "credential-rejected",
            Situation::OneIsDown => "registry-unavailable",
            _ => "ok",
        }
    }

    /// The two keys of the run at this registry.
    fn keys(self, world: &World) -> Result<[String; 2]> {
        let host = &self.registry()?.host.name;
        Ok([host.clone(), format!("{host}/{}", world.namespace().name())])
    }

    fn program(self, world: &World, slot: &Slot) -> Result<Program> {
        let registry = self.registry()?;
        let file = world.runner().file(&format!("robot-{}", slot.secret));
        let mut keys = self.keys(world)?.join(",");
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
            .env(
                "PULL_SECRET_IMAGE",
                format!("{}/{}/model:v1", registry.host.name, world.namespace().name()),
            )
            .env(
                "PULL_SECRET_CONNECT_TO",
                format!("{},{DOWN}=127.0.0.1:1", registry.connect_to()),
            );
        Ok(match self.stored()? {
            Some(account) => program.canary(&account.password),
            None => program,
        })
    }

    /// Empties the slot, and stores what the situation begins with.
    async fn prepare(self, world: &World, slot: &Slot) -> Result<Option<Secret>> {
        world.clear(slot).await?;
        let Some(account) = self.stored()? else {
            return Ok(None);
        };
        let mut secret = unmanaged_secret(&slot.secret);
        let data = secret.data.get_or_insert_default();
        let document = String::from_utf8(data.remove(DOCUMENT).context("a document")?.0)?;
        let auth = STANDARD.encode(format!("{}:{}", account.name, account.password));
        let entry = json!({"username": account.name, "password": account.password, "auth": auth});
        let entries: String = self
            .keys(world)?
            .map(|key| format!("\"{key}\":{entry},"))
            .concat();
        let document = document.replacen(AUTHS, &format!("{AUTHS}{entries}"), 1);
        data.insert(DOCUMENT.to_owned(), ByteString(document.into_bytes()));
        world.namespace().create(&secret).await?;
        if matches!(self.situation, Situation::Steady | Situation::Verify) {
            let ensure = self.program(world, slot)?.env("PULL_SECRET_MODE", "ensure");
            ensure_reason(&ensure.run().await?, "ok")?;
        }
        world.secret(slot).await
    }

    /// Nothing unmanaged is lost, and each key whose stored password worked has one that works.
    async fn ensure_not_worse(self, world: &World, slot: &Slot, before: Option<&Secret>) -> Result<()> {
        let after = world.secret(slot).await?;
        let passwords = self.passwords(world, after.as_ref())?;
        let works = |password: &Option<String>| {
            let accounts = &self.registry().map(|registry| registry.accounts.as_slice());
            let accounts = accounts.as_ref().copied().unwrap_or_default();
            accounts
                .iter()
                .any(|account| Some(&account.password) == password.as_ref())
        };
        let Some(before) = before else {
            let is_placeholder = passwords.iter().all(Option::is_none);
            ensure!(
                is_placeholder || passwords.iter().all(works),
                "a password that does not work is stored"
            );
            return Ok(());
        };
        let after = after.context("the Secret is gone")?;
        unmanaged().ensure_in(&after)?;
        ensure!(
            passwords.iter().all(works),
            "it pulled before the run and does not any more"
        );
        if matches!(self.situation, Situation::RotatedBad | Situation::Verify) {
            ensure!(before.data == after.data, "the document was changed");
        }
        Ok(())
    }

    fn passwords(self, world: &World, secret: Option<&Secret>) -> Result<Vec<Option<String>>> {
        let document = secret.and_then(|secret| secret.data.as_ref()?.get(DOCUMENT));
        let Some(document) = document else {
            return Ok(vec![None, None]);
        };
        // Serde has no half of a surrogate pair.
        let document = String::from_utf8(document.0.clone())?.replace("\\ud800", "");
        let document: Value = serde_json::from_str(&document)?;
        let of_key = |key: &String| document["auths"][key]["password"].as_str().map(str::to_owned);
        Ok(self.keys(world)?.iter().map(of_key).collect())
    }

    /// A run between two proxies, the servers for it.
    fn start(
        self,
        world: &World,
        slot: &Slot,
        plan: impl Fn(Side) -> Plan,
    ) -> Result<(Program, [FaultyProxy; 2])> {
        let host = &self.registry()?.host;
        let api = world.proxy(
            Side::ApiServer,
            plan(Side::ApiServer),
            HashMap::new(),
            std::future::ready(()),
        )?;
        let registry = world.proxy_of(host, plan(Side::Registry))?;
        let program = self
            .program(world, slot)?
            .env("KUBERNETES_SERVICE_PORT", api.address().port().to_string())
            .env(
                "PULL_SECRET_CONNECT_TO",
                format!("{}={},{DOWN}=127.0.0.1:1", host.name, registry.address()),
            );
        Ok((program, [api, registry]))
    }

    /// The cases of all calls that a run without faults makes.
    async fn cases(self, world: &World, slot: &Slot, is_whole: bool) -> Result<Vec<Case>> {
        let before = self.prepare(world, slot).await?;
        let (program, [api, registry]) = self.start(world, slot, |_| Plan::none())?;
        let outcome = program.run().await?;
        ensure_reason(&outcome, self.reason())?;
        self.ensure_not_worse(world, slot, before.as_ref()).await?;
        let mut cases = Vec::new();
        let calls = [
            (Side::ApiServer, api.calls().len()),
            (Side::Registry, registry.calls().len()),
        ];
        for (side, count) in calls {
            ensure!(count > 0 || side == Side::Registry, "{self}: no call");
            for number in 1..=count {
                let case = |event| Case {
                    setting: self,
                    side,
                    number,
                    event,
                };
                let mut events: Vec<Event> = FAULTS
                    .iter()
                    .flat_map(|fault| [Event::Once(*fault), Event::Lasting(*fault)])
                    .collect();
                if !is_whole {
                    // An odd step meets each event in turn.
                    events.rotate_left((number * 7 + self.situation as usize * 5) % FAULTS.len());
                    events = events.into_iter().step_by(9).take(SAMPLE).collect();
                }
                events.extend([Moment::Asked, Moment::Done].map(Event::Killed));
                cases.extend(events.into_iter().map(case));
            }
        }
        Ok(cases)
    }
}

impl Case {
    async fn ensure_kept(self, world: &World, slot: &Slot) -> Result<()> {
        let setting = self.setting;
        let before = setting.prepare(world, slot).await?;
        let plan = |side| match self.event {
            _ if side != self.side => Plan::none(),
            Event::Once(fault) => Plan::none().once(self.number, fault),
            Event::Lasting(fault) => Plan::none().lasting(self.number, fault),
            Event::Killed(moment) => Plan::none().once(self.number, moment.held()),
        };
        let (program, proxies) = setting.start(world, slot, plan)?;
        if let Event::Killed(moment) = self.event {
            let [api, registry] = &proxies;
            let proxy = if self.side == Side::ApiServer {
                api
            } else {
                registry
            };
            let mut running = program.spawn()?;
            tokio::select! {
                () = proxy.after(move |call| call.fault == Some(moment.held())) => drop(running.kill().await?),
                () = running.ended() => drop(running.wait().await?),
            }
        } else {
            let outcome = program.run().await?;
            ensure!(outcome.output.exit != 70, "a defect of the program\n{outcome}");
            let is_transient =
                matches!(self.event, Event::Once(fault) if FAULTS[..TRANSIENT].contains(&fault));
            if is_transient && setting.situation != Situation::OneIsDown {
                ensure_reason(&outcome, setting.reason())?;
            }
            let is_true = outcome.result("STATUS") != "SUCCESS" || setting.reason() == "ok";
            ensure!(is_true, "SUCCESS\n{outcome}");
        }
        setting.ensure_not_worse(world, slot, before.as_ref()).await?;
        let next = setting.program(world, slot)?.run().await?;
        ensure_reason(&next, setting.reason()).context("the next run")?;
        setting.ensure_not_worse(world, slot, before.as_ref()).await?;
        world.clear(slot).await
    }
}

fn ensure_reason(outcome: &Outcome, reason: &str) -> Result<()> {
    ensure!(outcome.result("REASON") == reason, "expected {reason}\n{outcome}");
    Ok(())
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "robot {:?} {:?}", self.situation, self.scheme)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{:?} {}/", self.setting, self.side, self.number)?;
        match self.event {
            Event::Once(fault) => write!(formatter, "{fault}/once"),
            Event::Lasting(fault) => write!(formatter, "{fault}/from-then-on"),
            Event::Killed(moment) => write!(formatter, "killed {moment:?}"),
        }
    }
}

/// Tries a sample of the faults, or all of them, and a kill at each call; returns the number of runs.
///
/// # Errors
/// Names the cases that broke a promise, and which.
pub async fn ensure_all_kept(is_whole: bool) -> Result<usize> {
    let (world, slots) = World::new(SLOTS).await?;
    let mut cases = Vec::new();
    for setting in Setting::all() {
        let of_setting = setting.cases(&world, &*slots.take().await, is_whole).await;
        cases.extend(of_setting.with_context(|| setting.to_string())?);
    }
    let count = cases.len();
    let named = cases.into_iter().map(|case| (case.to_string(), case));
    all_of(SLOTS, named, async |case: Case| {
        let slot = slots.take().await;
        case.ensure_kept(&world, &slot).await
    })
    .await?;
    Ok(count)
}

/// Lets many runs at one Secret loose, in each setting.
///
/// # Errors
/// Names the setting and the promise that is broken.
pub async fn ensure_concurrent_runs_end_well() -> Result<()> {
    let (world, slots) = World::new(1).await?;
    let slot = slots.take().await;
    for setting in Setting::all().filter(|setting| setting.situation != Situation::OneIsDown) {
        let before = setting.prepare(&world, &slot).await?;
        let program = setting.program(&world, &slot)?.env("PULL_SECRET_TIMEOUT", "1m");
        for outcome in join_all((0..RUNS).map(|_| program.run())).await {
            ensure_reason(&outcome?, setting.reason()).with_context(|| setting.to_string())?;
        }
        let kept = setting.ensure_not_worse(&world, &slot, before.as_ref()).await;
        kept.with_context(|| setting.to_string())?;
    }
    world.clear(&slot).await
}
