//! Lifetime and time come from the API server: the lifetime that it granted, and its clock.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use http::{HeaderValue, Response, header};
use k8s_openapi::jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use serde_json::json;
use test_cluster::{
    certificates::Authority,
    control_plane::{Cluster, Options},
    listener::{Reply, ScriptedServer},
};

use crate::{
    first_run::claims,
    world::{World, short_lived},
};

#[tokio::test]
async fn refresh_time_follows_the_lifetime_that_the_api_server_granted() -> Result<()> {
    let hour = Duration::from_secs(3600);
    let cluster = Cluster::start(Options::new().max_token_lifetime(hour)).await?;
    let world = World::within(cluster.access(), "short").await?;
    // The program requests one day.
    let program = world.program().env("PULL_SECRET_VERIFY", "api");
    let outcome = program.run().await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("review");
    let granted = claims(&world.stored_token().await?)?;
    let seconds = |name: &str| granted[name].as_i64().context("a time");
    assert_eq!(seconds("exp")? - seconds("iat")?, 3600);
    assert_eq!(
        outcome.result("EXPIRES_AT").parse::<Timestamp>()?.as_second(),
        seconds("exp")?
    );

    // 40% of a day would be more than all of it.
    program.expect("SUCCESS", "unchanged", "ok", 0).await?;
    let often = program.clone().env("PULL_SECRET_NEXT_RUN_WITHIN", "30m");
    often.expect("SUCCESS", "unchanged", "ok", 0).await?;
    let rarely = program.env("PULL_SECRET_NEXT_RUN_WITHIN", "2h");
    let outcome = rarely.run().await?;
    outcome.expect("FAILURE", "refreshed", "expires-before-next-run", 78);
    assert_ne!(
        claims(&world.stored_token().await?)?["jti"],
        granted["jti"],
        "it is written all the same"
    );
    let verify = rarely.env("PULL_SECRET_MODE", "verify");
    verify
        .expect("FAILURE", "none", "expires-before-next-run", 78)
        .await?;
    Ok(())
}

#[tokio::test]
async fn credential_below_its_share_of_the_lifetime_is_refreshed() -> Result<()> {
    let world = World::new("share").await?;
    short_lived(&world.program())
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let token = world.stored_token().await?;
    // A hundredth of ten minutes.
    let share = Duration::from_secs(6);
    let program = world.program().env("PULL_SECRET_REFRESH_BELOW", "99%");
    let issued_at = claims(&token)?["iat"].as_i64().context("iat")?;
    loop {
        let outcome = program.run().await?;
        let age = Timestamp::now().as_second() - issued_at;
        if outcome.result("ACTION") == "refreshed" {
            assert!(age >= share.as_secs().try_into()?, "after {age} s");
            break;
        }
        outcome.expect("SUCCESS", "unchanged", "ok", 0);
        assert!(age < 60, "after {age} s it is still there");
    }
    assert_ne!(world.stored_token().await?, token);
    Ok(())
}

#[tokio::test]
async fn run_uses_the_api_servers_clock_and_warns_of_a_minute_of_skew() -> Result<()> {
    let world = World::new("skew").await?;
    world.program().expect("SUCCESS", "created", "ok", 0).await?;
    let secret = json!(world.secret().await?);
    let secret = {
        let mut secret = secret;
        secret["apiVersion"] = json!("v1");
        secret["kind"] = json!("Secret");
        secret.to_string()
    };
    let hours = |hours| SignedDuration::from_hours(hours);
    for (ahead, end, note) in [
        (SignedDuration::from_secs(20), ("SUCCESS", "ok", 0), None),
        (hours(2), ("SUCCESS", "ok", 0), Some("behind the API server's")),
        (hours(-2), ("SUCCESS", "ok", 0), Some("ahead of the API server's")),
        (
            hours(23),
            ("FAILURE", "expires-before-next-run", 78),
            Some("behind the API server's"),
        ),
        (
            hours(25),
            ("FAILURE", "credential-expired", 67),
            Some("behind the API server's"),
        ),
    ] {
        let authority = Authority::new("kubernetes")?;
        std::fs::write(world.runner.file("ca.crt"), authority.pem())?;
        let body = secret.clone();
        let server = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1"])?), move |_| {
            Reply::Respond(dated(&body, ahead))
        })?;
        let verify = world
            .program()
            .env("PULL_SECRET_MODE", "verify")
            .env("PULL_SECRET_NEXT_RUN_WITHIN", "6h")
            .env("KUBERNETES_SERVICE_HOST", server.address().ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", server.address().port().to_string());
        let outcome = verify.run().await?;
        let (status, reason, exit) = end;
        outcome.expect(status, "none", reason, exit);
        let notes = outcome.report["notes"].to_string();
        match note {
            Some(note) => assert!(notes.contains(note), "{ahead}: {notes}"),
            None => assert!(!notes.contains("clock"), "{ahead}: {notes}"),
        }
    }
    Ok(())
}

/// GET of the Secret from an API server whose clock is `ahead`.
fn dated(body: &str, ahead: SignedDuration) -> Response<hyper::body::Bytes> {
    let mut response = Response::new(body.to_owned().into());
    let time = Timestamp::try_from(SystemTime::now())
        .ok()
        .and_then(|now| now.checked_add(ahead).ok());
    let date = time.map(|time| rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time));
    let date = date
        .and_then(|date| date.ok())
        .and_then(|date| HeaderValue::try_from(date).ok());
    response
        .headers_mut()
        .extend(date.map(|date| (header::DATE, date)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
