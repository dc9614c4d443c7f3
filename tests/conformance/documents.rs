//! Generated documents: contents of pull secrets, common errors of people, and unusual but legal JSON.

use std::fmt;

use base64::{Engine as _, engine::general_purpose};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::keys::key;

/// The bytes of `.dockerconfigjson`; shown as a text where they are one.
#[derive(Clone)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            // The text itself, to copy; escaped where a terminal would not print it.
            Ok(text) if !text.chars().any(char::is_control) => f.write_str(text),
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "b\"{}\"", self.0.escape_ascii()),
        }
    }
}

/// A document; one in ten is damaged.
pub fn document() -> impl Strategy<Value = Bytes> {
    let text = prop_oneof![
        30 => object(),
        1 => "[ \n]{0,2}(null|true|\\[\\]|\"\\{\\}\"|0|nul)?[ \n]{0,2}",
    ];
    prop_oneof![
        10 => text.prop_map(|text| Bytes(text.into_bytes())),
        1 => damaged(),
    ]
}

/// A document of which some bytes are lost, replaced or too many.
fn damaged() -> impl Strategy<Value = Bytes> {
    let insert = select(vec![
        b"".as_slice(),
        b"\"",
        b"{",
        b"}",
        b",",
        b":",
        b"\\",
        b"\0",
        b"\n",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc3\xa9",
        b"\xef\xbb\xbf",
        b"/**/",
        b"0",
        b" null",
    ]);
    let place = prop_oneof![Just(0), Just(usize::MAX), any::<usize>()];
    (object(), place, insert, 0..3_usize, any::<bool>()).prop_map(|(text, place, insert, lost, is_cut)| {
        let mut bytes = text.into_bytes();
        let at = if place == usize::MAX {
            bytes.len()
        } else {
            place % (bytes.len() + 1)
        };
        let end = if is_cut {
            bytes.len()
        } else {
            (at + lost).min(bytes.len())
        };
        bytes.splice(at..end, insert.iter().copied());
        Bytes(bytes)
    })
}

fn object() -> impl Strategy<Value = String> {
    let rest = || vec(other_member(), 0..3);
    let second = prop_oneof![12 => Just(None), 1 => auths().prop_map(Some)];
    let first = prop_oneof![12 => auths().prop_map(Some), 1 => Just(None)];
    (rest(), first, rest(), second).prop_map(|(before, first, after, second)| {
        let members = before.into_iter().chain(first).chain(after).chain(second);
        braced(members.collect())
    })
}

fn braced(members: Vec<String>) -> String {
    format!("{{{}}}", members.join(","))
}

fn auths() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        20 => entries(),
        1 => entries().prop_map(|entries| format!(r#"{{"auths":{entries}}}"#)),
        1 => select(vec!["null", "[]", "5", "\"auths\"", "true", "{ }"]).prop_map(str::to_owned),
    ];
    member("auths", value)
}

fn entries() -> impl Strategy<Value = String> {
    let entry = (key(), entry(), style());
    (vec(entry, 0..6), any::<u8>(), white_space()).prop_map(|(mut entries, dice, space)| {
        // One document in twenty has its first entry twice.
        entries.extend(entries.first().cloned().filter(|_| dice > 243));
        let members = entries
            .iter()
            .map(|(key, entry, style)| format!("{space}{}{space}:{space}{entry}", style.quote(key)));
        braced(members.collect())
    })
}

/// Members at the top level beside `auths`.
fn other_member() -> impl Strategy<Value = String> {
    let texts = |texts: &[&'static str]| select(texts.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        2 => member("HttpHeaders", texts(&["{}", "{}", "{ }", r#"{"User-Agent":"x"}"#, r#"{"User-Agent":"x"}"#, r#"{"a":"\u00e9","a":"b"}"#, "null", r#"{"a":null}"#, r#"{"a":1}"#, "[]", "\"x\""])),
        2 => member("credHelpers", texts(&[
            "{}", "null", r#"{"quay.io":"x"}"#, r#"{"docker.io":"x"}"#, r#"{"index.docker.io":"x"}"#, r#"{"quay.io/team":"x"}"#,
            r#"{"registry.example.com:5000":""}"#, r#"{"quay.io":null}"#, r#"{"quay.io":1}"#, r#"{"Quay.io":"x","quay.io:443":"../x"}"#, "5",
        ])),
        1 => member("credsStore", texts(&["\"\"", "\"x\"", "null", "5"])),
        2 => member("detachKeys", odd_value()),
        1 => (key(), entry(), style()).prop_map(|(key, entry, style)| format!("{}:{entry}", style.quote(&key))),
        1 => (any::<String>(), odd_value(), style()).prop_map(|(name, value, style)| format!("{}:{value}", style.quote(&name))),
    ]
}

