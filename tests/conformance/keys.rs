//! Generated keys of `auths`: registries as people and tools have written them, and what only looks like one.

use proptest::{prelude::*, sample::select};

/// A key, before it is written in JSON.
pub fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => usual(),
        10 => near(),
        5 => assembled(),
        1 => "[a-z*?\\[\\]^:/.@#%\\\\-]{0,12}",
        1 => ".{0,6}",
    ]
}

fn usual() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["quay.io", "https://quay.io", "quay.io/team", "http://quay.io/v1/", "quay.io/team/model"]),
        2 => select(vec!["https://index.docker.io/v1/", "docker.io", "docker.io/library", "index.docker.io"]),
        1 => select(vec!["registry.example.com:5000", "*.example.com", "localhost:5000"]),
        1 => select(vec!["Quay.io", "quay.io/Team", "https://Index.docker.io/v1/", "LOCALHOST:5000"]),
    ]
    .prop_map(str::to_owned)
}

/// Registries of [`crate::images::image`], in every spelling that some client takes for the same.
fn near() -> impl Strategy<Value = String> {
    let scheme = select(vec!["", "", "", "https://", "http://"]);
    let host = select(vec![
        "quay.io",
        "quay.io",
        "*.io",
        "q?ay.*",
        "docker.io",
        "docker.io",
        "index.docker.io",
        "*.docker.io",
        "registry.example.com",
        "*.example.com",
        "*.*.example.com",
        "registry.example.com:5000",
        "localhost",
        "localhost:5000",
        "[::1]:5000",
    ]);
    let path = select(vec![
        "",
        "",
        "",
        "/",
        "/v1/",
        "/v2/",
        "/team",
        "/team/model",
        "/te",
        "/library",
        "/v1/team",
    ]);
    (scheme, host, path).prop_map(|(scheme, host, path)| format!("{scheme}{host}{path}"))
}

fn assembled() -> impl Strategy<Value = String> {
    let scheme = select(vec![
        "",
        "https://",
        "http://",
        "HTTPS://",
        "http://https://",
        "https://http://",
        "oci://",
        "//",
    ]);
    let user = select(vec!["", "", "", "user@", "u:p@", "a b@", "%zz@", "u%40@"]);
    let host = select(vec![
        "quay.io",
        "Quay.io",
        "*.io",
        "q*y.io",
        "quay.*",
        "qua?.io",
        "[q]uay.io",
        "[^a]uay.io",
        "q\\uay.io",
        "quay.io.",
        "%71uay.io",
        "quay.io%",
        "qu\u{e4}y.io",
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "Index.docker.io",
        "registry.example.com",
        "*.example.com",
        "*.*.com",
        "*.*.example.com",
        "*",
        "[",
        "",
        "localhost",
        "10.0.0.1",
        "10.0.0.*",
        "[::1]",
        "[::1%25eth0]",
        "[2001:db8::1]",
        "::1",
    ]);
    let port = select(vec![
        "",
        "",
        "",
        ":5000",
        ":443",
        ":",
        ":*",
        ":05000",
        ":[0-9]*",
        ":5?00",
        ":99999999",
    ]);
    let path = select(vec![
        "",
        "",
        "/",
        "/v1/",
        "/v2/",
        "/v1",
        "/v2",
        "/v1/team",
        "/v2/team/",
        "/v1/v2/",
        "/team",
        "/te",
        "/team/",
        "/team/model",
        "/team/*",
        "/library",
        "/library/ubuntu",
        "//",
        "/%74eam",
        "/te%zzam",
        "/team?x=y",
        "?",
        "#",
        "/#%zz",
        "/team#x",
        "/Team",
        "/ team",
        "/team\n",
        "/%ff",
    ]);
    (scheme, user, host, port, path)
        .prop_map(|(scheme, user, host, port, path)| format!("{scheme}{user}{host}{port}{path}"))
}
