//! Findings for a host whose certificate is not trusted, for a proxy that does not connect, and for a registry that breaks
//! the protocol.

use super::NAME;
use crate::{
    credential::KnownSecrets,
    outcome::{Finding, Reason},
    registry::ProtocolError,
    text::clip_name,
    transport::{CertificateFailure, Failure, ProxyCause, ProxyFailure},
};

/// The certificate of `host` (`host:port`) is not trusted.
pub(super) fn untrusted(
    host: &str,
    failure: &CertificateFailure,
    proxy: Option<&str>,
    secrets: &KnownSecrets,
) -> Finding {
    let shows_secret = |name: &str| secrets.show_in(name);
    let host = if shows_secret(host) {
        "another host".to_owned()
    } else {
        clip_name(host, NAME)
    };
    let through = proxy.map_or_else(String::new, |proxy| format!(", through {proxy}"));
    let cause = format!("{host} is not trusted: {}{through}", failure.text(shows_secret));
    Finding::new(Reason::RegistryUntrusted, cause).with_remedy(remedy(&host, failure))
}

fn remedy(host: &str, failure: &CertificateFailure) -> String {
    const KEYS: &str = "P-256, P-384, Ed25519, or RSA with 2048 to 8192 bits";
    match failure {
        CertificateFailure::Expired(_) => format!("Renew the certificate of {host}."),
        CertificateFailure::NotYetValid(_) | CertificateFailure::CaNotYetValid(_) => {
            format!("Check the clock of this machine, then the certificate of {host}.")
        }
        CertificateFailure::OtherName(_) => {
            format!("Use a name that the certificate has, or issue a certificate for {host}.")
        }
        CertificateFailure::NoName => format!(
            "Issue a certificate with {host} as a subject alternative name; the common name does not count."
        ),
        CertificateFailure::UnknownCa => {
            "Put the certificate of the CA that issued it into PULL_SECRET_REGISTRY_CA_FILE.".to_owned()
        }
        CertificateFailure::CaExpired(_) => {
            "Renew that CA certificate, and replace it in PULL_SECRET_REGISTRY_CA_FILE.".to_owned()
        }
        CertificateFailure::CaMayNotSign => {
            format!("Issue the certificate by a CA that may sign for {host}.")
        }
        CertificateFailure::UnsupportedKey(_) => format!("Issue a certificate with another key: {KEYS}."),
        CertificateFailure::UnsupportedCaKey(_)
        | CertificateFailure::WeakSignature
        | CertificateFailure::UnsupportedSignature => format!(
            "Put the certificate of {host} itself into PULL_SECRET_REGISTRY_CA_FILE, or issue it by a CA that signs with \
             SHA-256 and another key: {KEYS}."
        ),
        CertificateFailure::NotForServers => {
            "Issue a certificate with the extended key usage serverAuth.".to_owned()
        }
        CertificateFailure::Invalid => format!("Issue a valid certificate for {host}."),
    }
}

/// The proxy for `registry`, or for its token service, can't be used, whoever tries.
pub(super) fn no_proxy(registry: &str, failure: &ProxyFailure) -> Finding {
    let remedy = match failure.cause {
        ProxyCause::Unusable => {
            "Set it to http://[user:password@]host[:port], or list the host in NO_PROXY.".to_owned()
        }
        ProxyCause::Status(407) => {
            "Set the user name and password that the proxy accepts: http://user:password@host:port."
                .to_owned()
        }
        ProxyCause::NotBasic => {
            "Use a proxy that accepts Basic, the one scheme supported, or list the host in NO_PROXY."
                .to_owned()
        }
        ProxyCause::Status(_) | ProxyCause::Through(_) => allow_connect(registry),
        ProxyCause::NotHttp
        | ProxyCause::Lookup
        | ProxyCause::Refused
        | ProxyCause::Reset
        | ProxyCause::NoRoute
        | ProxyCause::NoConnection
        | ProxyCause::TimedOut => "Check the address of the proxy.".to_owned(),
    };
    Finding::new(
        Reason::RegistryProtocol,
        format!("{registry} cannot be asked ({failure})"),
    )
    .with_remedy(remedy)
}

fn allow_connect(registry: &str) -> String {
    format!("Have the proxy allow CONNECT to {registry}, or list the host in NO_PROXY.")
}

