//! Cases: made from what the situations' calls are, never picked by hand.

use std::fmt;

use http::Method;
use test_cluster::listener::faulty::{Call, Fault, Plan, Side};

use crate::{
    catalogue::{self, FIRST_OF_PAIRS},
    situation::Setting,
};

/// Purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Reads the Secret.
    Read,
    /// Makes the placeholder.
    Placeholder,
    /// Token request.
    TokenRequest,
    /// Writes the credential.
    Apply,
    /// Reads the Secret after the write.
    ReadAgain,
    /// Review of the credential at the API server.
    Review,
    /// Review of the credential's pull permission at the API server.
    AccessReview,
    /// Review of the credential's other permissions at the API server.
    RulesReview,
    /// `GET /v2/` of the registry.
    Ping,
    /// HEAD of the image's manifest.
    Manifest,
}

/// Call of a run without faults.
#[derive(Clone, Debug)]
pub struct Step {
    /// Server of the call.
    pub side: Side,
    /// Number of the call at that server, from 1.
    pub number: usize,
    /// Purpose.
    pub kind: Kind,
    /// True if the request has a body.
    pub has_body: bool,
    /// True if the response has a body that is sent.
    pub answer_has_body: bool,
}

/// Repetition of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Course {
    /// At this call.
    Once,
    /// At this call and all that follow on its side.
    Lasting,
    /// At this call, and at the next one on its side this one.
    Then(Second),
}

/// The second fault of a pair; ordered by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Second(pub Fault);

/// Run with faults.
#[derive(Clone, Debug)]
pub struct Case {
    /// State before the run.
    pub setting: Setting,
    /// The call that fails first.
    pub step: Step,
    /// First fault.
    pub fault: Fault,
    /// Repetition.
    pub course: Course,
}

impl Kind {
    /// Purposes of the calls at one server.
    ///
    /// # Panics
    /// If the program doesn't make such a call.
    pub fn of(calls: &[Call]) -> Vec<Self> {
        let mut was_read = false;
        let kind = |call: &Call| {
            let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
            let is_placeholder = query.contains("fieldManager=ensure-pull-secret-placeholder");
            match (&call.method, path) {
                (Some(Method::GET), path) if path.contains("/secrets/") => {
                    if std::mem::replace(&mut was_read, true) {
                        Self::ReadAgain
                    } else {
                        Self::Read
                    }
                }
                (Some(Method::PATCH), path) if path.contains("/secrets/") && is_placeholder => {
                    Self::Placeholder
                }
                (Some(Method::PATCH), path) if path.contains("/secrets/") => Self::Apply,
                (Some(Method::POST), path) if path.ends_with("/token") => Self::TokenRequest,
                (Some(Method::POST), path) if path.ends_with("/selfsubjectreviews") => Self::Review,
                (Some(Method::POST), path) if path.ends_with("/selfsubjectaccessreviews") => {
                    Self::AccessReview
                }
                (Some(Method::POST), path) if path.ends_with("/selfsubjectrulesreviews") => Self::RulesReview,
                (Some(Method::GET), "/v2/") => Self::Ping,
                (Some(Method::HEAD), path) if path.contains("/manifests/") => Self::Manifest,
                other => panic!("the program made a call that the matrix doesn't know: {other:?}"),
            }
        };
        calls.iter().map(kind).collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read => "read",
            Self::Placeholder => "placeholder",
            Self::TokenRequest => "token-request",
            Self::Apply => "apply",
            Self::ReadAgain => "read-again",
            Self::Review => "review",
            Self::AccessReview => "access-review",
            Self::RulesReview => "rules-review",
            Self::Ping => "ping",
            Self::Manifest => "manifest",
        })
    }
}

impl PartialOrd for Second {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Second {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_string().cmp(&other.0.to_string())
    }
}

impl Step {
    /// True if the call belongs to this setting: with an untrusted registry only the reviews do, since the other calls
    /// are those of the setting with a trusted one.
    pub fn belongs_to(&self, setting: Setting) -> bool {
        setting.reviewed == matches!(self.kind, Kind::Review | Kind::AccessReview)
    }
}

impl Case {
    /// Name, by which the case can be repeated: `situation/call/fault`.
    pub fn name(&self) -> String {
        let Self {
            setting, step, fault, ..
        } = self;
        let course = match self.course {
            Course::Once => "once".to_owned(),
            Course::Lasting => "from-then-on".to_owned(),
            Course::Then(Second(second)) => format!("then-{second}"),
        };
        format!("{setting}/{}/{fault}/{course}", step.kind)
    }

    /// Planned faults of the server that the call goes to.
    pub fn plan(&self) -> Plan {
        let number = self.step.number;
        match self.course {
            Course::Once => Plan::none().once(number, self.fault),
            Course::Lasting => Plan::none().lasting(number, self.fault),
            Course::Then(Second(second)) => Plan::none().once(number, self.fault).once(number + 1, second),
        }
    }

    /// True if the second fault of a pair meets a write that is done, but whose response was lost.
    pub fn writes_again(&self) -> bool {
        let is_pair = matches!(self.course, Course::Then(_));
        is_pair && self.step.kind == Kind::Apply && matches!(self.fault, Fault::Cut(_))
    }

    /// All cases of one call of one setting.
    pub fn all(setting: Setting, step: &Step, seed: u64) -> Vec<Self> {
        let case = |fault, course| Self {
            setting,
            step: step.clone(),
            fault,
            course,
        };
        let mut cases = Vec::new();
        for (index, fault) in catalogue::faults(step, seed).iter().enumerate() {
            cases.push(case(*fault, Course::Once));
            if catalogue::may_differ_when_lasting(*fault) {
                cases.push(case(*fault, Course::Lasting));
            }
            // One fault in three is a second fault too, and the first faults take turns; the seed decides which.
            let turn = index + usize::try_from(seed).unwrap_or(0) + step.number;
            let first = FIRST_OF_PAIRS.get(turn / 3 % FIRST_OF_PAIRS.len());
            if let Some(first) = first.filter(|_| turn.is_multiple_of(3)) {
                cases.push(case(*first, Course::Then(Second(*fault))));
            }
        }
        cases
    }
}
