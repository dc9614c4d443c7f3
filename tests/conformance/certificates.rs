//! Verdicts on a server's certificate against those of Go's `crypto/tls` and `crypto/x509`: every combination of trust,
//! validity, name and key, each over a real handshake.

use std::time::Duration;

use ensure_pull_secret::{
    config::Proxy,
    image::HostPort,
    transport::{CertificateFailure, Dialer, Failure, Https, KeyType, roots},
};
use http::Request;
use tokio::time::Instant;

use crate::consumers::{Consumers, TlsServer};

/// How the certificate is related to what the client trusts; each with every key.
const TRUST: [&str; 5] = [
    "self-signed-ca",
    "self-signed",
    "pinned",
    "chain",
    "missing-intermediate",
];
/// The same, with one key.
const MORE_TRUST: [&str; 23] = [
    "ca",
    "chain-to-ca-leaf",
    "intermediate-trusted",
    "unknown-self-signed",
    "any-usage",
    "client-only",
    "client-only-pinned",
    "client-only-root",
    "expired-root",
    "expired-intermediate",
    "short-path",
    "root-may-not-sign",
    "intermediate-is-no-ca",
    "constrained",
    "permitted",
    "excluded",
    "permitted-addresses",
    "excluded-addresses",
    "critical-unknown",
    "critical-unknown-intermediate",
    "same-subject",
    "same-subject-first",
    "expired-beside-valid",
];
const VALIDITY: [&str; 3] = ["valid", "expired", "early"];
const NAME: [&str; 5] = ["right", "wildcard", "other", "common", "address"];
/// More names, with one key.
const MORE_NAME: [&str; 6] = [
    "wildcard-deep",
    "wildcard-usual",
    "wildcard-inside",
    "upper",
    "address-6",
    "address-6-other",
];
const KEY: [&str; 6] = ["P-256", "P-384", "P-521", "RSA 2048", "RSA 4096", "Ed25519"];

/// Runs on one thread, as the program does.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn r6_a_certificate_gets_the_verdict_that_go_gives_it() {
    let consumers = Consumers::start();
    let runtime = runtime();
    let with_every_key = TRUST.iter().flat_map(|trust| KEY.map(|key| (*trust, key)));
    let with_one_key = MORE_TRUST.iter().map(|trust| (*trust, KEY[0]));
    let (mut count, mut accepted) = (0, 0);
    let mut disagreements = Vec::new();
    for (trust, key) in with_every_key.chain(with_one_key) {
        let more_names = MORE_NAME.iter().filter(|_| key == KEY[0]);
        let names: Vec<_> = NAME.iter().chain(more_names).collect();
        let forms = VALIDITY
            .iter()
            .flat_map(|validity| names.iter().map(move |name| (*validity, **name)));
        for (validity, name) in forms {
            let server = consumers.tls_server(trust, validity, name, key, 0);
            let ours = runtime.block_on(verdict(&server));
            count += 1;
            accepted += u32::from(ours == "ok");
            let theirs = &server.verdict;
            let agrees = match theirs.as_str() {
                // Go looks for unknown extensions first.
                "unhandled" => ours == "other" || ours == "expired" && validity != "valid",
                // For webpki, a wildcard below a single label is within no constraint.
                "ok" if (trust, name) == ("permitted", "wildcard") => ours == "unknown",
                theirs => ours == expected(theirs, key),
            };
            if !agrees {
                disagreements.push(format!(
                    "{trust}, {validity}, {name}, {key}: {ours}; Go: {theirs}"
                ));
            }
        }
    }
    assert_eq!(disagreements, Vec::<String>::new(), "of {count}");
    println!("{count} certificates, {accepted} accepted");
    assert!(accepted > 60, "{accepted} of {count}");
}

/// Go's verdict, but for P-521: reported by name where Go would verify a signature.
fn expected<'a>(theirs: &'a str, key: &str) -> &'a str {
    match theirs {
        "ok" | "unknown" if key == "P-521" => "P-521",
        // Whichever CA of the chain it is, and why: another is needed.
        "invalid" => "unknown",
        theirs => theirs,
    }
}

async fn verdict(server: &TlsServer) -> &'static str {
    let trust = roots::only(server.roots.as_bytes()).expect("a certificate");
    let host = if server.host.contains(':') {
        format!("[{}]", server.host)
    } else {
        server.host.clone()
    };
    let from = HostPort::parse(&host).expect("a host");
    let to = HostPort::parse(&server.address).expect("an address");
    let https = Https::new(trust, Dialer::indirect(vec![(from, to)], Proxy::default()), 1024);
    let request = Request::get(format!("https://{host}/"))
        .body(Default::default())
        .expect("a request");
    let until = Instant::now() + Duration::from_secs(30);
    let failure = match https.exchange(request, until).await {
        Ok(_) => return "ok",
        Err(Failure::Certificate(failure)) => failure,
        Err(other) => panic!("{other}"),
    };
    match failure {
        CertificateFailure::Expired(_)
        | CertificateFailure::NotYetValid(_)
        | CertificateFailure::CaExpired(_)
        | CertificateFailure::CaNotYetValid(_) => "expired",
        CertificateFailure::OtherName(_) | CertificateFailure::NoName => "name",
        CertificateFailure::UnknownCa | CertificateFailure::CaMayNotSign => "unknown",
        CertificateFailure::NotForServers => "usage",
        CertificateFailure::UnsupportedKey(KeyType::Curve(curve)) => curve,
        _ => "other",
    }
}

/// As `crypto/tls` numbers it.
const TLS_1_2: u16 = 0x0303;

#[test]
fn r16_a_p_521_certificate_is_reported_by_name() {
    let consumers = Consumers::start();
    for trust in ["self-signed-ca", "pinned", "chain"] {
        for version in [TLS_1_2, 0] {
            let server = consumers.tls_server(trust, "valid", "right", "P-521", version);
            assert_eq!(server.verdict, "ok");
            assert_eq!(runtime().block_on(verdict(&server)), "P-521");
        }
    }
}