/// `registry` breaks the protocol.
pub(super) fn protocol(registry: &str, error: &ProtocolError, words: &str) -> Finding {
    let finding = Finding::new(
        Reason::RegistryProtocol,
        format!("{registry} does not answer as a container registry ({words})"),
    );
    // Name and port are right where a registry answered.
    match error {
        ProtocolError::Failed(failure) => match failure.parts() {
            (Failure::ClientCertificate, _) => {
                finding.with_remedy("Use an address of the registry that requires no client certificate.")
            }
            (Failure::Handshake, _) => finding.with_remedy(
                "Have the registry accept TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20.",
            ),
            // What answers may be the proxy itself.
            (_, Some(_)) => finding.with_remedy(allow_connect(registry)),
            (_, None) => finding,
        },
        ProtocolError::Challenge => finding.with_remedy("Have the registry ask for Basic or Bearer."),
        ProtocolError::PlainTokenService(_) => {
            finding.with_remedy("Have the registry name its token service with https.")
        }
        ProtocolError::Redirects(_) => finding
            .with_remedy("Set PULL_SECRET_REGISTRY to the host that serves the images without a redirect."),
        ProtocolError::Refused
        | ProtocolError::NoToken
        | ProtocolError::RedirectsTooOften
        | ProtocolError::TokenServiceRedirects(_)
        | ProtocolError::LoginNotAnswered
        | ProtocolError::OtherDigest => {
            finding.with_remedy("Ask the registry's administrator to correct it.")
        }
        ProtocolError::Status(_) | ProtocolError::NotARegistry | ProtocolError::NotAManifest => finding,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::transport::KeyType;

    fn told(failure: &CertificateFailure) -> (String, String) {
        let secrets = KnownSecrets::default();
        secrets.add("robot", &"a-robots-password".to_owned().into());
        let finding = untrusted("registry.test:5000", failure, None, &secrets);
        assert_eq!(
            (finding.reason, finding.exit_code()),
            (Reason::RegistryUntrusted, 76)
        );
        (finding.cause.clone(), finding.remedy().to_string())
    }

    #[test]
    fn each_failure_of_a_certificate_has_its_cause_and_remedy() {
        let at = Timestamp::UNIX_EPOCH;
        let names = |names: &[&str]| {
            CertificateFailure::OtherName(names.iter().map(|name| (*name).to_owned()).collect())
        };
        let cases = [
            (
                CertificateFailure::Expired(at),
                "its certificate expired at 1970-01-01T00:00:00Z",
            ),
            (
                CertificateFailure::NotYetValid(at),
                "its certificate is not valid before 1970-01-01T00:00:00Z",
            ),
            (names(&["a.test"]), "its certificate is for a.test"),
            (
                names(&["*.a.test", "b.test"]),
                "its certificate is for _.a.test and another name",
            ),
            (
                names(&["a.test", "b", "c"]),
                "its certificate is for a.test and 2 other names",
            ),
            (names(&["\u{1b}[31m$(x)"]), "its certificate is for __31m__x_"),
            (
                names(&["YS1yb2JvdHMtcGFzc3dvcmQ.test"]),
                "its certificate is for another name",
            ),
            (
                CertificateFailure::NoName,
                "its certificate has no subject alternative name",
            ),
            (
                CertificateFailure::UnknownCa,
                "its certificate is signed by an unknown CA",
            ),
            (
                CertificateFailure::CaExpired(at),
                "the CA certificate that signed its certificate expired at 1970-01-01T00:00:00Z",
            ),
            (
                CertificateFailure::UnsupportedKey(KeyType::Curve("P-521")),
                "its key type P-521 is not supported",
            ),
            (
                CertificateFailure::UnsupportedKey(KeyType::Rsa(1024)),
                "its key type RSA with 1024 bits is not supported",
            ),
            (
                CertificateFailure::UnsupportedCaKey(KeyType::Curve("P-521")),
                "its certificate is signed with the key type P-521, which is not supported",
            ),
            (
                CertificateFailure::CaNotYetValid(at),
                "the CA certificate that signed its certificate is not valid before 1970-01-01T00:00:00Z",
            ),
            (
                CertificateFailure::CaMayNotSign,
                "its certificate is signed by a CA that may not sign it",
            ),
            (
                CertificateFailure::WeakSignature,
                "its certificate is signed with SHA-1 or MD5",
            ),
            (
                CertificateFailure::UnsupportedSignature,
                "its certificate has a signature algorithm that is not supported",
            ),
            (
                CertificateFailure::NotForServers,
                "its certificate is not for servers (extended key usage)",
            ),
            (CertificateFailure::Invalid, "its certificate is invalid"),
        ];
        for (failure, cause) in cases {
            let (found, remedy) = told(&failure);
            assert_eq!(found, format!("registry.test:5000 is not trusted: {cause}"));
            assert!(remedy.ends_with('.'), "{remedy}");
        }
        // Only where it helps.
        for (failure, helps) in [
            (CertificateFailure::UnknownCa, true),
            (CertificateFailure::Expired(at), false),
            (CertificateFailure::NoName, false),
            (CertificateFailure::UnsupportedKey(KeyType::Curve("P-521")), false),
        ] {
            let (_, remedy) = told(&failure);
            assert_eq!(remedy.contains("PULL_SECRET_REGISTRY_CA_FILE"), helps, "{remedy}");
        }
    }

    #[test]
    fn a_host_that_shows_a_secret_is_not_named() {
        let secrets = KnownSecrets::default();
        secrets.add("robot", &"a-robots-password".to_owned().into());
        let finding = untrusted(
            "a-robots-password.test:443",
            &CertificateFailure::UnknownCa,
            None,
            &secrets,
        );
        assert_eq!(
            finding.cause,
            "another host is not trusted: its certificate is signed by an unknown CA"
        );
    }

    #[test]
    fn r9_a_proxy_that_cannot_be_used_is_named_with_76() {
        let finding = |cause| {
            let proxy = match cause {
                ProxyCause::Unusable => "the proxy in ALL_PROXY can't be used: it has white space",
                _ => "the proxy proxy.test:3128 (HTTPS_PROXY)",
            };
            let proxy = proxy.to_owned();
            no_proxy("quay.io", &ProxyFailure { proxy, cause })
        };
        for (cause, told, remedy) in [
            (
                ProxyCause::Unusable,
                "quay.io cannot be asked (the proxy in ALL_PROXY can't be used: it has white space)",
                "NO_PROXY",
            ),
            (
                ProxyCause::Status(407),
                "quay.io cannot be asked (the proxy proxy.test:3128 (HTTPS_PROXY) answers CONNECT with 407)",
                "user name and password",
            ),
            (
                ProxyCause::NotBasic,
                "quay.io cannot be asked (the proxy proxy.test:3128 (HTTPS_PROXY) answers CONNECT with 407 and does not accept \
                 Basic)",
                "or list the host in NO_PROXY",
            ),
            (
                ProxyCause::Status(403),
                "quay.io cannot be asked (the proxy proxy.test:3128 (HTTPS_PROXY) answers CONNECT with 403)",
                "allow CONNECT to quay.io",
            ),
        ] {
            let finding = finding(cause);
            assert_eq!(
                (finding.reason, finding.exit_code(), finding.cause.as_str()),
                (Reason::RegistryProtocol, 76, told)
            );
            assert!(finding.remedy().contains(remedy), "{}", finding.remedy());
        }
    }

    #[test]
    fn what_fails_through_a_proxy_has_a_remedy_at_the_proxy() {
        let through = |failure| {
            ProtocolError::Failed(Failure::Proxy(ProxyFailure {
                proxy: "the proxy proxy.test:3128 (HTTPS_PROXY)".to_owned(),
                cause: ProxyCause::Through(Box::new(failure)),
            }))
        };
        for (failure, part) in [
            (Failure::NotTls, "allow CONNECT to quay.io"),
            (Failure::Tls, "NO_PROXY"),
            (Failure::Handshake, "TLS 1.3"),
            (Failure::ClientCertificate, "requires no client certificate"),
        ] {
            let found = protocol("quay.io", &through(failure), "words");
            assert!(found.remedy().contains(part), "{}", found.remedy());
        }
        let proxy = Some("the proxy proxy.test:3128 (HTTPS_PROXY)");
        let secrets = KnownSecrets::default();
        let finding = untrusted("quay.io:443", &CertificateFailure::UnknownCa, proxy, &secrets);
        assert_eq!(
            finding.cause,
            "quay.io:443 is not trusted: its certificate is signed by an unknown CA, through the proxy proxy.test:3128 \
             (HTTPS_PROXY)"
        );
    }

    #[test]
    fn registry_that_answers_has_another_remedy_than_its_name() {
        let host = || "cdn.test".to_owned();
        let remedy = |error| protocol("quay.io", &error, "words").remedy().to_string();
        for (error, part) in [
            (
                ProtocolError::Failed(Failure::ClientCertificate),
                "requires no client certificate",
            ),
            (ProtocolError::Failed(Failure::Handshake), "TLS 1.3"),
            (ProtocolError::Challenge, "Basic or Bearer"),
            (ProtocolError::PlainTokenService(host()), "with https"),
            (
                ProtocolError::Redirects(host()),
                "the host that serves the images",
            ),
            (ProtocolError::Refused, "administrator"),
            (ProtocolError::NoToken, "administrator"),
            (ProtocolError::RedirectsTooOften, "administrator"),
            (ProtocolError::TokenServiceRedirects(host()), "administrator"),
            (ProtocolError::LoginNotAnswered, "administrator"),
            (ProtocolError::OtherDigest, "administrator"),
        ] {
            let found = remedy(error);
            assert!(
                found.contains(part) && !found.contains("name and port"),
                "{found}"
            );
        }
        for error in [
            ProtocolError::Failed(Failure::NotTls),
            ProtocolError::Failed(Failure::NotHttp),
            ProtocolError::NotARegistry,
        ] {
            assert!(remedy(error).contains("name and port"));
        }
    }
}
