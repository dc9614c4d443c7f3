//! What other processes of the same user, and a dump, see of this one: nothing, since credentials are in its memory.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dump, no debugger, and `/proc` of this process for root alone. Where the kernel has no such call the run goes
/// on: it protects against neighbours in the pod, who can do worse.
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
    fn a_sealed_process_is_not_dumped_and_not_debugged() {
        disable_core_dumps_and_ptrace();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
