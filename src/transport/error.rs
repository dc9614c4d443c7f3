//! How an exchange failed below HTTP, told apart by what can be done about it.

use std::{error::Error, io};

use http_body_util::LengthLimitError;

/// How an exchange failed below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or it broke: refused, reset, cut short, unknown name.
    #[error("no connection")]
    NoConnection,
    /// No whole answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The certificate is not one that is trusted for this host.
    #[error("its certificate is not trusted")]
    Untrusted,
    /// What answered does not speak TLS, or no version and cipher that we do.
    #[error("it does not speak TLS as we do")]
    NotTls,
    /// What answered does not speak HTTP.
    #[error("it does not speak HTTP")]
    NotHttp,
    /// The answer is longer than any right one.
    #[error("its answer is too long")]
    TooLong,
}

impl Failure {
    /// Whether the same request may fare better a moment later.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::NoConnection | Self::TimedOut => true,
            Self::Untrusted | Self::NotTls | Self::NotHttp | Self::TooLong => false,
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
        if cause.is::<LengthLimitError>() {
            return Some(Self::TooLong);
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(match error {
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                    Self::Untrusted
                }
                _ => Self::NotTls,
            });
        }
        let error = cause.downcast_ref::<hyper::Error>()?;
        // A connection that closes between two messages, or within one, is no sign of another protocol.
        error.is_parse().then_some(Self::NotHttp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_error_is_found_inside_io_errors() {
        let inner = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = io::Error::new(io::ErrorKind::InvalidData, inner);
        let error = io::Error::other(error);
        assert_eq!(Failure::of(&error), Failure::Untrusted);
    }

    #[test]
    fn unknown_cause_is_a_broken_connection_and_retried() {
        let failure = Failure::of(&io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(failure, Failure::NoConnection);
        assert!(failure.is_transient());
    }
}
