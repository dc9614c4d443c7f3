//! The reader of NO_PROXY against Go's `golang.org/x/net/http/httpproxy`, which the kubelet's runtimes use.

use ensure_pull_secret::config::NoProxy;
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    consumers::Consumers,
    search::{Tally, agree},
};

#[test]
fn r7_no_proxy_excludes_the_hosts_that_go_excludes() {
    let consumers = Consumers::start();
    agree(
        (no_proxy(), host(), select(vec![443, 5000, 8443])),
        &[("through the proxy", 4), ("direct by an item", 30)],
        |(no_proxy, host, port), tally| judge(&consumers, &no_proxy, &host, port, tally),
    );
}

fn judge(
    consumers: &Consumers,
    no_proxy: &str,
    host: &str,
    port: u16,
    tally: &mut Tally,
) -> Result<(), String> {
    let theirs = consumers.is_direct(no_proxy, &format!("{host}:{port}"));
    let ours = NoProxy::parse(no_proxy).excludes(host, port);
    if !theirs {
        tally.count("through the proxy");
    } else if !NoProxy::default().excludes(host, port) {
        tally.count("direct by an item");
    }
    (ours == theirs)
        .then_some(())
        .ok_or(format!("direct: {ours}; Go: {theirs}"))
}

/// Hosts of URLs, as registries have them.
fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec![
            "registry.test",
            "a.registry.test",
            "a.b.registry.test",
            "xregistry.test",
            "Registry.Test",
            "registry.test.",
            "reg.apps.svc",
            "apps.svc",
            "svc",
            "localhost",
            "LOCALHOST",
            "localhost.localdomain",
            "a_b.registry.test",
        ]),
        4 => select(vec![
            "10.1.2.3",
            "10.2.0.0",
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fd00::1]",
            "[fd00:1::1]",
            "[::ffff:10.1.2.3]",
            "[::ffff:127.0.0.1]",
        ]),
    ]
    .prop_map(str::to_owned)
}

/// Lists of items, some with white space, some damaged.
fn no_proxy() -> impl Strategy<Value = String> {
    let separator = select(vec![",", ",", ",", ",", ",", ", ", " ,", ",,", " ", ",\n", "\t,"]);
    vec((item(), separator), 1..6).prop_map(|items| {
        items
            .into_iter()
            .map(|(item, separator)| format!("{item}{separator}"))
            .collect()
    })
}

fn item() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => domain(),
        6 => address(),
        1 => select(vec!["*", "*.", ".", "..", "", "**", "*.*", ":", ":443", "[", "]", "[]", "[]:443", "/", "/8"])
            .prop_map(str::to_owned),
        1 => "[a-z.*:/\\[\\]0-9 ]{0,12}",
    ]
}

fn domain() -> impl Strategy<Value = String> {
    let before = select(vec!["", "", "", ".", ".", "*.", "*.", "*", "*.*.", "https://"]);
    let name = select(vec![
        "registry.test",
        "REGISTRY.test",
        "test",
        "test",
        "svc",
        "apps.svc",
        "reg.apps.svc",
        "localhost",
        "a.registry.test",
        "registry.test.",
        "b.registry",
    ]);
    let after = select(vec![
        "",
        "",
        "",
        ":443",
        ":5000",
        ":0443",
        ":",
        ":x",
        "/",
        ".",
        ":443:5000",
        "*",
    ]);
    (before, name, after).prop_map(|(before, name, after)| format!("{before}{name}{after}"))
}

fn address() -> impl Strategy<Value = String> {
    let address = select(vec![
        "10.1.2.3",
        "10.0.0.0",
        "10.1.2",
        "010.1.2.3",
        "0.0.0.0",
        "127.0.0.1",
        "::1",
        "::",
        "fd00::1",
        "FD00::",
        "[fd00::1]",
        "fd00::1%eth0",
        "::ffff:10.1.2.3",
        "::ffff:10.0.0.0",
        "::ffff:a01:203",
    ]);
    let after = prop_oneof![
        4 => Just(String::new()),
        2 => select(vec![":443", ":5000", ":0443", ":", "/", "/-1", "/+8", "/08", "/8/8", "/x", "/ 8"]).prop_map(str::to_owned),
        4 => (0..=140_u32).prop_map(|length| format!("/{length}")),
        2 => select(vec![0, 8, 16, 24, 32, 64, 96, 104, 112, 128]).prop_map(|length| format!("/{length}")),
    ];
    (address, after).prop_map(|(address, after)| format!("{address}{after}"))
}
