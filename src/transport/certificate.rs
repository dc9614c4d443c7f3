//! The parts of a certificate (RFC 5280 section 4.1) that webpki doesn't show, and why one is not trusted.

use std::net::IpAddr;

use k8s_openapi::jiff::{Timestamp, civil::DateTime};

use crate::text::clip_name;

/// How many characters of a name of a certificate a message may hold.
const NAME: usize = 60;

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;

/// `id-kp-serverAuth`.
pub(super) const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
/// `anyExtendedKeyUsage`.
pub(super) const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 0x25, 0];

/// Why a certificate is not trusted for a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFailure {
    /// Its validity is over.
    #[error("its certificate expired at {0}")]
    Expired(Timestamp),
    /// Its validity has not begun.
    #[error("its certificate is not valid before {0}")]
    NotYetValid(Timestamp),
    /// Its subject alternative names don't have the host.
    #[error("its certificate is for another name")]
    OtherName(Vec<String>),
    /// It has no subject alternative name that is a host; the common name doesn't count.
    #[error("its certificate has no subject alternative name")]
    NoName,
    /// No trusted CA signed it, or an intermediate certificate is missing.
    #[error("its certificate is signed by an unknown CA")]
    UnknownCa,
    /// A CA certificate of its chain expired.
    #[error("the CA certificate that signed its certificate expired at {0}")]
    CaExpired(Timestamp),
    /// A CA certificate of its chain is not valid yet.
    #[error("the CA certificate that signed its certificate is not valid before {0}")]
    CaNotYetValid(Timestamp),
    /// A CA of its chain may not sign it: name constraints, path length, key usage.
    #[error("its certificate is signed by a CA that may not sign it")]
    CaMayNotSign,
    /// A key that this program can't verify signatures with.
    #[error("its key type {0} is not supported")]
    UnsupportedKey(KeyType),
    /// As `UnsupportedKey`, of a CA of its chain.
    #[error("its certificate is signed with the key type {0}, which is not supported")]
    UnsupportedCaKey(KeyType),
    /// SHA-1 or MD5.
    #[error("its certificate is signed with SHA-1 or MD5")]
    WeakSignature,
    /// Another signature that this program can't verify.
    #[error("its certificate has a signature algorithm that is not supported")]
    UnsupportedSignature,
    /// Its extended key usage lacks `serverAuth`, or that of a CA of its chain.
    #[error("its certificate is not for servers (extended key usage)")]
    NotForServers,
    /// It can't be read, has an unknown critical extension, or doesn't fit the server's signature.
    #[error("its certificate is invalid")]
    Invalid,
}

impl CertificateFailure {
    /// The cause in words, with the names of the certificate, unless they show a secret.
    pub fn text(&self, shows_secret: impl Fn(&str) -> bool) -> String {
        let Self::OtherName(names) = self else {
            return self.to_string();
        };
        match names.as_slice() {
            [name, more @ ..] if !shows_secret(name) => {
                let more = match more.len() {
                    0 => String::new(),
                    1 => " and another name".to_owned(),
                    count => format!(" and {count} other names"),
                };
                format!("its certificate is for {}{more}", clip_name(name, NAME))
            }
            _ => self.to_string(),
        }
    }
}

/// Type of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA or another use of a curve, by the curve's name.
    Curve(&'static str),
    /// RSA with a modulus of so many bits.
    Rsa(usize),
    /// Another algorithm, by its name.
    Other(&'static str),
}

impl std::fmt::Display for KeyType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA with {bits} bits"),
            Self::Curve(name) | Self::Other(name) => f.write_str(name),
        }
    }
}

impl KeyType {
    /// Whether ring verifies its signatures.
    pub(super) fn is_supported(self) -> bool {
        match self {
            Self::Curve(name) => matches!(name, "P-256" | "P-384" | "Ed25519"),
            Self::Rsa(bits) => (2048..=8192).contains(&bits),
            Self::Other(_) => false,
        }
    }

