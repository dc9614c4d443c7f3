//! The contract for each fault at each call: written from docs/development/contract.md and the design, not from observed results.

use test_cluster::listener::faulty::{
    ConnectionFault, Cut, Ending as CutEnding, Fault, Invented, RequestFault, ResponseFault, Side,
};

use crate::{
    case::{Case, Course, Kind, Second},
    catalogue::{HUGE, hangs},
    endings::{Ending, Endings},
    situation::{Setting, Situation},
};

/// End of a run without faults.
pub fn without_faults(setting: Setting) -> Ending {
    if setting.reviewed {
        Ending::new("registry-untrusted", "ERROR", 76)
    } else {
        Ending::new("ok", "SUCCESS", 0)
    }
}

/// Possible ends of a run with these faults.
pub fn endings(case: &Case) -> Endings {
    let expected = Expected {
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
        return [expected.well()].into();
    }
    let expected = match expected.kind {
        // It is only advice. A lasting fault meets the next call, if there is one.
        Kind::RulesReview if !expected.lasting || case.setting.situation == Situation::Verify => {
            return [expected.well()].into();
        }
        Kind::RulesReview => Expected {
            kind: Kind::Apply,
            ..expected
        },
        _ => expected,
    };
    let ending = match case.step.side {
        Side::ApiServer => expected.by_api_server(fault),
        Side::Registry => expected.by_registry(fault),
    };
    // A write whose answer is lost is found by a last read, if the server did it.
    let is_lost = ending == unavailable() || case.writes_again();
    if expected.kind == Kind::Apply && !expected.lasting && is_lost {
        return [ending, expected.well()].into();
    }
    [ending].into()
}

/// Possible ends if a call gets a false response.
struct Expected {
    setting: Setting,
    kind: Kind,
    lasting: bool,
}

impl Expected {
    fn by_api_server(&self, fault: Fault) -> Ending {
        if passes(fault) {
            return self.unless_lasting(unavailable());
        }
        let is_review = matches!(self.kind, Kind::Review | Kind::AccessReview);
        let verifies = self.setting.situation == Situation::Verify;
        match (fault, self.kind) {
            (Fault::Response(ResponseFault::Slow), _) => self.well(),
            // An error needs only its status: the Secret is not there.
            (Fault::Response(ResponseFault::DuplicateMembers), Kind::Read)
                if !self.lasting && self.setting.situation == Situation::FirstRun =>
            {
                self.well()
            }
            (
                Fault::Connection(
                    ConnectionFault::UnknownAuthority
                    | ConnectionFault::OtherName
                    | ConnectionFault::Expired
                    | ConnectionFault::PlainHttp,
                ),
                _,
            ) if !is_review => Ending::new("api-untrusted", "ERROR", 64),
            (Fault::Instead(invented), kind) => match (invented, kind) {
                // A denial is retried twice. A lasting one is the API server's decision, also about the pod's own
                // token.
                (Invented::Status(401), Kind::Review) if !self.lasting => self.well(),
                // The stored token is rejected, and the pod's own with the next call.
                (Invented::Status(401), Kind::Review) if self.keeps_stored() => forbidden(),
                // The Secret counts as gone, and can't be created.
                (Invented::Status(404), Kind::Review | Kind::AccessReview)
                    if self.lasting
                        && !matches!(self.setting.situation, Situation::Steady | Situation::Verify) =>
                {
                    rejected()
                }
                (Invented::Status(401), Kind::Review) => Ending::new("credential-rejected", "FAILURE", 67),
                (Invented::Status(401), Kind::AccessReview) => self.unless_lasting(unavailable()),
                // A review that is refused for good is none: a usable credential stays, and a write meets the same answer.
                (
                    Invented::Status(400 | 403 | 404 | 409 | 410 | 415 | 422 | 501)
                    | Invented::Text(404)
                    | Invented::Bare(400)
                    | Invented::Admission,
                    Kind::Review | Kind::AccessReview,
                ) => match self.setting.situation {
                    Situation::FirstRun | Situation::Repair if self.lasting => Self {
                        kind: Kind::Apply,
                        ..*self
                    }
                    .by_api_server(fault),
                    _ => self.well(),
                },
                (Invented::Status(401 | 403) | Invented::Admission, _) => self.unless_lasting(forbidden()),
                // The Secret is not there; where it is, the placeholder finds out.
                (Invented::Status(404), Kind::Read) if verifies => {
                    Ending::new("secret-missing", "FAILURE", 78)
                }
                (Invented::Status(404), Kind::Read | Kind::ReadAgain) => self.unless_lasting(rejected()),
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
                (
                    Invented::Status(400 | 404 | 410 | 415 | 422 | 501)
                    | Invented::Text(404)
                    | Invented::Bare(400),
                    _,
                ) if !is_review => rejected(),
                // The response was old: the write conflicts and starts over. `verify` has only the response.
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
        // The response of OpenShift's registry if its API server failed.
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
            // The repository decides where `/v2/` is elsewhere.
            Fault::Instead(Invented::Redirect) => self.unless_lasting(protocol()),
            // OpenShift's registry always sends a challenge: any other response is not from it.
            Fault::Instead(_) if self.kind == Kind::Ping => protocol(),
            Fault::Instead(invented) => self.of_manifest(invented),
            Fault::Connection(_) | Fault::Request(_) | Fault::Cut(_) => protocol(),
        }
    }

    fn of_manifest(&self, invented: Invented) -> Ending {
        match invented {
            // The API server accepts the credential and allows the pull: the request is retried.
            Invented::Status(401) => self.unless_lasting(self.unreachable()),
            // GET decides where HEAD gives neither a manifest nor 401.
            Invented::Status(403) => self.unless_lasting(Ending::new("pull-forbidden", "FAILURE", 77)),
            // The response to HEAD has no body that would show it: GET follows.
            Invented::Status(400) => self.unless_lasting(protocol()),
            // The stored credential is verified too, with no better result: it is kept.
            Invented::Status(404) | Invented::Text(404) | Invented::NoRepository
                if self.lasting && self.setting.situation == Situation::Refresh =>
            {
                Ending::new("pull-forbidden", "FAILURE", 77)
            }
            Invented::Status(404) => self.unless_lasting(Ending::new("tag-missing", "FAILURE", 66)),
            Invented::Text(404) | Invented::NoRepository => {
                self.unless_lasting(Ending::new("repository-missing", "FAILURE", 66))
            }
            Invented::Garbage => protocol(),
            _ => self.unless_lasting(protocol()),
        }
    }

    /// Whether the run stores the token that is stored already.
    const fn keeps_stored(&self) -> bool {
        matches!(self.setting.situation, Situation::Steady | Situation::Repair)
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

/// True if it is retried, and may be over by then.
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

fn rejected() -> Ending {
    Ending::new("api-rejected", "ERROR", 65)
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
