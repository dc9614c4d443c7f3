//! Hardening: disables core dumps and ptrace, since credentials are in memory.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Disables core dumps, debuggers and, except for root, access to `/proc/<pid>`.
///
/// Errors are ignored: this protects only against other processes in the pod, and a run is possible without it.
pub fn disable_core_dumps_and_ptrace() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn hardened_process_has_no_core_dump_and_no_debugger() {
        disable_core_dumps_and_ptrace();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
