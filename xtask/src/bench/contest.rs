//! The contest: the contenders take turns on the same servers, round after round.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use test_cluster::{access::ClusterAccess, audit::AuditedRequest, control_plane::Cluster};

use super::{
    contender::Contender,
    relay::{Relay, Traffic},
    samples::Samples,
    state::State,
    world::Ways,
};

/// How often in each round the program and its requests alone take turns: they are fast, and their times are close.
pub const TURNS: u32 = 4;
/// How often the memory is measured; the most counts.
const MEMORY_RUNS: usize = 5;

/// What is needed to run.
pub struct Tools {
    /// The program as it is shipped.
    pub program: PathBuf,
    /// Sends a recording again.
    pub replay: PathBuf,
    /// Tells a child's memory.
    pub peak_memory: PathBuf,
    /// Kubernetes' client.
    pub kubectl: PathBuf,
}

/// What one contender came to in one state.
pub struct Score {
    /// How long it took.
    pub time: Samples,
    /// What it asked the API server, in words.
    pub calls: Vec<String>,
    /// To and from all servers.
    pub traffic: Traffic,
    /// The most resident memory of one of its processes, in bytes.
    pub memory: u64,
}

/// All of them in one state.
pub struct Scores {
    /// The state.
    pub state: State,
    /// The program.
    pub program: Score,
    /// The same requests and nothing else.
    pub limit: Score,
    /// The script with kubectl.
    pub shell: Score,
    /// A single `kubectl get secret`; in the steady state only.
    pub single_get: Option<Samples>,
}

/// Runs all contenders in all states.
///
/// # Errors
/// Where one of them fails.
pub async fn run(cluster: &Cluster, tools: &Tools, rounds: u32) -> Result<Vec<Scores>> {
    let access = cluster.access();
    let mut contenders = [
        Contender::program(access, &tools.program).await?,
        Contender::replay(access, &tools.replay).await?,
        Contender::shell(access, &tools.kubectl).await?,
    ];
    let mut all = Vec::new();
    for state in State::ALL {
        eprintln!("xtask: {}: {rounds} rounds", state.name());
        for contender in &mut contenders {
            contender.enter(cluster, &tools.program, state).await?;
        }
        let (times, single_get) = race(access, &mut contenders, state, rounds).await?;
        let [program, limit, shell] = &mut contenders;
        let [program_time, limit_time, shell_time] = times;
        all.push(Scores {
            state,
            program: score(access, tools, program, state, program_time).await?,
            limit: score(access, tools, limit, state, limit_time).await?,
            shell: score(access, tools, shell, state, shell_time).await?,
            single_get,
        });
    }
    Ok(all)
}

/// The times, taken in turns. The round before the first one warms everybody's caches up and doesn't count.
async fn race(
    access: &ClusterAccess,
    contenders: &mut [Contender; 3],
    state: State,
    rounds: u32,
) -> Result<([Samples; 3], Option<Samples>)> {
    let ways = Ways::direct(access)?;
    let mut times = <[Samples; 3]>::default();
    let mut gets = Samples::default();
    let [program, limit, shell] = contenders;
    for round in 0..=rounds {
        let [program_times, limit_times, shell_times] = &mut times;
        for turn in 0..TURNS {
            let mut pair = [
                (&mut *program, &mut *program_times),
                (&mut *limit, &mut *limit_times),
            ];
            // What runs first has to do with what the one before it has left the servers with.
            if turn % 2 == 1 {
                pair.reverse();
            }
            for (contender, samples) in pair {
                samples.add_if(round > 0, take(contender, ways, state).await?);
            }
        }
        shell_times.add_if(round > 0, take(shell, ways, state).await?);
        if state == State::Steady {
            let job = shell.single_get(ways)?;
            gets.add_if(round > 0, tokio::task::block_in_place(|| job.time())?);
        }
    }
    Ok((times, (state == State::Steady).then_some(gets)))
}

/// One run, from a Secret put back to a result that is right.
async fn take(contender: &mut Contender, ways: Ways, state: State) -> Result<Duration> {
    contender.prepare(state).await?;
    let job = contender.job(ways)?;
    let time = tokio::task::block_in_place(|| job.time())?;
    contender.check(state)?;
    Ok(time)
}

/// Everything but the time, each in runs of its own.
async fn score(
    access: &ClusterAccess,
    tools: &Tools,
    contender: &mut Contender,
    state: State,
    time: Samples,
) -> Result<Score> {
    let direct = Ways::direct(access)?;
    let relays = [Relay::start(direct.api_server)?, Relay::start(direct.registry)?];
    let [api_server, registry] = relays.each_ref().map(Relay::address);
    contender.prepare(state).await?;
    let before = access.audit().mark().await?;
    let job = contender.job(Ways { api_server, registry })?;
    tokio::task::block_in_place(|| job.time())?;
    contender.check(state)?;
    let calls = access
        .audit()
        .requests(contender.user_agent(), contender.namespace(), before)
        .await?;
    let mut traffic = Traffic::default();
    for relay in &relays {
        traffic = traffic.plus(relay.traffic().await?);
    }
    let mut memory = 0;
    for _ in 0..MEMORY_RUNS {
        contender.prepare(state).await?;
        let job = contender.job(direct)?;
        memory = memory.max(tokio::task::block_in_place(|| {
            job.peak_memory(&tools.peak_memory)
        })?);
        contender.check(state)?;
    }
    Ok(Score {
        time,
        calls: calls.iter().map(in_words).collect(),
        traffic,
        memory,
    })
}

fn in_words(request: &AuditedRequest) -> String {
    let AuditedRequest {
        verb,
        resource,
        subresource,
        uri,
        ..
    } = request;
    match (resource.as_str(), subresource.as_str()) {
        ("", _) => format!("{verb} {uri}"),
        (resource, "") => format!("{verb} {resource}"),
        (resource, subresource) => format!("{verb} {resource}/{subresource}"),
    }
}
