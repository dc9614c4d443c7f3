//! The announcement of what a first run builds.

use std::path::Path;

use crate::{machine::cache, part::Part, verdict::Verdict};

/// Builds before the command's work, with their usual time on two cores; empty where an earlier run built everything.
pub fn cold_start(verdict: &Verdict, has_xtask: bool) -> Vec<String> {
    let servers = cache().map(|cache| cache.join("servers"));
    lines(verdict, has_xtask, servers.as_deref().is_some_and(has_servers))
}

fn lines(verdict: &Verdict, has_xtask: bool, has_servers: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !has_xtask {
        lines.push("first run: building cargo xtask itself, about 2 minutes".to_owned());
    }
    let needs_servers = [Part::Servers, Part::Api, Part::Node]
        .into_iter()
        .any(|part| verdict.runs(part));
    if needs_servers && !has_servers {
        lines.push(
            "first run: then the program, about 2 minutes, and the API server, etcd and the registry from source, 10 to 15 \
             minutes; later runs start at once"
                .to_owned(),
        );
    }
    lines
}

/// Whether any version of the servers was built: each has a directory of its own.
fn has_servers(directory: &Path) -> bool {
    let Ok(versions) = directory.read_dir() else {
        return false;
    };
    versions
        .flatten()
        .any(|version| version.path().join("kube-apiserver").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_run_announces_what_it_builds() {
        let demo = Verdict {
            runnable: vec![Part::Servers],
            ..Verdict::default()
        };
        assert_eq!(lines(&demo, false, false).len(), 2);
        assert_eq!(lines(&demo, true, true), Vec::<String>::new());
        let unit = Verdict {
            runnable: vec![Part::Unit],
            ..Verdict::default()
        };
        assert_eq!(lines(&unit, true, false), Vec::<String>::new());
    }
}
