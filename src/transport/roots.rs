//! Whom we trust: one root store for the API server, another for registries.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

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

/// Trusts the certificates of one PEM bundle and no others: the API server's.
///
/// # Errors
/// Where the bundle has no usable certificate.
pub fn only(bundle: &[u8]) -> Result<ClientConfig, RootsError> {
    let mut roots = RootCertStore::empty();
    add(&mut roots, bundle)?;
    client(roots)
}

/// The registries' trust, put together from many places.
pub struct Registries(RootCertStore);

impl Registries {
    /// The public roots that are built in (Mozilla's).
    pub fn public() -> Self {
        Self(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        })
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
    pub fn client(self) -> Result<ClientConfig, RootsError> {
        client(self.0)
    }
}

fn add(roots: &mut RootCertStore, bundle: &[u8]) -> Result<(), RootsError> {
    // A bundle may hold a certificate that rustls does not take (an old one of a distribution's): the others count.
    let (added, _refused) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).flatten());
    if added == 0 {
        Err(RootsError::NoCertificate)
    } else {
        Ok(())
    }
}

fn client(roots: RootCertStore) -> Result<ClientConfig, RootsError> {
    // The provider is named, not looked up: no start-up panic where a dependency brings a second one.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| RootsError::NoCipherSuite)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
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
    fn the_public_roots_are_built_in() {
        assert!(Registries::public().0.len() > 50);
        assert!(Registries::public().client().is_ok());
    }
}
