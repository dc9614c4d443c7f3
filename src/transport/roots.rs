//! Whom we trust: one root store for the API server, another for registries.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, TrustAnchor, pem::PemObject},
};

use super::{certificate, verifier::Verifier};

/// Why a bundle can't be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// PEM text of which no certificate could be read.
    #[error("no certificate could be read")]
    NoCertificate,
    /// The cryptography built in has no cipher suite in common with TLS 1.2 and 1.3.
    #[error("no cipher suite")]
    NoCipherSuite,
}

/// How servers of one kind are trusted.
#[derive(Clone, Debug)]
pub struct Trust {
    /// For every connection.
    pub(super) usual: ClientConfig,
    /// For a connection that only shows which key a server's certificate has.
    pub(super) offering_all: ClientConfig,
}

/// Trusts the certificates of one PEM bundle and no others: the API server's.
///
/// # Errors
/// Where the bundle has no usable certificate.
pub fn only(bundle: &[u8]) -> Result<Trust, RootsError> {
    let mut certificates = Vec::new();
    add(&mut certificates, bundle)?;
    trust(certificates, &[])
}

/// The registries' trust, put together from many places.
pub struct Registries(Vec<CertificateDer<'static>>);

impl Registries {
    /// The public roots that are built in (Mozilla's).
    pub fn public() -> Self {
        Self(Vec::new())
    }

    /// Trusts the certificates of a PEM bundle as well.
    ///
    /// # Errors
    /// Where the bundle has no usable certificate.
    pub fn add(&mut self, bundle: &[u8]) -> Result<(), RootsError> {
        add(&mut self.0, bundle)
    }

    /// The finished trust.
    ///
    /// # Errors
    /// Never with the cryptography that is built in.
    pub fn client(self) -> Result<Trust, RootsError> {
        trust(self.0, webpki_roots::TLS_SERVER_ROOTS)
    }
}

fn add(certificates: &mut Vec<CertificateDer<'static>>, bundle: &[u8]) -> Result<(), RootsError> {
    let found = read(bundle);
    if found.is_empty() {
        return Err(RootsError::NoCertificate);
    }
    for certificate in found {
        // A directory of a distribution's has each twice: in a file of its own, and in one of all.
        if !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    Ok(())
}

/// The certificates of a bundle under each of the labels that OpenSSL reads. One that can't be parsed doesn't hinder the
/// others, as an old one of a distribution's.
fn read(bundle: &[u8]) -> Vec<CertificateDer<'static>> {
    let text = String::from_utf8_lossy(bundle)
        .replace("TRUSTED CERTIFICATE-----", "CERTIFICATE-----")
        .replace("X509 CERTIFICATE-----", "CERTIFICATE-----");
    CertificateDer::pem_slice_iter(text.as_bytes())
        .flatten()
        .filter_map(|der| {
            let (certificate, auxiliary) = certificate::split(&der)?;
            certificate::Certificate::read(certificate)?;
            let is_trusted = auxiliary.is_empty() || certificate::is_trusted_for_servers(auxiliary);
            is_trusted.then(|| CertificateDer::from(certificate.to_vec()))
        })
        .collect()
}

fn trust(
    certificates: Vec<CertificateDer<'static>>,
    built_in: &[TrustAnchor<'static>],
) -> Result<Trust, RootsError> {
    // The provider is named, not looked up: no start-up panic where a dependency brings a second one.
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(certificates, built_in, provider.signature_verification_algorithms);
    Ok(Trust {
        offering_all: client(&provider, verifier.offering_all())?,
        usual: client(&provider, verifier)?,
    })
}

fn client(provider: &Arc<CryptoProvider>, verifier: Verifier) -> Result<ClientConfig, RootsError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| RootsError::NoCipherSuite)?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_a_certificate_is_refused() {
        assert_eq!(only(b"").err(), Some(RootsError::NoCertificate));
        assert_eq!(
            only(b"-----BEGIN CERTIFICATE-----\n").err(),
            Some(RootsError::NoCertificate)
        );
        assert_eq!(
            Registries::public().add(b"\xff\xfe").err(),
            Some(RootsError::NoCertificate)
        );
    }

    #[test]
    fn r15_certificates_are_read_under_each_label_of_openssl() {
        let plain = include_str!("verifier/v1-root.pem");
        let count = |bundle: &str| read(bundle.as_bytes()).len();
        assert_eq!(count(plain), 2);
        assert_eq!(count(&plain.replace("CERTIFICATE", "X509 CERTIFICATE")), 2);
        assert_eq!(count(&plain.replace('\n', "\r\n")), 2);
        assert_eq!(count(&format!("# Comment \u{f6}\n{plain}{plain}")), 4);
        let first = &read(plain.as_bytes())[0];
        for (trusted, is_trusted) in [
            (include_str!("verifier/trusted.pem"), true),
            (include_str!("verifier/trusted-server.pem"), true),
            // For clients alone, and rejected for servers.
            (include_str!("verifier/trusted-client.pem"), false),
            (include_str!("verifier/rejected-server.pem"), false),
        ] {
            assert!(trusted.starts_with("-----BEGIN TRUSTED CERTIFICATE-----"));
            let found = read(trusted.as_bytes());
            assert_eq!(found.first(), is_trusted.then_some(first), "{trusted}");
            assert_eq!(count(&format!("{trusted}{plain}")), 2 + usize::from(is_trusted));
            assert_eq!(only(trusted.as_bytes()).is_ok(), is_trusted);
        }
        // Nor does what else such a file has.
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(count(&format!("subject=CN = x\r\n{key}{plain}no PEM \u{0}\n")), 2);
        assert_eq!(
            count(&format!("\u{feff}\n{plain}-----BEGIN CERTIFICATE-----\nMII")),
            2
        );
        assert_eq!(count(key), 0);
        assert_eq!(only(key.as_bytes()).err(), Some(RootsError::NoCertificate));
        let mut twice = Registries::public();
        assert_eq!(twice.add(format!("{plain}{plain}").as_bytes()), Ok(()));
        assert_eq!(twice.0.len(), 2);
        // A damaged one hinders no other.
        assert_eq!(count(&format!("{}{plain}", plain.replace("MII", "%%%"))), 2);
    }

    #[test]
    fn the_public_roots_are_built_in() {
        assert!(webpki_roots::TLS_SERVER_ROOTS.len() > 50);
        assert!(Registries::public().client().is_ok());
    }
}