    /// The type of a `SubjectPublicKeyInfo`'s content.
    fn of(info: &[u8]) -> Option<Self> {
        const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
        const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
        const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
        const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let mut info = Reader(info);
        let mut algorithm = Reader(info.next(SEQUENCE)?);
        let name = algorithm.next(OID)?;
        Some(match name {
            EC => Self::Curve(match algorithm.next(OID) {
                Some(P256) => "P-256",
                Some([0x2b, 0x81, 4, 0, 34]) => "P-384",
                Some([0x2b, 0x81, 4, 0, 35]) => "P-521",
                Some([0x2b, 0x81, 4, 0, 33]) => "P-224",
                _ => "of an unknown curve",
            }),
            [0x2b, 0x65, 112] => Self::Curve("Ed25519"),
            [0x2b, 0x65, 113] => Self::Curve("Ed448"),
            RSA => {
                let bits = info.next(BIT_STRING)?;
                let mut key = Reader(Reader(bits.get(1..)?).next(SEQUENCE)?);
                Self::Rsa(bit_length(key.next(INTEGER)?))
            }
            RSA_PSS => Self::Other("RSASSA-PSS"),
            _ => Self::Other("of an unknown algorithm"),
        })
    }
}

fn bit_length(integer: &[u8]) -> usize {
    let digits = integer.iter().position(|byte| *byte != 0);
    let digits = digits.and_then(|first| integer.get(first..)).unwrap_or_default();
    let unused = digits.first().map_or(0, |byte| byte.leading_zeros());
    digits
        .len()
        .saturating_mul(8)
        .saturating_sub(usize::try_from(unused).unwrap_or_default())
}

