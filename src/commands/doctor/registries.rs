//! Each registry: its name, its certificate, and what it asks for.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::Checks;
use crate::{
    commands::operation::Operation,
    config::{Depth, Mode, Route},
    image::RegistryHost,
    kubernetes::access_review::TokenReview,
    outcome::{DoctorCheck, Finding, Reason},
    registry::Ping,
    text::clip_name,
    verification::explain,
};

const WHAT: &str = "registry";

/// The time limit of a DNS lookup.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit of one registry, retries included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// What was found at the registries.
pub struct RegistryChecks {
    /// One check per registry.
    pub checks: Checks,
    /// Registries that were not reached.
    pub unreached: Vec<RegistryHost>,
}

/// Pings each registry.
pub async fn examine(operation: &Operation<'_>) -> RegistryChecks {
    if operation.target.config.verify != Depth::Registry {
        return RegistryChecks {
            checks: vec![Ok(DoctorCheck::ok(
                WHAT,
                "not contacted, because of PULL_SECRET_VERIFY",
            ))],
            unreached: Vec::new(),
        };
    }
    let registries = &operation.target.config.registries;
    let checks = join_all(registries.iter().map(async |registry| {
        let check = one(operation, registry).await;
        check.map_err(|finding| finding.about(registry.to_string()))
    }))
    .await;
    let unreached = registries.iter().zip(&checks);
    let unreached = unreached.filter(|(_, check)| check.is_err());
    RegistryChecks {
        unreached: unreached.map(|(registry, _)| registry.clone()).collect(),
        checks,
    }
}

async fn one(operation: &Operation<'_>, registry: &RegistryHost) -> Result<DoctorCheck, Finding> {
    let name = clip_name(&registry.to_string(), 80);
    let dialled = address(operation, registry, &name).await?;
    let until = operation.registries.until().min(Instant::now() + ANSWER_TIMEOUT);
    let registries = operation.registries.with_until(until);
    let ping = registries.ping(registry).await;
    let reached = format!("{name} {dialled}, its certificate is trusted, and it");
    Ok(match ping {
        Err(inconclusive) => {
            // There is no credential here to be reviewed.
            let review = TokenReview::NotApplicable;
            let secrets = &operation.secrets;
            return Err(explain::inconclusive(
                Mode::Doctor,
                &name,
                &inconclusive,
                review,
                secrets,
            ));
        }
        Ok(Ping::Anonymous { .. }) => DoctorCheck::warn(
            WHAT,
            format!("{reached} allows anonymous access: a credential may not be verifiable there"),
            Reason::RegistryAnonymous.info().remedy,
        ),
        Ok(Ping::Asks(scheme)) => DoctorCheck::ok(WHAT, format!("{reached} asks for {}", scheme.as_str())),
    })
}

/// Resolves the host, unless PULL_SECRET_CONNECT_TO or a proxy does.
async fn address(operation: &Operation<'_>, registry: &RegistryHost, name: &str) -> Result<String, Finding> {
    let dial = registry.dial();
    let config = operation.target.config;
    if config.connect_to.iter().any(|(from, _)| from == dial) {
        return Ok("is reached through PULL_SECRET_CONNECT_TO".to_owned());
    }
    match config.proxy.route(dial.host(), dial.port()) {
        Route::Direct => {}
        Route::Through(proxy) => return Ok(format!("is dialled through {proxy}")),
        Route::Unusable(proxy) => return Ok(format!("is not dialled: {proxy}")),
    }
    let look_up = tokio::net::lookup_host((dial.host(), dial.port()));
    let found = timeout(LOOKUP_TIMEOUT, look_up).await.ok().and_then(Result::ok);
    match found.map_or(0, Iterator::count) {
        0 => Err(Finding::new(
            Reason::RegistryUnavailable,
            format!("the name of {name} can't be resolved"),
        )
        .with_remedy("Check the name in PULL_SECRET_REGISTRY, and the cluster's DNS.")),
        count => Ok(format!(
            "resolves to {count} address{}",
            if count == 1 { "" } else { "es" }
        )),
    }
}
