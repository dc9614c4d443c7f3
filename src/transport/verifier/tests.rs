//! Certificates of every kind. tests/conformance compares the same verdicts with Go's, over real handshakes.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use rustls::{
    ClientConnection, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject},
    server::ResolvesServerCert,
    sign::CertifiedKey,
};

use super::*;

const HOST: &str = "registry.test";

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A certificate and its key.
struct Server(CertificateDer<'static>, KeyPair);

/// Parameters of a certificate for `names`, valid from 2025 to 2035.
fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2035, 1, 1));
    params.distinguished_name.push(DnType::CommonName, HOST);
    params
}

fn self_signed(params: &CertificateParams) -> Server {
    let key = KeyPair::generate().expect("a key");
    Server(
        params.self_signed(&key).expect("a certificate").der().clone(),
        key,
    )
}

fn ca(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Ca {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

fn issued(by: &Ca, params: &CertificateParams) -> Server {
    let key = KeyPair::generate().expect("a key");
    Server(
        params.signed_by(&key, by).expect("a certificate").der().clone(),
        key,
    )
}

fn verifier(configured: &[&CertificateDer<'static>]) -> Verifier {
    Verifier::new(
        configured.iter().map(|der| (*der).clone()).collect(),
        webpki_roots::TLS_SERVER_ROOTS,
        ring::default_provider().signature_verification_algorithms,
    )
}

/// The verdict on a chain for `host` in 2030.
fn verdict(
    configured: &[&CertificateDer<'static>],
    chain: &[&CertificateDer<'static>],
    host: &str,
) -> Result<(), CertificateFailure> {
    let intermediates: Vec<_> = chain.iter().skip(1).map(|der| (*der).clone()).collect();
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    verifier(configured).verify(chain[0], &intermediates, &name, at(2030))
}

fn at(year: i32) -> UnixTime {
    let seconds = u64::try_from(date_time_ymd(year, 1, 1).unix_timestamp()).expect("after 1970");
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

/// The certificates of a fixture.
fn fixture(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .map(|der| der.expect("a certificate"))
        .collect()
}

fn for_host(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = params(&[HOST]);
    change(&mut params);
    params
}

/// A self-signed CA certificate, a self-signed one that is none, and one of an unknown CA; each changed by `change`.
fn own_certificates(change: impl Fn(&mut CertificateParams)) -> [CertificateDer<'static>; 3] {
    let with_ca = for_host(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(params);
    });
    let without = for_host(&change);
    [
        self_signed(&with_ca).0,
        self_signed(&without).0,
        issued(&ca("unknown", |_| {}), &without).0,
    ]
}

#[test]
fn r6_a_certificate_that_is_configured_itself_needs_no_chain() {
    for own in own_certificates(|_| {}) {
        assert_eq!(verdict(&[&own], &[&own], HOST), Ok(()));
        // Whatever else is configured or sent.
        let other = ca("other", |_| {});
        assert_eq!(verdict(&[other.der(), &own], &[&own, other.der()], HOST), Ok(()));
        assert_eq!(
            verdict(&[other.der()], &[&own], HOST),
            Err(CertificateFailure::UnknownCa)
        );
        assert_eq!(verdict(&[], &[&own], HOST), Err(CertificateFailure::UnknownCa));
    }
}

#[test]
fn r6_name_validity_and_purpose_of_a_configured_certificate_count() {
    let timestamp = |year: i32| timestamp(at(year));
    let refused = |change: fn(&mut CertificateParams), failure: CertificateFailure| {
        for own in own_certificates(change) {
            assert_eq!(verdict(&[&own], &[&own], HOST), Err(failure.clone()));
        }
    };
    refused(
        |params| params.not_after = date_time_ymd(2029, 1, 1),
        CertificateFailure::Expired(timestamp(2029)),
    );
    refused(
        |params| params.not_before = date_time_ymd(2031, 1, 1),
        CertificateFailure::NotYetValid(timestamp(2031)),
    );
    refused(
        |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        CertificateFailure::NotForServers,
    );
    // The common name doesn't count.
    refused(
        |params| params.subject_alt_names.clear(),
        CertificateFailure::NoName,
    );
    for own in own_certificates(|_| {}) {
        for host in ["other.test", "a.registry.test", "127.0.0.1"] {
            assert_eq!(
                verdict(&[&own], &[&own], host),
                Err(CertificateFailure::OtherName(vec![HOST.to_owned()])),
                "{host}"
            );
        }
    }
}

#[test]
fn r6_names_are_dns_names_wildcards_and_addresses() {
    let own = self_signed(&params(&["*.registry.test", "127.0.0.1", "::1"])).0;
    for host in ["a.registry.test", "A.Registry.Test", "127.0.0.1", "::1"] {
        assert_eq!(verdict(&[&own], &[&own], host), Ok(()), "{host}");
    }
    for host in ["registry.test", "a.b.registry.test", "127.0.0.2", "::2"] {
        let names = ["*.registry.test", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(
            verdict(&[&own], &[&own], host),
            Err(CertificateFailure::OtherName(names)),
            "{host}"
        );
    }
}

#[test]
fn r6_a_wildcard_may_stand_before_a_single_label() {
    let own = self_signed(&params(&["*.test", "*"])).0;
    for host in [HOST, "REGISTRY.TEST"] {
        assert_eq!(verdict(&[&own], &[&own], host), Ok(()), "{host}");
    }
    for host in ["test", "a.registry.test", "registry", "127.0.0.1"] {
        let failure = verdict(&[&own], &[&own], host);
        assert!(matches!(failure, Err(CertificateFailure::OtherName(_))), "{host}");
    }
}

#[test]
fn r6_any_extended_key_usage_is_for_servers() {
    for usage in [
        vec![],
        vec![ExtendedKeyUsagePurpose::ServerAuth],
        vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ],
        vec![ExtendedKeyUsagePurpose::Any],
    ] {
        for own in own_certificates(|params| params.extended_key_usages.clone_from(&usage)) {
            assert_eq!(verdict(&[&own], &[&own], HOST), Ok(()), "{usage:?}");
        }
        let ca = ca("ca", |_| {});
        let issued = issued(
            &ca,
            &for_host(|params| params.extended_key_usages.clone_from(&usage)),
        );
        assert_eq!(verdict(&[ca.der()], &[&issued.0], HOST), Ok(()), "{usage:?}");
    }
}

#[test]
fn r6_a_pinned_certificate_signs_no_other() {
    let key = KeyPair::generate().expect("a key");
    let pinned = for_host(|params| {
        params.distinguished_name.push(DnType::CommonName, "pinned");
    });
    let pinned = CertifiedIssuer::self_signed(pinned, key).expect("a certificate");
    let other = issued(&pinned, &params(&["quay.io"]));
    assert_eq!(verdict(&[pinned.der()], &[pinned.der()], HOST), Ok(()));
    assert_eq!(
        verdict(&[pinned.der()], &[&other.0], "quay.io"),
        Err(CertificateFailure::UnknownCa)
    );
    assert_eq!(
        verdict(&[pinned.der()], &[&other.0, pinned.der()], "quay.io"),
        Err(CertificateFailure::CaMayNotSign)
    );
}

#[test]
fn r6_another_certificate_of_the_same_name_is_not_the_configured_one() {
    for params in [
        for_host(|_| {}),
        for_host(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
    ] {
        let (own, other) = (self_signed(&params), self_signed(&params));
        assert_eq!(
            verdict(&[&own.0], &[&other.0], HOST),
            Err(CertificateFailure::UnknownCa)
        );
        // The same key, renewed.
        let renewed = for_host(|renewed| renewed.not_after = date_time_ymd(2040, 1, 1));
        let renewed = renewed.self_signed(&own.1).expect("a certificate");
        assert_eq!(
            verdict(&[&own.0], &[renewed.der(), &own.0], HOST).is_ok(),
            // Signed by a CA of its own name and key.
            matches!(params.is_ca, IsCa::Ca(_))
        );
    }
}

#[test]
fn r6_a_ca_signs_within_its_validity_purpose_and_path_length() {
    let leaf = for_host(|_| {});
    let verdict_of = |change: fn(&mut CertificateParams)| {
        let ca = ca("ca", change);
        verdict(&[ca.der()], &[&issued(&ca, &leaf).0], HOST)
    };
    assert_eq!(verdict_of(|_| {}), Ok(()));
    assert_eq!(
        verdict_of(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))),
        Ok(())
    );
    assert_eq!(
        verdict_of(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
        Ok(())
    );
    assert_eq!(
        verdict_of(|params| params.not_after = date_time_ymd(2029, 1, 1)),
        Err(CertificateFailure::CaExpired(timestamp(at(2029))))
    );
    assert_eq!(
        verdict_of(|params| params.not_before = date_time_ymd(2031, 1, 1)),
        Err(CertificateFailure::CaNotYetValid(timestamp(at(2031))))
    );
    assert_eq!(
        verdict_of(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        Err(CertificateFailure::NotForServers)
    );
    for may_not_sign in [
        |params: &mut CertificateParams| params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
        |params: &mut CertificateParams| params.is_ca = IsCa::ExplicitNoCa,
        |params: &mut CertificateParams| params.is_ca = IsCa::NoCa,
    ] {
        assert_eq!(verdict_of(may_not_sign), Err(CertificateFailure::UnknownCa));
    }
    let only = |name: &str| NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(name.to_owned())],
        excluded_subtrees: Vec::new(),
    };
    for (name, expected) in [("test", Ok(())), ("other", Err(CertificateFailure::CaMayNotSign))] {
        let ca = ca("ca", |params| params.name_constraints = Some(only(name)));
        assert_eq!(verdict(&[ca.der()], &[&issued(&ca, &leaf).0], HOST), expected);
    }
}

#[test]
fn r6_an_intermediate_is_needed_and_may_be_configured_alone() {
    let intermediate_of = |root: &Ca, change: fn(&mut CertificateParams)| {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, "intermediate");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        CertifiedIssuer::signed_by(params, key, root).expect("an intermediate")
    };
    let root = ca("root", |_| {});
    let intermediate = intermediate_of(&root, |_| {});
    let leaf = issued(&intermediate, &for_host(|_| {})).0;
    let (root, intermediate) = (root.der(), intermediate.der());
    for (configured, chain) in [
        (vec![root], vec![&leaf, intermediate]),
        (vec![root], vec![&leaf, root, intermediate]),
        (vec![intermediate], vec![&leaf]),
        (vec![root, intermediate], vec![&leaf]),
    ] {
        assert_eq!(verdict(&configured, &chain, HOST), Ok(()));
    }
    for (configured, chain) in [
        (vec![root], vec![&leaf]),
        (vec![root], vec![&leaf, root]),
        (vec![], vec![&leaf, intermediate, root]),
    ] {
        assert_eq!(
            verdict(&configured, &chain, HOST),
            Err(CertificateFailure::UnknownCa)
        );
    }
    for (change, failure) in [
        (
            (|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature])
                as fn(&mut CertificateParams),
            CertificateFailure::CaMayNotSign,
        ),
        (
            |params| params.is_ca = IsCa::NoCa,
            CertificateFailure::CaMayNotSign,
        ),
        (
            |params| params.not_after = date_time_ymd(2029, 1, 1),
            CertificateFailure::CaExpired(timestamp(at(2029))),
        ),
    ] {
        let root = ca("root", |_| {});
        let intermediate = intermediate_of(&root, change);
        let leaf = issued(&intermediate, &for_host(|_| {})).0;
        assert_eq!(
            verdict(&[root.der()], &[&leaf, intermediate.der()], HOST),
            Err(failure)
        );
    }
    let root = ca("root", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))
    });
    let intermediate = intermediate_of(&root, |_| {});
    let leaf = issued(&intermediate, &for_host(|_| {})).0;
    assert_eq!(
        verdict(&[root.der()], &[&leaf, intermediate.der()], HOST),
        Err(CertificateFailure::CaMayNotSign)
    );
}

