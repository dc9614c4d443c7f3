//! `cargo xtask`: checks what the command needs, then starts the package `xtask`.

use std::{
    env,
    io::Error,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use requirements::{Request, ThisMachine, add_targets, cold_start, in_ci, install, own_variables};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some(request) = Request::of(&arguments) {
        match prepare(&request, &arguments[0]) {
            Ok(()) if request.check => return ExitCode::SUCCESS,
            Ok(()) => {}
            Err(message) => {
                eprintln!("cargo xtask: {message}");
                return ExitCode::FAILURE;
            }
        }
    }
    let error = start(&arguments);
    eprintln!("cargo xtask: cannot start cargo: {error}");
    ExitCode::FAILURE
}

/// Checks the machine, and installs what it may.
fn prepare(request: &Request, command: &str) -> Result<(), String> {
    let ci = in_ci();
    let mut verdict = request.verdict(&ThisMachine, ci);
    if request.install {
        install(&verdict)?;
        verdict = request.verdict(&ThisMachine, ci);
    }
    let explanation = verdict.explanation(&ThisMachine);
    for line in &explanation {
        eprintln!("xtask: {line}");
    }
    if command == "test" && !request.install && verdict.command(true).is_some() {
        eprintln!("xtask: or let this command do it: cargo xtask test --install");
    }
    if request.is_refused(&verdict, ci) {
        return Err(if ci {
            "CI is set, so that no part may be left out".to_owned()
        } else {
            "nothing was built".to_owned()
        });
    }
    add_targets(&verdict.targets)?;
    for line in cold_start(&verdict, has_xtask()) {
        eprintln!("xtask: {line}");
    }
    Ok(())
}

/// Whether xtask was built before.
fn has_xtask() -> bool {
    let beside = env::current_exe().ok();
    beside
        .as_deref()
        .and_then(Path::parent)
        .is_some_and(|directory| directory.join("xtask").is_file())
}

/// Replaces this process by cargo, which is replaced by xtask: signals reach it. Returns only on failure.
fn start(arguments: &[String]) -> Error {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for variable in own_variables() {
        cargo.env_remove(variable);
    }
    cargo.arg("run");
    // The first build takes a minute or two, and shows its progress.
    if has_xtask() {
        cargo.arg("--quiet");
    }
    cargo.args(["--package", "xtask", "--"]).args(arguments).exec()
}
