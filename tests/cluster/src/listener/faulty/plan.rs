//! The calls that get a fault, and the fault of each.

use super::fault::{ConnectionFault, Fault};

/// Faults by call; calls are counted from 1.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    call: usize,
    lasting: bool,
    fault: Fault,
}

impl Plan {
    /// Nothing happens.
    pub fn none() -> Self {
        Self::default()
    }

    /// As before, and the `call`th fails like this.
    #[must_use]
    pub fn once(self, call: usize, fault: Fault) -> Self {
        self.and(call, fault, false)
    }

    /// As before, and the `call`th and all that follow fail like this.
    #[must_use]
    pub fn lasting(self, call: usize, fault: Fault) -> Self {
        self.and(call, fault, true)
    }

    fn and(mut self, call: usize, fault: Fault, lasting: bool) -> Self {
        self.steps.push(Step { call, lasting, fault });
        self
    }

    /// Fault of the `call`th; the last of several plans counts.
    pub fn at(&self, call: usize) -> Option<Fault> {
        let mut steps = self.steps.iter().rev();
        steps
            .find(|step| step.call == call || (step.lasting && step.call < call))
            .map(|step| step.fault)
    }

    pub(super) fn refuses(&self, call: usize) -> bool {
        self.at(call) == Some(Fault::Connection(ConnectionFault::Refused))
    }

    pub(super) fn breaks_connection(&self, call: usize) -> bool {
        matches!(self.at(call), Some(Fault::Connection(_)))
    }
}
