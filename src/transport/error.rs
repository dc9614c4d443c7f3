//! How an exchange failed below HTTP, told apart by what can be done about it.

use std::{error::Error, io};

use http_body_util::LengthLimitError;
use rustls::{AlertDescription, CertificateError, OtherError};

use super::{
    certificate::CertificateFailure,
    tunnel::{ProxyCause, ProxyFailure},
};

/// How an exchange failed below HTTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No address for the name.
    #[error("its name can't be resolved")]
    Lookup,
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// The connection was closed, reset or cut short.
    #[error("connection reset")]
    Reset,
    /// This machine has no route to the address, or a router rejects it.
    #[error("no route to its address")]
    NoRoute,
    /// No connection, for another cause.
    #[error("no connection")]
    NoConnection,
    /// No whole answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The proxy didn't connect, or something else failed through it.
    #[error("{0}")]
    Proxy(ProxyFailure),
    /// The certificate is not one that is trusted for this host.
    #[error("{0}")]
    Certificate(CertificateFailure),
    /// No version, cipher suite or key type in common.
    #[error("TLS handshake failed (no common version, cipher suite or key type)")]
    Handshake,
    /// The server wants a certificate of the client.
    #[error("TLS handshake failed (it requires a client certificate)")]
    ClientCertificate,
    /// TLS that broke for another cause.
    #[error("TLS failed")]
    Tls,
    /// What answered does not speak TLS.
    #[error("it does not speak TLS")]
    NotTls,
    /// What answered does not speak HTTP.
    #[error("it does not speak HTTP")]
    NotHttp,
    /// The answer is longer than any right one.
    #[error("its answer is too long")]
    TooLong,
}

impl Failure {
    /// Whether the request may have been sent: the server may have done what it asks.
    pub const fn is_after_sending(&self) -> bool {
        match self {
            // A router may reject a connection that is in use, too.
            Self::Reset
            | Self::NoRoute
            | Self::NoConnection
            | Self::TimedOut
            | Self::Tls
            | Self::NotHttp
            | Self::TooLong => true,
            Self::Lookup
            | Self::Refused
            | Self::Proxy(_)
            | Self::Certificate(_)
            | Self::Handshake
            | Self::ClientCertificate
            | Self::NotTls => false,
        }
    }

    /// Whether the same request may fare better a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Lookup
            | Self::Refused
            | Self::Reset
            | Self::NoRoute
            | Self::NoConnection
            | Self::TimedOut => true,
            Self::Proxy(failure) => failure.cause.is_transient(),
            Self::Certificate(_)
            | Self::Handshake
            | Self::ClientCertificate
            | Self::Tls
            | Self::NotTls
            | Self::NotHttp
            | Self::TooLong => false,
        }
    }

    /// The failure without the proxy that the connection went through, and that proxy.
    pub fn parts(&self) -> (&Self, Option<&str>) {
        match self {
            Self::Proxy(ProxyFailure {
                proxy,
                cause: ProxyCause::Through(failure),
            }) => (failure, Some(proxy)),
            other => (other, None),
        }
    }

    /// The cause in words, with the names of the server's certificate, unless they show a secret.
    pub fn text(&self, shows_secret: impl Fn(&str) -> bool) -> String {
        match self {
            Self::Certificate(failure) => failure.text(shows_secret),
            other => other.to_string(),
        }
    }

    /// Reads the chain of causes; the texts in it are never shown, since they may quote the peer.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(known) = Self::known(cause) {
                return known;
            }
            // An io::Error's own source() skips the error it wraps: that is where rustls' is.
            next = cause
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
                .map(|inner| -> &(dyn Error + 'static) { inner })
                .or_else(|| cause.source());
        }
        Self::NoConnection
    }

    fn known(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(failure) = cause.downcast_ref::<Self>() {
            return Some(failure.clone());
        }
        if cause.is::<LengthLimitError>() {
            return Some(Self::TooLong);
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(Self::of_tls(error));
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return Self::of_io(error);
        }
        let error = cause.downcast_ref::<hyper::Error>()?;
        if error.is_incomplete_message() {
            return Some(Self::Reset);
        }
        // A connection that closes between two messages, or within one, is no sign of another protocol.
        error.is_parse().then_some(Self::NotHttp)
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Some(Self::Reset),
            io::ErrorKind::TimedOut => Some(Self::TimedOut),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some(Self::NoRoute),
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
                let failure = other.downcast_ref::<CertificateFailure>();
                Self::Certificate(failure.cloned().unwrap_or(CertificateFailure::Invalid))
            }
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                Self::Certificate(CertificateFailure::Invalid)
            }
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
            ) => Self::ClientCertificate,
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity,
            ) => Self::Handshake,
            _ => Self::Tls,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn in_io(error: rustls::Error) -> Failure {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        Failure::of(&io::Error::other(error))
    }

    #[test]
    fn a_certificate_error_is_found_inside_io_errors() {
        let own = CertificateFailure::UnknownCa;
        let other = CertificateError::Other(OtherError(Arc::new(own.clone())));
        assert_eq!(
            in_io(rustls::Error::InvalidCertificate(other)),
            Failure::Certificate(own)
        );
        assert_eq!(
            in_io(rustls::Error::InvalidCertificate(CertificateError::BadSignature)),
            Failure::Certificate(CertificateFailure::Invalid)
        );
    }

    #[test]
    fn handshakes_that_fail_are_told_apart() {
        let alert = |alert| in_io(rustls::Error::AlertReceived(alert));
        assert_eq!(alert(AlertDescription::HandshakeFailure), Failure::Handshake);
        assert_eq!(alert(AlertDescription::ProtocolVersion), Failure::Handshake);
        assert_eq!(
            alert(AlertDescription::CertificateRequired),
            Failure::ClientCertificate
        );
        assert_eq!(alert(AlertDescription::InternalError), Failure::Tls);
        let message = rustls::InvalidMessage::InvalidContentType;
        assert_eq!(in_io(rustls::Error::InvalidMessage(message)), Failure::NotTls);
    }

    #[test]
    fn connections_that_fail_are_told_apart_and_may_be_tried_again() {
        for (kind, failure) in [
            (io::ErrorKind::ConnectionRefused, Failure::Refused),
            (io::ErrorKind::ConnectionReset, Failure::Reset),
            (io::ErrorKind::UnexpectedEof, Failure::Reset),
            (io::ErrorKind::TimedOut, Failure::TimedOut),
            (io::ErrorKind::HostUnreachable, Failure::NoRoute),
            (io::ErrorKind::NetworkUnreachable, Failure::NoRoute),
            (io::ErrorKind::PermissionDenied, Failure::NoConnection),
        ] {
            let found = Failure::of(&io::Error::from(kind));
            assert_eq!(found, failure, "{kind}");
            assert!(found.is_transient(), "{kind}");
        }
        assert_eq!(Failure::of(&io::Error::other(Failure::Lookup)), Failure::Lookup);
    }
}
