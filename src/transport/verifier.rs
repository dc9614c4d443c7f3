//! Verifies a server's certificate as Go's `crypto/x509` does: webpki, and what it leaves to its user.
//!
//! - A certificate that is configured itself needs no chain: self-signed ones, with CA:TRUE too, and pinned ones.
//! - A configured certificate signs others only as a CA, within its validity, path length and purposes. For webpki any
//!   configured certificate is a CA without an end.

use std::{fmt, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime},
};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext, VerifiedPath,
};

use super::certificate::{ANY_PURPOSE, Certificate, CertificateFailure, KeyType, SERVER_AUTH};

/// Signatures that are not verified, but offered to a server so that it sends its certificate: P-521, Ed448, and RSASSA-PSS
/// with a key for it alone.
const NOT_SUPPORTED: [SignatureScheme; 5] = [
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED448,
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
];

/// Verifies servers' certificates.
#[derive(Clone)]
pub(super) struct Verifier {
    /// Those of `signers`, then those that are built in.
    anchors: Arc<[TrustAnchor<'static>]>,
    configured: Arc<[CertificateDer<'static>]>,
    /// Those of `configured` that are CA certificates.
    signers: Arc<[usize]>,
    algorithms: WebPkiSupportedAlgorithms,
    offers_all: bool,
}

impl Verifier {
    /// Trusts the certificates of `configured` and the CAs of `built_in`.
    pub(super) fn new(
        configured: Vec<CertificateDer<'static>>,
        built_in: &[TrustAnchor<'static>],
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        let mut anchors = Vec::new();
        let mut signers = Vec::new();
        for (index, der) in configured.iter().enumerate() {
            if Certificate::read(der).is_some_and(|certificate| certificate.may_sign())
                && let Ok(anchor) = webpki::anchor_from_trusted_cert(der)
            {
                anchors.push(anchor.to_owned());
                signers.push(index);
            }
        }
        anchors.extend_from_slice(built_in);
        Self {
            anchors: anchors.into(),
            configured: configured.into(),
            signers: signers.into(),
            algorithms,
            offers_all: false,
        }
    }

    /// The same verifier, to which a server sends a certificate whose key is not supported.
    pub(super) fn offering_all(&self) -> Self {
        Self {
            offers_all: true,
            ..self.clone()
        }
    }

    /// Verifies the chain `end_entity`, `intermediates` for `name`.
    ///
    /// # Errors
    /// Why it is not trusted, in the order in which Go looks.
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        let leaf = Certificate::read(end_entity).ok_or(CertificateFailure::Invalid)?;
        let time = timestamp(now);
        leaf.check_validity(time)?;
        let parsed = match EndEntityCert::try_from(end_entity) {
            Ok(parsed) => parsed,
            // A certificate of version 1 has no extensions.
            Err(webpki::Error::UnsupportedCertVersion) => return Err(CertificateFailure::NoName),
            Err(_) => return Err(CertificateFailure::Invalid),
        };
        if parsed.verify_is_valid_for_subject_name(name).is_err() {
            let names = leaf.names();
            if names.is_empty() {
                return Err(CertificateFailure::NoName);
            }
            if !names.iter().any(|pattern| is_wildcard_of(pattern, name)) {
                return Err(CertificateFailure::OtherName(names));
            }
        }
        if !leaf.key.is_supported() {
            return Err(CertificateFailure::UnsupportedKey(leaf.key));
        }
        if self.configured.iter().any(|configured| configured == end_entity) {
            return if leaf.is_for_servers() {
                Ok(())
            } else {
                Err(CertificateFailure::NotForServers)
            };
        }
        let path = parsed.verify_for_usage(
            self.algorithms.all,
            &self.anchors,
            intermediates,
            now,
            ForServers,
            None,
            Some(&|path: &VerifiedPath<'_>| self.check_path(path, now)),
        );
        match path {
            Ok(_) => Ok(()),
            // webpki accepts no server with a CA certificate.
            Err(webpki::Error::CaUsedAsEndEntity) if self.is_signed_by_own_ca(&leaf, time) => Ok(()),
            Err(error) => Err(self.explain(&error, end_entity, intermediates)),
        }
    }

    /// What Go checks of a chain beyond webpki: the validity, path length and purposes of its root, and that each CA may
    /// sign certificates.
    fn check_path(&self, path: &VerifiedPath<'_>, now: UnixTime) -> Result<(), webpki::Error> {
        let may_sign = |der: &CertificateDer<'_>| Certificate::read(der).is_some_and(|ca| ca.may_sign());
        if !path.intermediate_certificates().all(|ca| may_sign(&ca.der())) {
            return Err(webpki::Error::EndEntityUsedAsCa);
        }
        let root = self.anchors.iter().zip(self.signers.iter());
        let root = root
            .into_iter()
            .find(|(anchor, _)| std::ptr::eq(*anchor, path.anchor()));
        let root = root.and_then(|(_, index)| Certificate::read(self.configured.get(*index)?));
        // Otherwise it is built in.
        let Some(root) = root else { return Ok(()) };
        match root.check_validity(timestamp(now)) {
            Err(CertificateFailure::Expired(at)) => {
                let (time, not_after) = (now, unix_time(at));
                return Err(webpki::Error::CertExpired { time, not_after });
            }
            Err(CertificateFailure::NotYetValid(at)) => {
                let (time, not_before) = (now, unix_time(at));
                return Err(webpki::Error::CertNotValidYet { time, not_before });
            }
            _ => {}
        }
        let length = path.intermediate_certificates().count();
        if root.path_length.is_some_and(|longest| length > longest) {
            return Err(webpki::Error::PathLenConstraintViolated);
        }
        if root.is_for_servers() {
            Ok(())
        } else {
            Err(not_for_servers())
        }
    }

    /// Whether a configured CA without name constraints signed `leaf`, itself a CA certificate.
    fn is_signed_by_own_ca(&self, leaf: &Certificate<'_>, now: Timestamp) -> bool {
        let signers = self
            .signers
            .iter()
            .filter_map(|index| self.configured.get(*index));
        leaf.is_for_servers()
            && signers
                .filter_map(|der| Some((Certificate::read(der)?, EndEntityCert::try_from(der).ok()?)))
                .filter(|(ca, _)| ca.subject == leaf.issuer && !ca.has_name_constraints)
                .filter(|(ca, _)| ca.check_validity(now).is_ok() && ca.is_for_servers())
                .any(|(_, ca)| {
                    self.algorithms
                        .all
                        .iter()
                        .filter(|algorithm| algorithm.signature_alg_id().as_ref() == leaf.signature_algorithm)
                        .any(|algorithm| {
                            ca.verify_signature(*algorithm, leaf.to_be_signed, leaf.signature)
                                .is_ok()
                        })
                })
    }

    /// What an error of webpki means, after the certificate itself was found right.
    fn explain(
        &self,
        error: &webpki::Error,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> CertificateFailure {
        match error {
            webpki::Error::CertExpired { not_after, .. } => {
                CertificateFailure::CaExpired(timestamp(*not_after))
            }
            webpki::Error::CertNotValidYet { not_before, .. } => {
                CertificateFailure::CaNotYetValid(timestamp(*not_before))
            }
            webpki::Error::RequiredEkuNotFoundContext(_) | webpki::Error::EmptyEkuExtension => {
                CertificateFailure::NotForServers
            }
            webpki::Error::NameConstraintViolation
            | webpki::Error::MalformedDnsIdentifier
            | webpki::Error::PathLenConstraintViolated
            | webpki::Error::EndEntityUsedAsCa => CertificateFailure::CaMayNotSign,
            webpki::Error::UnknownIssuer | webpki::Error::CaUsedAsEndEntity => CertificateFailure::UnknownCa,
            webpki::Error::InvalidSignatureForPublicKey
            | webpki::Error::UnsupportedSignatureAlgorithmContext(_)
            | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                let presented = || std::iter::once(end_entity).chain(intermediates);
                let presented = || presented().filter_map(|der| Certificate::read(der));
                if let Some(key) = self.unsupported_ca_key(presented, intermediates) {
                    CertificateFailure::UnsupportedCaKey(key)
                } else if presented().any(|certificate| certificate.has_weak_signature()) {
                    CertificateFailure::WeakSignature
                } else if *error == webpki::Error::InvalidSignatureForPublicKey {
                    // A CA of the same name with another key.
                    CertificateFailure::UnknownCa
                } else {
                    CertificateFailure::UnsupportedSignature
                }
            }
            _ => CertificateFailure::Invalid,
        }
    }

    /// The key of a CA that signed one of the presented certificates, if it is not supported.
    fn unsupported_ca_key<'a, I: Iterator<Item = Certificate<'a>>>(
        &self,
        presented: impl Fn() -> I,
        intermediates: &[CertificateDer<'_>],
    ) -> Option<KeyType> {
        let signers = self
            .signers
            .iter()
            .filter_map(|index| self.configured.get(*index));
        intermediates
            .iter()
            .map(|der| -> &[u8] { der })
            .chain(signers.map(|der| -> &[u8] { der }))
            .filter_map(Certificate::read)
            .find(|ca| {
                !ca.key.is_supported() && presented().any(|certificate| certificate.issuer == ca.subject)
            })
            .map(|ca| ca.key)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.verify(end_entity, intermediates, server_name, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(failure) => Err(CertificateError::Other(OtherError(Arc::new(failure))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if self.offers_all {
            schemes.extend(NOT_SUPPORTED);
        }
        schemes
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// As Go reads an extended key usage: absent, `serverAuth` or `anyExtendedKeyUsage`, which webpki doesn't know.
struct ForServers;

impl ExtendedKeyUsageValidator for ForServers {
    fn validate(&self, iter: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut none = true;
        for purpose in iter {
            let purpose = purpose?;
            if purpose == KeyPurposeId::new(SERVER_AUTH) || purpose == KeyPurposeId::new(ANY_PURPOSE) {
                return Ok(());
            }
            none = false;
        }
        if none { Ok(()) } else { Err(not_for_servers()) }
    }
}

/// Whether `pattern` is `*.` and what follows the first label of `name`. For webpki, `*.test` is for no name.
fn is_wildcard_of(pattern: &str, name: &ServerName<'_>) -> bool {
    let ServerName::DnsName(name) = name else {
        return false;
    };
    let parent = name.as_ref().split_once('.').map(|(_, parent)| parent);
    pattern
        .strip_prefix("*.")
        .zip(parent)
        .is_some_and(|(pattern, parent)| pattern.eq_ignore_ascii_case(parent))
}

fn not_for_servers() -> webpki::Error {
    webpki::Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext {
        required: KeyUsage::server_auth(),
        present: Vec::new(),
    })
}

fn timestamp(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).ok();
    let timestamp = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.unwrap_or(Timestamp::MAX)
}

fn unix_time(time: Timestamp) -> UnixTime {
    let seconds = u64::try_from(time.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