/// An entry; nine in ten as a tool writes it.
pub fn entry() -> impl Strategy<Value = String> {
    let written_by_tools = prop_oneof![
        3 => auth(true).prop_map(|auth| format!(r#"{{"auth":{auth}}}"#)),
        2 => auth(true).prop_map(|auth| format!(r#"{{"username":"x","password":"y","auth":{auth},"email":"z"}}"#)),
        2 => user().prop_map(|(user, password)| format!(r#"{{"username":"{user}","password":"{password}"}}"#)),
        1 => Just("{}".to_owned()),
    ];
    prop_oneof![
        40 => written_by_tools,
        4 => vec(entry_member(), 0..5).prop_map(braced),
        1 => odd_value(),
    ]
}

fn entry_member() -> impl Strategy<Value = String> {
    let value = || {
        prop_oneof![
            4 => user().prop_map(|(user, _)| format!("{user:?}")),
            1 => select(vec!["null", "\"\"", r#""\u0075""#, r#""\ud800""#, r#""\ud83d\ude00""#, "5", "{}"]).prop_map(str::to_owned),
        ]
    };
    prop_oneof![
        4 => member("auth", auth(false)),
        2 => member("username", value()),
        2 => member("password", value()),
        1 => member("email", value()),
        1 => member("identitytoken", value()),
        1 => member("registrytoken", value()),
        1 => member("x", odd_value()),
    ]
}

/// User names and passwords that distinguish entries.
fn user() -> impl Strategy<Value = (String, String)> {
    (0..1000_u32).prop_map(|n| (format!("u{n}"), format!("p{n}")))
}

/// The value of `auth`, right or in any of the ways in which it may be wrong.
fn auth(is_right: bool) -> impl Strategy<Value = String> {
    // Unusual parts of a password: NULs, which some clients remove, another colon, bytes that aren't text.
    let odd = select(vec![b"\0".as_slice(), b"\0\0", b":q", b"\xff", b"\xe2\x82"]);
    let odd = || prop_oneof![8 => Just(b"".as_slice()), 1 => odd.clone()];
    let right = (user(), odd(), odd(), 0..8_u8).prop_map(|((user, password), before, after, dice)| {
        let pair = [user.as_bytes(), b":", before, password.as_bytes(), after].concat();
        let text = general_purpose::STANDARD.encode(pair);
        if dice == 7 {
            with_bits_left_over(&text)
        } else {
            text
        }
    });
    let decoded = prop_oneof![
        user().prop_map(|(user, password)| format!("{user}:{password}").into_bytes()),
        select(vec![
            b"".as_slice(),
            b"u",
            b":",
            b"u:",
            b":p",
            b"u:p:q",
            b"u:\0p\0\0",
            b"u:p\0q",
            b"\0u:p",
            b"u:\xff",
            b"\xe2\x82:p",
            b"u:\xe2\x82\xac",
            b"<token>:t",
        ])
        .prop_map(<[u8]>::to_vec),
        vec(any::<u8>(), 0..6),
    ];
    let encoding = select(vec![
        general_purpose::STANDARD,
        general_purpose::STANDARD_NO_PAD,
        general_purpose::URL_SAFE,
        general_purpose::URL_SAFE_NO_PAD,
    ]);
    let extra = select(vec![
        "", "", "", "\n", "\r\n", " ", "=", "==", "A", "\t", "\u{a0}", "\u{85}", "\u{2003}", "?", "\0",
    ]);
    let wrong = (decoded, encoding, extra, any::<prop::sample::Index>(), style()).prop_map(
        |(decoded, encoding, extra, at, style)| {
            let mut text = encoding.encode(decoded);
            text.insert_str(at.index(text.len() + 1), extra);
            style.quote(&text)
        },
    );
    let right = (right, style()).prop_map(|(text, style)| style.quote(&text));
    if is_right {
        prop_oneof![60 => right, 1 => wrong].boxed()
    } else {
        prop_oneof![6 => right, 2 => wrong, 1 => select(vec!["null", "\"\"", "5", "[]"]).prop_map(str::to_owned)].boxed()
    }
}

/// Padded base64 whose last digit has unused bits that are set; not every decoder accepts that.
fn with_bits_left_over(text: &str) -> String {
    let digits = text.trim_end_matches('=');
    match digits.as_bytes().split_last() {
        // In a digit whose unused bits are zero, the next digit of the alphabet sets one of them.
        Some((last, rest)) if digits.len() < text.len() => {
            let mut bytes = rest.to_vec();
            bytes.push(last + 1);
            let padding = &text[digits.len()..];
            format!("{}{padding}", String::from_utf8_lossy(&bytes))
        }
        _ => text.to_owned(),
    }
}

/// A member of a name that clients know, sometimes in a spelling that only some of them know.
fn member(name: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let capital = |name: &str| {
        let (first, rest) = name.split_at(1);
        format!("{}{rest}", first.to_uppercase())
    };
    let spelling = prop_oneof![
        20 => Just(format!("{name:?}")),
        1 => select(vec![
            format!("{:?}", capital(name)),
            format!("{:?}", name.to_uppercase()),
            format!("{:?}", name.to_lowercase()),
            format!("{:?}", name.replacen('s', "\u{17f}", 1)),
            format!("{:?}", name.replacen('k', "\u{212a}", 1)),
            format!("\"\\u{:04x}{}\"", u32::from(name.as_bytes()[0]), &name[1..]),
            format!("\"\\u{:04X}{}\"", u32::from(name.to_uppercase().as_bytes()[0]), &name[1..]),
            format!("\" {name}\""),
            format!("\"{name}\\u0000\""),
        ]),
    ];
    (spelling, white_space(), value, white_space())
        .prop_map(|(name, before, value, after)| format!("{before}{name}{after}:{value}{after}"))
}

fn white_space() -> impl Strategy<Value = String> {
    select(vec!["", "", "", " ", "\n\t", "\r "]).prop_map(str::to_owned)
}

/// JSON string with various escapes.
#[derive(Clone, Copy, Debug)]
enum Style {
    Plain,
    FirstEscaped,
    SlashesEscaped,
    AllEscaped,
    WithPair,
    WithLoneSurrogate,
}

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![
        20 => Just(Style::Plain),
        1 => Just(Style::FirstEscaped),
        1 => Just(Style::SlashesEscaped),
        1 => Just(Style::AllEscaped),
        1 => select(vec![Style::WithPair, Style::WithLoneSurrogate]),
    ]
}

impl Style {
    fn quote(self, text: &str) -> String {
        let plain = serde_json::Value::from(text).to_string();
        let inner = &plain[1..plain.len() - 1];
        match self {
            Self::Plain => plain,
            Self::FirstEscaped => format!("\"{}\"", escaped(text, 1)),
            Self::SlashesEscaped => plain.replace('/', "\\/"),
            Self::AllEscaped => format!("\"{}\"", escaped(text, usize::MAX)),
            Self::WithPair => format!("\"{inner}\\uD83d\\ude00\""),
            Self::WithLoneSurrogate => format!("\"{inner}\\ud800\""),
        }
    }
}

fn escaped(text: &str, count: usize) -> String {
    text.chars()
        .enumerate()
        .map(|(i, c)| {
            let mut units = [0; 2];
            if i < count {
                c.encode_utf16(&mut units)
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}"))
                    .collect()
            } else {
                let quoted = serde_json::Value::from(c.to_string()).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        })
        .collect()
}

/// Values that a parser of numbers, strings or trees would lose, change or reject.
fn odd_value() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "\"x\"",
        "2.50",
        "1E+2",
        "1e400",
        "-0",
        "12345678901234567890123",
        "null",
        "true",
        r#""\ud800""#,
        r#""\/\u0000""#,
        "{ }",
        "[\t]",
        r#""}],{[""#,
        r#"{"a":1,"a":2,"A":3}"#,
    ]);
    let no_json = select(vec![
        "01",
        ".5",
        "1.",
        "+1",
        "'x'",
        "NaN",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\t\"",
        "[1,]",
        "{,}",
        "{\"a\"}",
    ]);
    let deep = prop_oneof![Just(100_usize), Just(9_998), Just(10_001)];
    prop_oneof![
        60 => leaf.prop_map(str::to_owned),
        2 => no_json.prop_map(str::to_owned),
        1 => deep.prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
    ]
}
