//! What the contract has for a fault at a call: written from docs/contract.md and the design, not from what was seen.

use test_cluster::listener::faulty::{
    ConnectionFault, Cut, Ending as CutEnding, Fault, Invented, RequestFault, ResponseFault, Side,
};

use crate::{
    case::{Case, Course, Kind, Second},
    catalogue::{HUGE, hangs},
    endings::{Ending, Endings},
    situation::{Setting, Situation},
};

/// How a run without faults ends.
pub fn without_faults(setting: Setting) -> Ending {
    if setting.reviewed {
        Ending::new("registry-untrusted", "ERROR", 76)
    } else {
        Ending::new("ok", "SUCCESS", 0)
    }
}

/// How a run with these faults may end.
pub fn endings(case: &Case) -> Endings {
    let told = Told {
        setting: case.setting,
        kind: case.step.kind,
        lasting: case.course == Course::Lasting,
    };
    // The first fault of a pair is tried again: what the second try meets decides.
    let fault = match case.course {
        Course::Once | Course::Lasting => case.fault,
        Course::Then(Second(second)) => second,
    };
    if case.writes_again() && fault == Fault::Response(ResponseFault::DuplicateMembers) {
        // The write was done before: the fault is in a conflict, and an error needs only its status.
        return [told.well()].into();
    }
    let told = match told.kind {
        // It is said beside the work. What lasts meets the next call, where there is one.
        Kind::RulesReview if !told.lasting || case.setting.situation == Situation::Verify => {
            return [told.well()].into();
        }
        Kind::RulesReview => Told {
            kind: Kind::Apply,
            ..told
        },
        _ => told,
    };
    [match case.step.side {
        Side::ApiServer => told.by_api_server(fault),
        Side::Registry => told.by_registry(fault),
    }]
    .into()
}

/// What a call is told in place of the server's answer.
struct Told {
    setting: Setting,
    kind: Kind,
    lasting: bool,
}

impl Told {
    fn by_api_server(&self, fault: Fault) -> Ending {
        if passes(fault) {
            return self.unless_lasting(unavailable());
        }
        let is_review = matches!(self.kind, Kind::Review | Kind::AccessReview);
        let verifies = self.setting.situation == Situation::Verify;
        match (fault, self.kind) {
            (Fault::Response(ResponseFault::Slow), _) => self.well(),
            (Fault::Instead(invented), kind) => match (invented, kind) {
                // Who may not even ask who he is was authenticated all the same.
                (Invented::Status(403) | Invented::Admission, Kind::Review) => {
                    self.unless_lasting(unavailable())
                }
                // A refusal is asked about twice. Lasting, it is the API server's word, also to the pod's own token.
                (Invented::Status(401), Kind::Review) if !self.lasting => self.well(),
                (Invented::Status(401), Kind::Review) if self.setting.situation == Situation::Steady => {
                    forbidden()
                }
                (Invented::Status(401), Kind::Review) => Ending::new("credential-rejected", "FAILURE", 67),
                (Invented::Status(401 | 403) | Invented::Admission, Kind::AccessReview) => {
                    self.unless_lasting(unavailable())
                }
                (Invented::Status(401 | 403) | Invented::Admission, _) => self.unless_lasting(forbidden()),
                // The Secret is not there; where it is, the placeholder finds out.
                (Invented::Status(404), Kind::Read) if verifies => {
                    Ending::new("secret-missing", "FAILURE", 78)
                }
                (Invented::Status(404), Kind::Read | Kind::ReadAgain) => self.unless_lasting(unavailable()),
                (Invented::Status(404) | Invented::NoServiceAccount, Kind::TokenRequest) => {
                    Ending::new("service-account-missing", "ERROR", 64)
                }
                (Invented::NoNamespace, _) => Ending::new("namespace-missing", "ERROR", 64),
                // No read is in conflict with anything: it isn't tried again.
                (Invented::Status(409), Kind::Read | Kind::ReadAgain) => conflict(),
                (Invented::Status(409) | Invented::OtherUid, _) if !is_review => {
                    self.unless_lasting(conflict())
                }
                (Invented::Immutable, _) => Ending::new("immutable", "ERROR", 65),
                // What was read is old: the write is in conflict, and starts over. `verify` has nothing but what it reads.
                (Invented::Stale, _) if verifies => Ending::new("no-matching-entry", "FAILURE", 78),
                (Invented::Stale, _) => self.unless_lasting(conflict()),
                // An answer about another object is none to a write: it starts over.
                (Invented::OtherObject, Kind::Placeholder | Kind::Apply) => {
                    self.unless_lasting(unavailable())
                }
                _ => unavailable(),
            },
            _ => unavailable(),
        }
    }