#[test]
fn r6_a_server_with_a_ca_certificate_may_be_signed_by_a_configured_ca() {
    let with_ca = for_host(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let known = ca("ca", |_| {});
    let leaf = issued(&known, &with_ca).0;
    assert_eq!(verdict(&[known.der()], &[&leaf], HOST), Ok(()));
    assert_eq!(verdict(&[known.der()], &[&leaf, known.der()], HOST), Ok(()));
    // Another CA of the same name.
    assert_eq!(
        verdict(&[ca("ca", |_| {}).der()], &[&leaf], HOST),
        Err(CertificateFailure::UnknownCa)
    );
    let expired = ca("ca", |params| params.not_after = date_time_ymd(2029, 1, 1));
    let leaf = issued(&expired, &with_ca).0;
    assert!(verdict(&[expired.der()], &[&leaf], HOST).is_err());
}

#[test]
fn r16_a_key_that_is_not_supported_is_named() {
    for (pem, key) in [
        (&include_bytes!("p521.pem")[..], KeyType::Curve("P-521")),
        (include_bytes!("ed448.pem"), KeyType::Curve("Ed448")),
        (include_bytes!("rsa1024.pem"), KeyType::Rsa(1024)),
    ] {
        let chain = fixture(pem);
        let own = &chain[0];
        for configured in [vec![], vec![own]] {
            assert_eq!(
                verdict(&configured, &[own], HOST),
                Err(CertificateFailure::UnsupportedKey(key))
            );
        }
        assert!(matches!(
            verdict(&[own], &[own], "other.test"),
            Err(CertificateFailure::OtherName(_))
        ));
    }
    let chain = fixture(include_bytes!("p521-ca.pem"));
    let (leaf, ca) = (&chain[0], &chain[1]);
    let failure = CertificateFailure::UnsupportedCaKey(KeyType::Curve("P-521"));
    assert_eq!(verdict(&[ca], &[leaf], HOST), Err(failure));
    // As its remedy says.
    assert_eq!(verdict(&[leaf], &[leaf], HOST), Ok(()));
}

#[test]
fn sha_1_and_version_1_are_judged_as_by_go() {
    let chain = fixture(include_bytes!("sha1.pem"));
    let (leaf, ca) = (&chain[0], &chain[1]);
    assert_eq!(
        verdict(&[ca], &[leaf], HOST),
        Err(CertificateFailure::WeakSignature)
    );
    assert_eq!(verdict(&[leaf], &[leaf], HOST), Ok(()));
    let chain = fixture(include_bytes!("v1-root.pem"));
    let (leaf, root) = (&chain[0], &chain[1]);
    assert_eq!(verdict(&[root], &[leaf], HOST), Ok(()));
    assert_eq!(verdict(&[root], &[root], HOST), Err(CertificateFailure::NoName));
}

#[test]
fn a_certificate_that_cannot_be_read_is_invalid() {
    let own = self_signed(&params(&[HOST])).0;
    for length in [0, 1, 5, 40, 100, own.len() - 1] {
        let cut = CertificateDer::from(own[..length].to_vec());
        assert_eq!(
            verdict(&[&cut], &[&cut], HOST),
            Err(CertificateFailure::Invalid),
            "{length}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn a_damaged_certificate_is_never_accepted(at in 0_usize..1000, byte: u8, cut in 0_usize..1000) {
        let chain = fixture(include_bytes!("v1-root.pem"));
        let (leaf, root) = (&chain[0], &chain[1]);
        let mut damaged = leaf.to_vec();
        let at = at % damaged.len();
        damaged[at] = byte;
        let damaged = CertificateDer::from(damaged);
        if damaged != *leaf {
            proptest::prop_assert!(verdict(&[root], &[&damaged], HOST).is_err());
        }
        // What is configured is read too.
        let _ = verdict(&[&damaged, root], &[leaf], HOST);
        let _ = crate::transport::certificate::is_trusted_for_servers(&damaged[cut.min(damaged.len())..]);
    }
}

#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesServerCert for Presents {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A handshake with a server that presents `certificate` and signs with `key`.
fn handshake(
    trust: &crate::transport::roots::Trust,
    certificate: &CertificateDer<'static>,
    key: &KeyPair,
) -> Result<(), Error> {
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let key = provider.key_provider.load_private_key(key).expect("a key");
    let certified = CertifiedKey::new(vec![certificate.clone()], key);
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Presents(Arc::new(certified))));
    let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
    let name = ServerName::try_from(HOST).expect("a name");
    let mut client = ClientConnection::new(Arc::new(trust.usual.clone()), name).expect("a client");
    while client.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("a buffer");
        server.read_tls(&mut wire.as_slice()).expect("a buffer");
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).expect("a buffer");
        client.read_tls(&mut wire.as_slice()).expect("a buffer");
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn r6_the_handshake_must_be_signed_with_the_certificates_key() {
    // Valid now.
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
    let own = params.self_signed(&key).expect("a certificate");
    let trust = crate::transport::roots::only(own.pem().as_bytes()).expect("a certificate");
    assert_eq!(handshake(&trust, own.der(), &key), Ok(()));
    let other = KeyPair::generate().expect("a key");
    assert!(matches!(
        handshake(&trust, own.der(), &other),
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    ));
}

#[test]
fn r6_a_registrys_trust_makes_nobody_the_api_server() {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
    let own = params.self_signed(&key).expect("a certificate");
    let mut registries = crate::transport::roots::Registries::public();
    registries.add(own.pem().as_bytes()).expect("a certificate");
    let registries = registries.client().expect("a trust");
    assert_eq!(handshake(&registries, own.der(), &key), Ok(()));
    let api_server = crate::transport::roots::only(ca("ca", |_| {}).pem().as_bytes()).expect("a CA");
    let refused = handshake(&api_server, own.der(), &key).expect_err("another trust");
    let failure = crate::transport::Failure::Certificate(CertificateFailure::UnknownCa);
    assert_eq!(crate::transport::Failure::of(&refused), failure);
}
