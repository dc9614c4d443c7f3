//! The model's system where a token file has a robot account's password.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use super::{State, System, state::Robot, system::entries};
use crate::robots::{DOWN, Setting, Situation};

impl Robot {
    fn setting(self) -> Setting {
        let situation = match self {
            Self { is_wrong: true, .. } => Situation::RotatedBad,
            Self {
                one_is_down: true, ..
            } => Situation::OneIsDown,
            _ => Situation::Rotated,
        };
        Setting {
            situation,
            scheme: self.scheme,
        }
    }
}

impl System {
    /// Token file and registries of the next run; none where a token is requested.
    pub(super) fn setting(&self) -> Option<Setting> {
        let State { robot, .. } = self.state;
        robot.map(Robot::setting)
    }

    /// The stored password is the one before that of the file.
    pub(super) async fn rotates(&self, setting: Setting) -> Result<()> {
        let (keys, entry) = (setting.keys(self.stage)?, setting.stored_entry()?);
        self.edits_document(|document| {
            let entries = entries(document)?;
            entries.remove(DOWN);
            let down = (setting.situation == Situation::OneIsDown).then(|| DOWN.to_owned());
            let keys = keys.into_iter().chain(down);
            entries.extend(keys.map(|key| (key, entry.clone().unwrap_or(Value::Null))));
            Ok(())
        })
        .await
    }

    /// What pulled before pulls now, and no password is stored that doesn't.
    pub(super) async fn ensure_robot_kept(&self, setting: Setting, secret: Option<&Secret>) -> Result<()> {
        let Some(secret) = secret else {
            ensure!(self.state.secret.is_none(), "the Secret is gone");
            return Ok(());
        };
        let kept = self.unmanaged().ensure_in(secret);
        kept.context("after the run")?;
        let pulls = setting.pulls(self.stage, secret).await?;
        ensure!(pulls != Some(false), "a password that does not pull is stored");
        ensure!(
            pulls.is_some() || self.state.pulls() == Some(false),
            "it pulled before the run and does not any more"
        );
        Ok(())
    }
}