    fn by_registry(&self, fault: Fault) -> Ending {
        // How OpenShift's registry says that its API server failed it.
        if passes(fault) || fault == Fault::Instead(Invented::Bare(400)) {
            return self.unless_lasting(self.unreachable());
        }
        if hangs(fault) {
            return self.unreachable();
        }
        match fault {
            Fault::Response(_) => self.well(),
            Fault::Connection(
                ConnectionFault::UnknownAuthority | ConnectionFault::OtherName | ConnectionFault::Expired,
            ) => Ending::new("registry-untrusted", "ERROR", 76),
            Fault::Instead(Invented::RetryAfter(..)) => self.unreachable(),
            // OpenShift's registry always asks: anything else is not its answer.
            Fault::Instead(_) if self.kind == Kind::Ping => protocol(),
            Fault::Instead(invented) => self.of_manifest(invented),
            Fault::Connection(_) | Fault::Request(_) | Fault::Cut(_) => protocol(),
        }
    }

    fn of_manifest(&self, invented: Invented) -> Ending {
        match invented {
            // The API server accepts the credential and permits the pull: asked again.
            Invented::Status(401) => self.unless_lasting(self.unreachable()),
            // GET decides where HEAD gives neither a manifest nor 401.
            Invented::Status(403) => self.unless_lasting(Ending::new("pull-forbidden", "FAILURE", 77)),
            // An answer to HEAD has no body that would tell: GET is asked.
            Invented::Status(400) => self.unless_lasting(protocol()),
            // The stored credential is asked, and its answer is no better: it is kept.
            Invented::Status(404) | Invented::Text(404) | Invented::NoRepository
                if self.lasting && self.setting.situation == Situation::Refresh =>
            {
                Ending::new("pull-forbidden", "FAILURE", 77)
            }
            Invented::Status(404) => self.unless_lasting(Ending::new("tag-missing", "FAILURE", 66)),
            Invented::Text(404) | Invented::NoRepository => {
                self.unless_lasting(Ending::new("repository-missing", "FAILURE", 66))
            }
            Invented::Html | Invented::Garbage => protocol(),
            _ => self.unless_lasting(protocol()),
        }
    }

    fn well(&self) -> Ending {
        without_faults(self.setting)
    }

    fn unless_lasting(&self, lasting: Ending) -> Ending {
        if self.lasting { lasting } else { self.well() }
    }

    /// `verify` has no work but the proof.
    fn unreachable(&self) -> Ending {
        match self.setting.situation {
            Situation::Verify => Ending::new("registry-unavailable", "ERROR", 75),
            _ => Ending::new("registry-unavailable", "WARNING", 0),
        }
    }
}

/// Whether it is tried again, and may be over by then.
fn passes(fault: Fault) -> bool {
    match fault {
        Fault::Connection(fault) => matches!(
            fault,
            ConnectionFault::Refused
                | ConnectionFault::ResetOnAccept
                | ConnectionFault::CloseOnAccept
                | ConnectionFault::CloseAfterHello
                | ConnectionFault::CloseInHandshake
                | ConnectionFault::ResetAfterHandshake
                | ConnectionFault::CloseAfterHandshake
        ),
        Fault::Request(fault) => fault != RequestFault::Hang,
        Fault::Cut(Cut { ending, .. }) => ending != CutEnding::Hang,
        Fault::Response(_) => false,
        Fault::Instead(invented) => match invented {
            Invented::Status(status) | Invented::Text(status) => {
                matches!(status, 429 | 500 | 502 | 503 | 504)
            }
            Invented::RetryAfter(_, seconds) => seconds != HUGE,
            _ => false,
        },
    }
}

fn unavailable() -> Ending {
    Ending::new("api-unavailable", "ERROR", 75)
}

fn forbidden() -> Ending {
    Ending::new("api-forbidden", "ERROR", 77)
}

fn conflict() -> Ending {
    Ending::new("conflict", "ERROR", 75)
}

fn protocol() -> Ending {
    Ending::new("registry-protocol", "ERROR", 76)
}