/// A certificate, as far as it is read here.
pub(super) struct Certificate<'a> {
    pub(super) to_be_signed: &'a [u8],
    pub(super) signature: &'a [u8],
    /// Content of the signature's `AlgorithmIdentifier`.
    pub(super) signature_algorithm: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) key: KeyType,
    /// The most intermediate certificates below this CA.
    pub(super) path_length: Option<usize>,
    pub(super) has_name_constraints: bool,
    not_before: Timestamp,
    not_after: Timestamp,
    is_v3: bool,
    is_ca: Option<bool>,
    key_usage: Option<u8>,
    purposes: Option<&'a [u8]>,
    names: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; none where it isn't DER, or has no validity or key that can be read.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(Reader(der).next(SEQUENCE)?);
        let (to_be_signed, mut fields) = outer.next_whole(SEQUENCE)?;
        let signature_algorithm = outer.next(SEQUENCE)?;
        let signature = outer.next(BIT_STRING)?.get(1..)?;
        let version = fields
            .next(0xa0)
            .and_then(|version| Reader(version).next(INTEGER));
        fields.next(INTEGER)?;
        fields.next(SEQUENCE)?;
        let issuer = fields.next(SEQUENCE)?;
        let mut validity = Reader(fields.next(SEQUENCE)?);
        let subject = fields.next(SEQUENCE)?;
        let key = KeyType::of(fields.next(SEQUENCE)?)?;
        let mut read = Self {
            to_be_signed,
            signature,
            signature_algorithm,
            issuer,
            subject,
            key,
            path_length: None,
            has_name_constraints: false,
            not_before: validity.time()?,
            not_after: validity.time()?,
            is_v3: version == Some(&[2]),
            is_ca: None,
            key_usage: None,
            purposes: None,
            names: None,
        };
        // issuerUniqueID and subjectUniqueID.
        fields.next(0x81);
        fields.next(0x82);
        let extensions = fields.next(0xa3).and_then(|list| Reader(list).next(SEQUENCE));
        let mut extensions = Reader(extensions.unwrap_or_default());
        while let Some(extension) = extensions.next(SEQUENCE) {
            read.take(Reader(extension))?;
        }
        Some(read)
    }

    fn take(&mut self, mut extension: Reader<'a>) -> Option<()> {
        let name = extension.next(OID)?;
        extension.next(BOOLEAN);
        let mut value = Reader(extension.next(OCTET_STRING)?);
        match name {
            [0x55, 0x1d, 0x13] => {
                let mut constraints = Reader(value.next(SEQUENCE)?);
                self.is_ca = Some(constraints.next(BOOLEAN).is_some_and(|ca| ca != [0]));
                let length = constraints.next(INTEGER);
                // One of two bytes is longer than any chain.
                self.path_length = length.and_then(|length| match length {
                    [length] => Some(usize::from(*length)),
                    _ => None,
                });
            }
            [0x55, 0x1d, 0x0f] => self.key_usage = value.next(BIT_STRING)?.get(1).copied(),
            [0x55, 0x1d, 0x1e] => self.has_name_constraints = true,
            [0x55, 0x1d, 0x25] => self.purposes = value.next(SEQUENCE),
            [0x55, 0x1d, 0x11] => self.names = value.next(SEQUENCE),
            _ => {}
        }
        Some(())
    }

    /// Whether it may sign other certificates (Go `crypto/x509`, `CheckSignatureFrom`): a CA certificate, or one of a
    /// version that can't express it.
    pub(super) fn may_sign(&self) -> bool {
        const KEY_CERT_SIGN: u8 = 0x04;
        let is_ca = self.is_ca.unwrap_or(!self.is_v3);
        is_ca
            && self
                .key_usage
                .is_none_or(|usage| usage == 0 || usage & KEY_CERT_SIGN != 0)
    }

    /// Whether its extended key usage, if it has one, is for servers.
    pub(super) fn is_for_servers(&self) -> bool {
        let Some(purposes) = self.purposes else {
            return true;
        };
        let mut purposes = Reader(purposes);
        let mut none = true;
        while let Some(purpose) = purposes.next(OID) {
            if purpose == SERVER_AUTH || purpose == ANY_PURPOSE {
                return true;
            }
            none = false;
        }
        none
    }

    /// Whether `now` is within its validity.
    ///
    /// # Errors
    /// That it is expired or not valid yet.
    pub(super) fn check_validity(&self, now: Timestamp) -> Result<(), CertificateFailure> {
        if now < self.not_before {
            Err(CertificateFailure::NotYetValid(self.not_before))
        } else if now > self.not_after {
            Err(CertificateFailure::Expired(self.not_after))
        } else {
            Ok(())
        }
    }

    /// Its subject alternative names that are hosts: DNS names and IP addresses.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut rest = Reader(self.names.unwrap_or_default());
        while let Some((tag, name)) = rest.any() {
            match (tag, <[u8; 4]>::try_from(name), <[u8; 16]>::try_from(name)) {
                (0x82, ..) => names.push(String::from_utf8_lossy(name).into_owned()),
                (0x87, Ok(address), _) => names.push(IpAddr::from(address).to_string()),
                (0x87, _, Ok(address)) => names.push(IpAddr::from(address).to_string()),
                _ => {}
            }
        }
        names
    }

    /// Whether its signature is one that no client accepts.
    pub(super) fn has_weak_signature(&self) -> bool {
        const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
        let algorithm = Reader(self.signature_algorithm).next(OID).unwrap_or_default();
        match algorithm.strip_prefix(RSA) {
            // MD2, MD5, SHA-1 with RSA.
            Some([hash]) => matches!(hash, 2..=5),
            // SHA-1 with ECDSA.
            _ => algorithm == [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],
        }
    }
}

/// Whether `auxiliary`, what OpenSSL writes behind the certificate in a `TRUSTED CERTIFICATE`, lets it stand for servers
/// (`X509_CERT_AUX`: trusted purposes, then rejected ones).
pub(super) fn is_trusted_for_servers(auxiliary: &[u8]) -> bool {
    let has = |purposes: &[u8]| {
        let mut purposes = Reader(purposes);
        std::iter::from_fn(|| purposes.next(OID))
            .any(|purpose| purpose == SERVER_AUTH || purpose == ANY_PURPOSE)
    };
    let mut fields = Reader(Reader(auxiliary).next(SEQUENCE).unwrap_or_default());
    let trusted = fields.next(SEQUENCE);
    let rejected = fields.next(0xa0);
    trusted.is_none_or(has) && !rejected.is_some_and(has)
}

