//! Certificate authorities of one run, and the server certificates they issue.
//!
//! The API server and the registries have different CAs, as on a real cluster: a test can then show that neither is
//! trusted for the other.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};

/// A certificate authority with a key of its own.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

impl Authority {
    /// A new self-signed CA with the common name `name`.
    pub fn new(name: &str) -> Result<Self, rcgen::Error> {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    /// The authority's certificate, PEM: what a client trusts.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server known by `names` (DNS names or IP addresses; the first is also the common name).
    pub fn issue(&self, names: &[&str]) -> Result<ServerCertificate, rcgen::Error> {
        self.issue_as(names, |_| {})
    }

    /// A certificate for `name` that ended years ago.
    pub fn issue_expired(&self, name: &str) -> Result<ServerCertificate, rcgen::Error> {
        self.issue_as(&[name], |params| {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        })
    }

    fn issue_as(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<ServerCertificate, rcgen::Error> {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name = named(names.first().copied().unwrap_or("server")).distinguished_name;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ServerCertificate {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name = distinguished_name;
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_of_one_name_have_different_certificates() {
        let (one, other) = (
            Authority::new("ca").expect("an authority"),
            Authority::new("ca").expect("another"),
        );
        assert_ne!(one.pem(), other.pem());
    }

    #[test]
    fn a_server_certificate_is_issued_for_names_and_addresses() {
        let authority = Authority::new("registry-ca").expect("an authority");
        let server = authority
            .issue(&["registry.test", "127.0.0.1"])
            .expect("a certificate");
        assert!(server.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(server.key.starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
