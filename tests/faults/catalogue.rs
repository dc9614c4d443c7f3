//! Faults of a call: all that make sense for it.

use test_cluster::listener::faulty::{
    ConnectionFault, Cut, Ending, Fault, Invented, Place, RequestFault, ResponseFault, Side,
};

use crate::case::{Kind, Step};

/// Faults after which the program tries again: the first halves of pairs.
pub const FIRST_OF_PAIRS: &[Fault] = &[
    Fault::Request(RequestFault::Reset),
    Fault::Cut(Cut {
        place: Place::Start,
        ending: Ending::Close,
    }),
    Fault::Instead(Invented::Status(503)),
    Fault::Connection(ConnectionFault::ResetAfterHandshake),
    Fault::Instead(Invented::Status(429)),
    Fault::Cut(Cut {
        place: Place::EmptyLine,
        ending: Ending::Reset,
    }),
    Fault::Instead(Invented::Status(500)),
];

const CONNECTION: &[ConnectionFault] = &[
    ConnectionFault::Refused,
    ConnectionFault::ResetOnAccept,
    ConnectionFault::CloseOnAccept,
    ConnectionFault::HangInHandshake,
    ConnectionFault::CloseAfterHello,
    ConnectionFault::CloseInHandshake,
    ConnectionFault::Alert,
    ConnectionFault::ResetAfterHandshake,
    ConnectionFault::CloseAfterHandshake,
    ConnectionFault::UnknownAuthority,
    ConnectionFault::OtherName,
    ConnectionFault::Expired,
    ConnectionFault::PlainHttp,
];

const PLACES: &[Place] = &[
    Place::Start,
    Place::FirstByte,
    Place::StatusLine,
    Place::Headers,
    Place::Header,
    Place::EmptyLine,
    Place::Body,
    Place::BodyFirst,
    Place::BodyMiddle,
    Place::LastByte,
];

const STATUSES: &[u16] = &[
    400, 401, 403, 404, 409, 410, 415, 422, 429, 500, 501, 502, 503, 504,
];

/// Far beyond every deadline.
pub const HUGE: u32 = 4_000_000_000;

/// All faults of this call. The seed selects one place in the response.
pub fn faults(step: &Step, seed: u64) -> Vec<Fault> {
    let mut faults: Vec<Fault> = CONNECTION.iter().copied().map(Fault::Connection).collect();
    if step.has_body {
        faults.push(Fault::Request(RequestFault::ResetAfterHead));
    }
    for fault in [RequestFault::Reset, RequestFault::Close, RequestFault::Hang] {
        faults.push(Fault::Request(fault));
    }
    faults.extend(cuts(step, seed));
    faults.extend([ResponseFault::Slow, ResponseFault::TooSlow].map(Fault::Response));
    if step.side == Side::ApiServer {
        faults.push(Fault::Response(ResponseFault::DuplicateMembers));
    }
    faults.extend(
        STATUSES
            .iter()
            .map(|status| Fault::Instead(Invented::Status(*status))),
    );
    faults.extend(inventions(step).into_iter().map(Fault::Instead));
    faults
}

fn cuts(step: &Step, seed: u64) -> impl Iterator<Item = Fault> + use<> {
    let in_body = |place: Place| {
        matches!(
            place,
            Place::Body | Place::BodyFirst | Place::BodyMiddle | Place::LastByte
        )
    };
    let drawn = u16::try_from((seed.wrapping_mul(6_364_136_223_846_793_005) >> 33) % 999 + 1).unwrap_or(1);
    let has_body = step.answer_has_body;
    PLACES
        .iter()
        .copied()
        .chain([Place::Thousandths(drawn)])
        .filter(move |place| has_body || !in_body(*place))
        .flat_map(|place| {
            let endings: &[Ending] = match place {
                Place::Start | Place::BodyMiddle | Place::Header => {
                    &[Ending::Close, Ending::Abort, Ending::Reset, Ending::Hang]
                }
                Place::LastByte => &[Ending::Close, Ending::Hang],
                Place::StatusLine | Place::Body => &[Ending::Abort],
                Place::FirstByte | Place::EmptyLine => &[Ending::Reset],
                Place::Headers | Place::BodyFirst | Place::Thousandths(_) => &[Ending::Close],
            };
            endings.iter().map(move |ending| {
                Fault::Cut(Cut {
                    place,
                    ending: *ending,
                })
            })
        })
}

fn inventions(step: &Step) -> Vec<Invented> {
    let mut inventions = vec![
        Invented::RetryAfter(429, 1),
        Invented::RetryAfter(429, HUGE),
        Invented::RetryAfter(503, HUGE),
        Invented::Text(404),
        Invented::Text(503),
        Invented::Bare(400),
        Invented::Redirect,
        Invented::Html,
        Invented::OtherObject,
        Invented::Empty,
        Invented::TwoMegabytes,
        Invented::Endless,
        Invented::Garbage,
    ];
    inventions.extend(match step.kind {
        Kind::Read | Kind::ReadAgain => vec![Invented::Stale, Invented::NoNamespace],
        Kind::Placeholder => vec![Invented::Admission, Invented::NoNamespace],
        Kind::TokenRequest => vec![Invented::Admission, Invented::NoServiceAccount],
        Kind::Apply => vec![Invented::Admission, Invented::OtherUid, Invented::Immutable],
        Kind::Review | Kind::AccessReview | Kind::RulesReview => vec![Invented::Admission],
        Kind::Ping => vec![],
        Kind::Manifest => vec![Invented::NoRepository],
    });
    inventions
}

/// True if a repeated fault can end otherwise than a single one: not if a single one takes all the time, or is never
/// retried.
pub fn may_differ_when_lasting(fault: Fault) -> bool {
    if hangs(fault) {
        return false;
    }
    match fault {
        Fault::Connection(fault) => !matches!(
            fault,
            ConnectionFault::UnknownAuthority
                | ConnectionFault::OtherName
                | ConnectionFault::Expired
                | ConnectionFault::PlainHttp
                | ConnectionFault::Alert
        ),
        Fault::Request(RequestFault::Reset | RequestFault::ResetAfterHead) => true,
        Fault::Request(_) => false,
        Fault::Cut(cut) => matches!(
            (cut.place, cut.ending),
            (Place::Start | Place::BodyMiddle, Ending::Close | Ending::Reset)
        ),
        Fault::Response(_) => false,
        Fault::Instead(_) => true,
    }
}

/// True if one fault takes all the time of its call.
pub fn hangs(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Connection(ConnectionFault::HangInHandshake)
            | Fault::Request(RequestFault::Hang)
            | Fault::Response(ResponseFault::TooSlow)
            | Fault::Cut(Cut {
                ending: Ending::Hang,
                ..
            })
    )
}