/// Splits off the first element.
pub(super) fn split(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = Reader(der);
    rest.next(SEQUENCE)?;
    der.split_at_checked(der.len().checked_sub(rest.0.len())?)
}

/// Reads DER, one element after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element's tag and content.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            // A certificate has less than 16 MiB.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (
                    bytes
                        .iter()
                        .fold(0, |length, byte| length << 8 | usize::from(*byte)),
                    rest,
                )
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next element; none, and nothing is read, where it has another tag.
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        (self.0.first() == Some(&tag))
            .then(|| self.any())?
            .map(|(_, content)| content)
    }

    /// The next element with its header, and a reader of its content.
    fn next_whole(&mut self, tag: u8) -> Option<(&'a [u8], Reader<'a>)> {
        let before = self.0;
        let content = self.next(tag)?;
        let whole = before.get(..before.len().checked_sub(self.0.len())?)?;
        Some((whole, Reader(content)))
    }

    /// `UTCTime` or `GeneralizedTime`, both in UTC with seconds.
    fn time(&mut self) -> Option<Timestamp> {
        let (tag, text) = self.any()?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let (year, rest) = match tag {
            0x17 => {
                let (year, rest) = text.split_at_checked(2)?;
                let year = digits(year)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            0x18 => {
                let (year, rest) = text.split_at_checked(4)?;
                (digits(year)?, rest)
            }
            _ => return None,
        };
        let part = |at: usize| i8::try_from(digits(rest.get(at..at.checked_add(2)?)?)?).ok();
        (rest.len() == 10).then_some(())?;
        let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
        let since_epoch = time.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
        // The last day of the year 9999, which stands for no end, is past the last timestamp.
        let timestamp = Timestamp::UNIX_EPOCH.checked_add(since_epoch);
        Some(timestamp.unwrap_or(Timestamp::MAX))
    }
}

fn digits(text: &str) -> Option<i16> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tag: u8, text: &str) -> Option<String> {
        let mut der = vec![tag, u8::try_from(text.len()).expect("a short text")];
        der.extend_from_slice(text.as_bytes());
        Reader(&der).time().map(|time| time.to_string())
    }

    #[test]
    fn validity_is_read_in_both_forms() {
        for (tag, text, expected) in [
            (0x17, "260102030405Z", "2026-01-02T03:04:05Z"),
            (0x17, "491231235959Z", "2049-12-31T23:59:59Z"),
            (0x17, "500101000000Z", "1950-01-01T00:00:00Z"),
            (0x18, "20500101000000Z", "2050-01-01T00:00:00Z"),
            (0x18, "99991231235959Z", "9999-12-30T22:00:00.999999999Z"),
        ] {
            assert_eq!(time(tag, text).as_deref(), Some(expected), "{text}");
        }
        for (tag, text) in [
            (0x17, "2601020304Z"),
            (0x17, "260102030405"),
            (0x17, "261302030405Z"),
            (0x17, "26010203040+Z"),
            (0x17, "2601020304\u{e9}Z"),
            (0x18, "260102030405Z"),
            (0x04, "260102030405Z"),
            (0x17, ""),
        ] {
            assert_eq!(time(tag, text), None, "{text}");
        }
    }

    #[test]
    fn elements_that_end_too_early_or_have_odd_lengths_are_none() {
        for der in [
            &[][..],
            &[0x30],
            &[0x30, 1],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81],
            &[0x30, 0x83, 0xff, 0xff, 0xff, 0],
            &[0x30, 0x84, 0, 0, 0, 0],
            &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(Reader(der).next(SEQUENCE), None, "{der:?}");
            assert!(Certificate::read(der).is_none());
        }
        assert_eq!(Reader(&[0x30, 0x81, 1, 7]).next(SEQUENCE), Some(&[7][..]));
    }
}
