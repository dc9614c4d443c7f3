//! Random sequences of writers, faults, time and runs, and a model that predicts the end of each run.

mod robot;
mod state;
mod system;

use proptest::{
    option,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
};
use proptest_state_machine::ReferenceStateMachine;

use self::state::{Robot, State};
pub use self::system::System;
use crate::{crashes::Moment, robots::Scheme};

/// Next event.
#[derive(Clone, Debug)]
pub enum Event {
    /// A run of `ensure`.
    Ensure,
    /// A run of `verify`.
    Verify,
    /// A run of `plan`.
    Plan,
    /// A run of `ensure` that a fault befalls, then one in peace.
    Fault(Drawn),
    /// A run of `ensure` that is killed, then one in peace.
    Killed(usize, Moment),
    /// Another tool labels the Secret.
    Labels(u32),
    /// Another tool writes an entry of its own.
    Entry(u32),
    /// Another manager removes the dashboard's label.
    TakesLabel,
    /// Another manager removes the managed entry.
    TakesEntry,
    /// Another manager writes the entries without `auths`, as in the incident.
    Unwraps,
    /// GitOps applies an empty placeholder again.
    Blanks,
    /// The Secret is deleted.
    Deletes,
    /// The Secret is deleted and restored from a backup: the same content, another object.
    Restores,
    /// Time passes: the stored token expires too soon, or the token file has a new password.
    Ages,
    /// An administrator takes the right to pull away.
    Revokes,
    /// The pull permission is granted again.
    Grants,
    /// The token file gets a wrong password, or the right one again.
    Wrongs(bool),
    /// A third registry is down, or no longer part of the runs.
    Falls(bool),
}

/// A random fault: the server, the number of the call, and one of the faults that are possible for a call.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// True if it is a fault of the registry.
    pub at_registry: bool,
    /// The call, from 1.
    pub number: usize,
    /// Index of the fault.
    pub which: proptest::sample::Index,
}

/// The model.
pub struct Model;

impl ReferenceStateMachine for Model {
    type State = State;
    type Transition = Event;

    fn init_state() -> BoxedStrategy<State> {
        let scheme = prop_oneof![Just(Scheme::Basic), Just(Scheme::Bearer)];
        option::of(scheme)
            .prop_map(|scheme| State {
                secret: None,
                may_pull: true,
                robot: scheme.map(|scheme| Robot {
                    scheme,
                    is_wrong: false,
                    one_is_down: false,
                }),
            })
            .boxed()
    }

    fn transitions(_: &State) -> BoxedStrategy<Event> {
        let fault = (any::<bool>(), 1..=6_usize, any::<proptest::sample::Index>());
        let moment = prop_oneof![Just(Moment::Asked), Just(Moment::Done)];
        prop_oneof![
            4 => Just(Event::Ensure),
            2 => Just(Event::Verify),
            1 => Just(Event::Plan),
            3 => fault.prop_map(|(at_registry, number, which)| Event::Fault(Drawn { at_registry, number, which })),
            2 => (1..=6_usize, moment).prop_map(|(number, moment)| Event::Killed(number, moment)),
            1 => (0..9_u32).prop_map(Event::Labels),
            2 => (0..9_u32).prop_map(Event::Entry),
            1 => Just(Event::TakesLabel),
            1 => Just(Event::TakesEntry),
            1 => Just(Event::Unwraps),
            1 => Just(Event::Blanks),
            1 => Just(Event::Deletes),
            1 => Just(Event::Restores),
            2 => Just(Event::Ages),
            1 => Just(Event::Revokes),
            1 => Just(Event::Grants),
            2 => any::<bool>().prop_map(Event::Wrongs),
            2 => any::<bool>().prop_map(Event::Falls),
        ]
        .boxed()
    }

    /// Changes of a Secret need one.
    fn preconditions(state: &State, event: &Event) -> bool {
        let is_disturbed = state
            .robot
            .is_some_and(|robot| robot.is_wrong || robot.one_is_down);
        let is_wrapped = state.secret.as_ref().is_none_or(|stored| stored.wrapped);
        match event {
            Event::Ensure | Event::Verify | Event::Plan | Event::Killed(..) => true,
            // A registry that can't be asked about a wrong password gets it where nothing is stored.
            Event::Fault(_) => !is_disturbed,
            // The model does not know whether the third registry had the earlier password too.
            Event::Falls(true) if !state.is_up_to_date() => false,
            Event::Wrongs(begins) | Event::Falls(begins) => {
                state.robot.is_some() && is_wrapped && *begins != is_disturbed
            }
            Event::Unwraps if is_disturbed => false,
            Event::Revokes | Event::Grants if state.robot.is_some() => false,
            Event::Labels(_) | Event::TakesLabel | Event::Blanks | Event::Deletes | Event::Restores => {
                state.secret.is_some()
            }
            Event::Entry(_) | Event::TakesEntry | Event::Unwraps | Event::Ages => {
                state.secret.as_ref().is_some_and(|stored| stored.wrapped)
            }
            Event::Revokes => state.may_pull,
            Event::Grants => !state.may_pull,
        }
    }

    fn apply(state: State, event: &Event) -> State {
        state.after(event)
    }
}
