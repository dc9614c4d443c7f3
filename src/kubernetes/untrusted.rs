//! An API server whose TLS is not trusted, or can't be used: that does not pass by itself.

use crate::{
    credential::KnownSecrets,
    outcome::{Finding, Reason},
    transport::{CertificateFailure, Failure},
};

/// `api-untrusted`, where `failure` is one of TLS that repeats until somebody acts.
pub fn untrusted(object: &str, failure: &Failure, secrets: &KnownSecrets) -> Option<Finding> {
    let remedy = match failure {
        Failure::Certificate(failure) => remedy(failure),
        Failure::Handshake | Failure::NotTls => {
            Some("Check KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.")
        }
        Failure::ClientCertificate => Some("Connect without a proxy that requires client certificates."),
        Failure::Lookup
        | Failure::Refused
        | Failure::Reset
        | Failure::NoRoute
        | Failure::NoConnection
        | Failure::TimedOut
        | Failure::Proxy(_)
        | Failure::Tls
        | Failure::NotHttp
        | Failure::TooLong => return None,
    };
    let text = failure.text(|name| secrets.show_in(name));
    Some(Finding {
        remedy: remedy.map(str::to_owned),
        ..Finding::new(
            Reason::ApiUntrusted,
            format!("cannot {object}: the API server is not trusted, {text}"),
        )
    })
}

/// The remedy, where another one than the table's helps.
const fn remedy(failure: &CertificateFailure) -> Option<&'static str> {
    match failure {
        CertificateFailure::UnknownCa => None,
        CertificateFailure::Expired(_) => {
            Some("Renew the API server's certificate; check this node's clock.")
        }
        CertificateFailure::NotYetValid(_) | CertificateFailure::CaNotYetValid(_) => {
            Some("Check this node's clock, then the API server's certificate.")
        }
        CertificateFailure::CaExpired(_) => {
            Some("Renew the cluster's CA certificate, and start the pod again so that it is mounted.")
        }
        CertificateFailure::OtherName(_) | CertificateFailure::NoName => {
            Some("Correct KUBERNETES_SERVICE_HOST, or add that name to the API server's certificate.")
        }
        CertificateFailure::CaMayNotSign
        | CertificateFailure::UnsupportedKey(_)
        | CertificateFailure::UnsupportedCaKey(_)
        | CertificateFailure::WeakSignature
        | CertificateFailure::UnsupportedSignature
        | CertificateFailure::NotForServers
        | CertificateFailure::Invalid => Some("Issue another certificate for the API server."),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn explained(failure: &Failure) -> Option<Finding> {
        untrusted("get secrets pull", failure, &KnownSecrets::default())
    }

    #[test]
    fn o4_each_failure_of_trust_has_its_cause_and_a_remedy_that_helps() {
        let at = Timestamp::UNIX_EPOCH;
        for (failure, cause, remedy) in [
            (
                CertificateFailure::UnknownCa,
                "signed by an unknown CA",
                "Start the pod again",
            ),
            (
                CertificateFailure::Expired(at),
                "expired at 1970",
                "Renew the API server's",
            ),
            (CertificateFailure::NotYetValid(at), "not valid before", "clock"),
            (
                CertificateFailure::CaExpired(at),
                "CA certificate",
                "Renew the cluster's CA",
            ),
            (
                CertificateFailure::OtherName(vec!["kubernetes.test".to_owned()]),
                "is for kubernetes.test",
                "KUBERNETES_SERVICE_HOST",
            ),
            (
                CertificateFailure::NoName,
                "no subject alternative name",
                "KUBERNETES_SERVICE_HOST",
            ),
            (
                CertificateFailure::NotForServers,
                "not for servers",
                "Issue another",
            ),
        ] {
            let finding = explained(&Failure::Certificate(failure)).expect("a finding");
            assert_eq!(finding.reason, Reason::ApiUntrusted);
            let start = "cannot get secrets pull: the API server is not trusted, its certificate ";
            let is_of_ca = finding.cause.contains("the CA certificate that");
            assert!(is_of_ca || finding.cause.starts_with(start), "{}", finding.cause);
            assert!(finding.cause.contains(cause), "{}", finding.cause);
            assert!(finding.remedy().contains(remedy), "{}", finding.remedy());
        }
    }

    #[test]
    fn o4_a_connection_that_may_recover_is_not_untrusted() {
        for failure in [
            Failure::Lookup,
            Failure::Refused,
            Failure::Reset,
            Failure::NoRoute,
            Failure::NoConnection,
            Failure::TimedOut,
            Failure::Tls,
            Failure::NotHttp,
            Failure::TooLong,
        ] {
            assert_eq!(explained(&failure), None, "{failure}");
        }
        for failure in [Failure::Handshake, Failure::NotTls, Failure::ClientCertificate] {
            assert!(explained(&failure).is_some(), "{failure}");
        }
    }
}
