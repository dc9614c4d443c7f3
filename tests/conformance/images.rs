//! Generated images, and image references that may be none.

use proptest::{collection::vec, prelude::*, sample::select};

/// Output of `sha256sum </dev/null`.
const SHA256: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An image for which credentials are looked up.
pub fn image() -> impl Strategy<Value = String> {
    let usual = prop_oneof![
        4 => select(vec!["quay.io/team/model", "quay.io/model:1"]),
        2 => select(vec!["ubuntu", "docker.io/team/model"]),
        1 => select(vec!["registry.example.com:5000/team/model", "registry.example.com/team/model", "localhost:5000/model"]),
    ];
    prop_oneof![
        8 => usual.prop_map(str::to_owned),
        3 => any_image(),
    ]
}

fn any_image() -> impl Strategy<Value = String> {
    let host = select(vec![
        "quay.io/",
        "",
        "docker.io/",
        "index.docker.io/",
        "registry.example.com/",
        "registry.example.com:5000/",
        "quay.io:443/",
        "quay.io:5000/",
        "Quay.io/",
        "a.b.example.com/",
        "localhost/",
        "localhost:5000/",
        "10.0.0.1/",
        "[::1]/",
        "[::1]:5000/",
        "[2001:db8::1]:443/",
        "Registry/",
        "registry-1.docker.io/",
    ]);
    let repository = select(vec![
        "team/model",
        "model",
        "teamwork/model",
        "ubuntu",
        "library/ubuntu",
        "team/model/part",
        "v1/model",
        "v2/team/model",
        "te/model",
    ]);
    let tag = select(vec![
        "",
        ":1",
        "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ]);
    (host, repository, tag).prop_map(|(host, repository, tag)| format!("{host}{repository}{tag}"))
}

/// A text that may be an image reference.
pub fn reference() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => image(),
        8 => assembled(),
        4 => damaged(),
        2 => "[a-zA-Z0-9._:/@\\[\\]\u{e9} -]{0,30}",
        1 => any::<String>(),
        1 => long(),
    ]
}

fn assembled() -> impl Strategy<Value = String> {
    let scheme = select(vec![
        "",
        "",
        "",
        "",
        "oci://",
        "oci+native://",
        "oci+fetch://",
        "docker://",
        "https://",
        "s3://",
        "oci:",
        " ",
        "\n",
    ]);
    let host = select(vec![
        "",
        "quay.io/",
        "docker.io/",
        "index.docker.io/",
        "localhost/",
        "localhost:5000/",
        "LOCALHOST/",
        "Registry/",
        "registry/",
        "registry:5000/",
        "my_host.example/",
        "my_host:5000/",
        "-quay.io/",
        "quay-.io/",
        "quay..io/",
        "quay.io./",
        "quay.io:/",
        "quay.io:port/",
        "quay.io:99999/",
        "quay.io:443:1/",
        "10.0.0.1:5000/",
        "[::1]/",
        "[::1]:5000/",
        "[2001:DB8::1]/",
        "[::ffff:1.2.3.4]/",
        "[fe80::1%eth0]/",
        "[1:2]/",
        "[:]/",
        "[]/",
        "[::1]x/",
        "::1/",
        "user@quay.io/",
        "qu\u{e4}y.io/",
        "a.b-c.d--e/",
        "\u{130}.io/",
        "/",
        "./",
        "../",
    ]);
    let part = select(vec![
        "model", "team", "a", "0", "a.b", "a_b", "a__b", "a___b", "a-b", "a---b", "a-_b", "a..b", ".a", "a.",
        "_a", "a-", "", "Team", "\u{e9}", "\u{212a}", "a b", "library", "v1",
    ]);
    let tag = select(vec![
        "", "", "", ":1", ":latest", ":", ":-1", ":.1", ":_1", ":A.b-c_d", ":1:2", ":1/2", ":\u{e9}", ": 1",
    ]);
    let digest = select(vec![
        String::new(),
        String::new(),
        String::new(),
        format!("@{SHA256}"),
        format!("@{SHA256}0"),
        format!("@{SHA256}@{SHA256}"),
        format!("@SHA256:{}", "a".repeat(64)),
        format!("@sha256:{}", "A".repeat(64)),
        format!("@sha384:{}", "a".repeat(96)),
        format!("@sha512:{}", "a".repeat(128)),
        format!("@md5:{}", "a".repeat(32)),
        format!("@sha256+b64:{}", "a".repeat(64)),
        format!("@blake3:{}", "a".repeat(64)),
        format!("@sha256:{}", "g".repeat(64)),
        "@sha256:abc".to_owned(),
        "@".to_owned(),
        "@x".to_owned(),
    ]);
    (scheme, host, vec(part, 1..4), tag, digest).prop_map(|(scheme, host, parts, tag, digest)| {
        format!("{scheme}{host}{}{tag}{digest}", parts.join("/"))
    })
}

/// Something right with one character put in or taken out.
fn damaged() -> impl Strategy<Value = String> {
    let extra = select(vec![
        "", "/", ":", "@", ".", "-", "_", "__", " ", "\u{a0}", "\u{feff}", "\u{85}", "\u{200b}", "A", "0",
        "[", "]", "%", "://", "\0",
    ]);
    (image(), any::<prop::sample::Index>(), extra, any::<bool>()).prop_map(|(image, at, extra, drops)| {
        let at = at.index(image.len());
        let rest = image.get(at + usize::from(drops)..).unwrap_or_default();
        format!("{}{extra}{rest}", &image[..at])
    })
}

/// Around the limits of length: 255 for a name, 128 for a tag, and the bare identifier of 64 digits.
fn long() -> impl Strategy<Value = String> {
    prop_oneof![
        (235..260_usize).prop_map(|length| "a".repeat(length)),
        (235..260_usize).prop_map(|length| format!("quay.io/{}", "a".repeat(length))),
        (235..260_usize).prop_map(|length| format!("{}.io/a", "a".repeat(length))),
        (120..135_usize).prop_map(|length| format!("quay.io/a:{}", "a".repeat(length))),
        (62..67_usize).prop_map(|length| "0".repeat(length)),
        (62..67_usize).prop_map(|length| format!("a/{}", "0".repeat(length))),
    ]
}
