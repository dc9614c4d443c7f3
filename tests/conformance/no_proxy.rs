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
        case(),
        &[
            ("through the proxy", 4),
            ("direct by an item", 10),
            ("an item near the host", 3),
            ("direct by an item near the host", 20),
        ],
        |(no_proxy, (host, port), is_near), tally| judge(&consumers, &no_proxy, &host, port, is_near, tally),
    );
}

fn judge(
    consumers: &Consumers,
    no_proxy: &str,
    host: &str,
    port: u16,
    is_near: bool,
    tally: &mut Tally,
) -> Result<(), String> {
    let theirs = consumers.is_direct(no_proxy, &format!("{host}:{port}"));
    let ours = NoProxy::parse(no_proxy).excludes(host, port);
    if is_near {
        tally.count("an item near the host");
    }
    if !theirs {
        tally.count("through the proxy");
    } else if !NoProxy::default().excludes(host, port) {
        tally.count("direct by an item");
        if is_near {
            tally.count("direct by an item near the host");
        }
    }
    (ours == theirs)
        .then_some(())
        .ok_or(format!("direct: {ours}; Go: {theirs}"))
}

/// A list, a host with its port, and whether the list has an item that is like the host.
fn case() -> impl Strategy<Value = (String, (String, u16), bool)> {
    let asked = || (host(), select(vec![443, 5000, 8443]));
    prop_oneof![
        (no_proxy(), asked()).prop_map(|(list, asked)| (list, asked, false)),
        (no_proxy(), asked(), near(), any::<bool>()).prop_map(|(list, asked, near, is_first)| {
            let item = near(&asked.0, asked.1);
            let list = if is_first {
                format!("{item},{list}")
            } else {
                format!("{list},{item}")
            };
            (list, asked, true)
        }),
    ]
}

/// An item made of the host and its port: dots at either end, a parent, another case, white space, brackets, a network.
fn near() -> impl Strategy<Value = fn(&str, u16) -> String> {
    fn bare(host: &str) -> &str {
        host.trim_matches(['[', ']'])
    }
    let items: Vec<fn(&str, u16) -> String> = vec![
        |host: &str, _: u16| host.to_owned(),
        |host: &str, _: u16| format!("{host}."),
        |host: &str, _: u16| host.trim_end_matches('.').to_owned(),
        |host: &str, _: u16| format!(".{host}"),
        |host: &str, _: u16| format!(".{host}."),
        |host: &str, _: u16| format!("*.{host}"),
        |host: &str, _: u16| format!("*{host}"),
        |host: &str, _: u16| host.to_uppercase(),
        |host: &str, _: u16| format!(" \t{host} \n"),
        |host: &str, _: u16| format!("{host} x"),
        |host: &str, port: u16| format!("{host}:{port}"),
        |host: &str, port: u16| format!("{host}.:{port}"),
        |host: &str, port: u16| format!("{host}:0{port}"),
        |host: &str, port: u16| format!("{host} :{port}"),
        |host: &str, port: u16| format!("{host}:{}", port + 1),
        |host: &str, _: u16| format!("{host}:"),
        |host: &str, port: u16| format!("https://{host}:{port}"),
        |host: &str, _: u16| {
            host.split_once('.')
                .map_or_else(String::new, |(_, parent)| format!("*.{parent}"))
        },
        |host: &str, _: u16| {
            host.split_once('.')
                .map_or_else(String::new, |(_, parent)| format!(".{parent}."))
        },
        |host: &str, port: u16| {
            host.split_once('.')
                .map_or_else(String::new, |(_, parent)| format!("{parent}:{port}"))
        },
        |host: &str, _: u16| bare(host).to_owned(),
        |host: &str, _: u16| bare(host).to_uppercase(),
        |host: &str, port: u16| format!("{}:{port}", bare(host)),
        |host: &str, port: u16| format!("[{}]:{port}", bare(host)),
        |host: &str, _: u16| format!("[{}]", bare(host)),
        |host: &str, _: u16| format!("{}/8", bare(host)),
        |host: &str, _: u16| format!("{}/32", bare(host)),
        |host: &str, _: u16| format!("{}/128", bare(host)),
        |host: &str, _: u16| format!("{host}/16"),
        |host: &str, _: u16| format!("{}/16:443", bare(host)),
    ];
    select(items)
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
            "a.registry.test.",
            "svc.",
            "reg.apps.svc",
            "apps.svc",
            "svc",
            "localhost",
            "localhost.",
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
