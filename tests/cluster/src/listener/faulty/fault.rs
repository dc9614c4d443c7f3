//! Faults of a call, and their names.

use std::fmt;

/// Fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No request gets through.
    Connection(ConnectionFault),
    /// The request arrives, and the server never sees it.
    Request(RequestFault),
    /// The server has done its work, and its answer is cut off.
    Cut(Cut),
    /// The server has done its work, and its response has another fault.
    Response(ResponseFault),
    /// The server never sees the request; something else answers in its place.
    Instead(Invented),
}

/// Fault before there is a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionFault {
    /// No process listens.
    Refused,
    /// Reset after accept.
    ResetOnAccept,
    /// Closed after accept.
    CloseOnAccept,
    /// Nothing comes after the client's first TLS message.
    HangInHandshake,
    /// Closed after the client's first TLS message.
    CloseAfterHello,
    /// Half of the server's first TLS messages, then a close.
    CloseInHandshake,
    /// A TLS alert in place of the handshake: the server cannot, now.
    Alert,
    /// Reset after the handshake.
    ResetAfterHandshake,
    /// Closed after the handshake, as TLS has it.
    CloseAfterHandshake,
    /// The certificate is of an untrusted CA.
    UnknownAuthority,
    /// The certificate is for another name.
    OtherName,
    /// The certificate is past its end.
    Expired,
    /// HTTP without TLS.
    PlainHttp,
}

/// Fault of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestFault {
    /// Reset after its head.
    ResetAfterHead,
    /// Reset after all of it.
    Reset,
    /// Closed after all of it.
    Close,
    /// No answer ever comes.
    Hang,
}

/// Place at which a response ends early, and the kind of end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// The last byte that is sent is the one before.
    pub place: Place,
    /// Before the response.
    pub ending: Ending,
}

/// A place in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Before its first byte.
    Start,
    /// After its first byte.
    FirstByte,
    /// In the status line, before the code.
    StatusLine,
    /// After the status line.
    Headers,
    /// In the middle of the head.
    Header,
    /// Before the head's last line end.
    EmptyLine,
    /// Between head and body.
    Body,
    /// After the body's first byte.
    BodyFirst,
    /// In the middle of the body.
    BodyMiddle,
    /// Before the last byte.
    LastByte,
    /// After so many thousandths of it.
    Thousandths(u16),
}

/// End of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// As TLS has it.
    Close,
    /// Without TLS's own end: what a truncation attack looks like.
    Abort,
    /// RST.
    Reset,
    /// No end: no more data comes.
    Hang,
}

/// Fault of a whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseFault {
    /// Slowly, but soon enough.
    Slow,
    /// So slow that it never arrives.
    TooSlow,
    /// Every member of the JSON object twice, first as nothing.
    DuplicateMembers,
}

/// Response in place of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invented {
    /// This status, in the form of such a server.
    Status(u16),
    /// This status, and how many seconds to wait (`Retry-After`).
    RetryAfter(u16, u32),
    /// This status with a line of text, in the form of a load balancer.
    Text(u16),
    /// This status, without a body.
    Bare(u16),
    /// 403 by a webhook or policy, not by RBAC.
    Admission,
    /// 404 because the namespace is not there.
    NoNamespace,
    /// 404 because the account is not there.
    NoServiceAccount,
    /// 422 because another object has this name by now.
    OtherUid,
    /// 422 because the Secret is immutable.
    Immutable,
    /// 404: the registry has no such repository.
    NoRepository,
    /// 307 to another host.
    Redirect,
    /// 200 and a web page.
    Html,
    /// 200 and an object of another kind.
    OtherObject,
    /// 200 and no body.
    Empty,
    /// 200 and 2 MB of something.
    TwoMegabytes,
    /// 200 with an endless body.
    Endless,
    /// Something that isn't HTTP.
    Garbage,
    /// An earlier response to the same GET.
    Stale,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(fault) => fault.fmt(formatter),
            Self::Request(fault) => fault.fmt(formatter),
            Self::Cut(cut) => cut.fmt(formatter),
            Self::Response(fault) => fault.fmt(formatter),
            Self::Instead(invented) => invented.fmt(formatter),
        }
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "refused",
            Self::ResetOnAccept => "reset-on-accept",
            Self::CloseOnAccept => "close-on-accept",
            Self::HangInHandshake => "hang-in-handshake",
            Self::CloseAfterHello => "close-after-hello",
            Self::CloseInHandshake => "close-in-handshake",
            Self::Alert => "tls-alert",
            Self::ResetAfterHandshake => "reset-after-handshake",
            Self::CloseAfterHandshake => "close-after-handshake",
            Self::UnknownAuthority => "certificate-of-unknown-authority",
            Self::OtherName => "certificate-for-another-name",
            Self::Expired => "certificate-expired",
            Self::PlainHttp => "plain-http",
        })
    }
}

impl fmt::Display for RequestFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ResetAfterHead => "reset-after-request-head",
            Self::Reset => "reset-before-answer",
            Self::Close => "close-before-answer",
            Self::Hang => "hang-before-answer",
        })
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match self.ending {
            Ending::Close => "close",
            Ending::Abort => "abort",
            Ending::Reset => "reset",
            Ending::Hang => "hang",
        };
        let place = match self.place {
            Place::Start => "answer-lost",
            Place::FirstByte => "after-first-byte",
            Place::StatusLine => "in-status-line",
            Place::Headers => "after-status-line",
            Place::Header => "in-head",
            Place::EmptyLine => "before-end-of-head",
            Place::Body => "before-body",
            Place::BodyFirst => "after-first-byte-of-body",
            Place::BodyMiddle => "in-body",
            Place::LastByte => "before-last-byte",
            Place::Thousandths(thousandths) => {
                return write!(formatter, "{ending}-at-{thousandths}-thousandths");
            }
        };
        write!(formatter, "{ending}-{place}")
    }
}

impl fmt::Display for ResponseFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Slow => "slow",
            Self::TooSlow => "too-slow",
            Self::DuplicateMembers => "duplicate-members",
        })
    }
}

impl fmt::Display for Invented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Status(status) => return write!(formatter, "{status}"),
            Self::RetryAfter(status, seconds) => return write!(formatter, "{status}-retry-after-{seconds}"),
            Self::Text(status) => return write!(formatter, "{status}-text"),
            Self::Bare(status) => return write!(formatter, "{status}-bare"),
            Self::Admission => "403-by-admission",
            Self::NoNamespace => "404-no-namespace",
            Self::NoServiceAccount => "404-no-service-account",
            Self::OtherUid => "422-other-uid",
            Self::Immutable => "422-immutable",
            Self::NoRepository => "404-no-repository",
            Self::Redirect => "307",
            Self::Html => "200-html",
            Self::OtherObject => "200-other-object",
            Self::Empty => "200-empty",
            Self::TwoMegabytes => "200-two-megabytes",
            Self::Endless => "200-endless",
            Self::Garbage => "not-http",
            Self::Stale => "stale",
        };
        formatter.write_str(name)
    }
}
