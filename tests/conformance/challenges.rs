//! The reader of WWW-Authenticate against containers/image's and go-containerregistry's.
//!
//! Both read the first challenge of a header, without white space around `=` and without empty values. The program reads all
//! of RFC 9110: where they read a parameter, it reads the same.

use ensure_pull_secret::registry::challenge::{self, Challenge};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    consumers::{ChallengeReading, Consumers},
    search::{Tally, agree},
};

#[test]
fn r11_challenges_are_read_as_clients_read_them() {
    let consumers = Consumers::start();
    agree(
        prop_oneof![
            (plain(), Just(true)),
            (any_form(), Just(false)),
            (damaged(), Just(false))
        ],
        &[
            ("every parameter read by all", 5),
            ("more parameters than clients read", 5),
            ("several challenges", 10),
            ("more of a value", 100),
        ],
        |(header, is_plain), tally| judge(&consumers, &header, is_plain, tally),
    );
}

fn judge(consumers: &Consumers, header: &str, is_plain: bool, tally: &mut Tally) -> Result<(), String> {
    let theirs = consumers.read_challenge(header);
    let ours = challenge::parse(header);
    if ours.len() > 1 {
        tally.count("several challenges");
    }
    if theirs.containers_image.scheme.is_empty() {
        return Ok(());
    }
    let Some(ours) = ours.first() else {
        return Err(format!("we read nothing, they {theirs:?}"));
    };
    for client in [&theirs.containers_image, &theirs.go_container_registry] {
        is_read(client, ours, is_plain, tally)?;
    }
    Ok(())
}

/// What the client reads, the program reads; and nothing else of a header in the form that all of them know.
fn is_read(
    client: &ChallengeReading,
    ours: &Challenge,
    is_plain: bool,
    tally: &mut Tally,
) -> Result<(), String> {
    let differ = || Err(format!("we read {ours:?}, a client {client:?}"));
    if client.scheme != ours.scheme {
        return differ();
    }
    for (name, value) in &client.parameters {
        let mut values = ours.parameters.iter().filter(|(known, _)| known == name);
        let is_longer = |ours: &str| ours.len() > value.len() && ours.starts_with(value.as_str());
        if values.clone().any(|(_, known)| known == value) {
        } else if !is_plain && values.any(|(_, known)| is_longer(known)) {
            // They end a value without quotes where its characters are no token's: realm=https://...
            tally.count("more of a value");
        } else {
            return differ();
        }
    }
    let known = ours
        .parameters
        .iter()
        .all(|(name, _)| client.parameters.contains_key(name));
    match (known, is_plain) {
        (true, true) => tally.count("every parameter read by all"),
        (true, false) => {}
        (false, true) => return differ(),
        (false, false) => tally.count("more parameters than clients read"),
    }
    Ok(())
}

/// One challenge in the form that all programs read.
fn plain() -> impl Strategy<Value = String> {
    let value = prop_oneof![quoted(1), "[a-zA-Z0-9.-]{1,8}"];
    let parameters = vec((name(), value), 0..5).prop_map(|parameters| {
        parameters
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
    });
    (scheme(), parameters, select(vec![",", ", ", " ,", " , "])).prop_map(|(scheme, parameters, comma)| {
        format!("{scheme} {}", parameters.collect::<Vec<_>>().join(comma))
    })
}

/// Challenges in every form of RFC 9110, and URLs without quotes.
fn any_form() -> impl Strategy<Value = String> {
    let parameter = || {
        let equals = select(vec!["=", "=", "=", " =", "= ", "\t=\t"]);
        (name(), equals, any_value()).prop_map(|(name, equals, value)| format!("{name}{equals}{value}"))
    };
    let separator = || select(vec![",", ", ", " ,", ",,", ", ,", ",\t"]);
    let challenge = prop_oneof![
        4 => (scheme(), vec((parameter(), separator()), 1..5)).prop_map(|(scheme, parameters)| {
            let parameters = parameters.into_iter().map(|(parameter, separator)| format!("{parameter}{separator}"));
            format!("{scheme} {}", parameters.collect::<String>())
        }),
        1 => (scheme(), "[a-zA-Z0-9+/]{1,8}={0,2}").prop_map(|(scheme, token)| format!("{scheme} {token},")),
        1 => scheme().prop_map(|scheme| format!("{scheme},")),
    ];
    vec(challenge, 1..4).prop_map(|challenges| challenges.concat())
}

/// A header with text lost or inserted.
fn damaged() -> impl Strategy<Value = String> {
    let inserted = select(vec!["", "\"", "\\", "=", ",", " ", "@", "(x)", "Basic "]);
    (any_form(), 0..80_usize, 0..4_usize, inserted).prop_map(|(header, at, lost, inserted)| {
        let head: String = header.chars().take(at).collect();
        let tail: String = header.chars().skip(at + lost).collect();
        format!("{head}{inserted}{tail}")
    })
}

fn scheme() -> impl Strategy<Value = &'static str> {
    select(vec![
        "Basic",
        "basic",
        "Bearer",
        "bearer",
        "BEARER",
        "Digest",
        "Negotiate",
    ])
}

fn name() -> impl Strategy<Value = &'static str> {
    select(vec![
        "realm", "Realm", "REALM", "service", "scope", "error", "charset", "x-y",
    ])
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => quoted(0),
        2 => "[a-zA-Z0-9.-]{1,8}",
        1 => select(vec!["https://registry.test/token", "https://h:5000/t?a=b", "a/b"]).prop_map(str::to_owned),
    ]
}

/// A quoted string with at least this many characters, some of them escaped.
fn quoted(least: usize) -> impl Strategy<Value = String> {
    let character = prop_oneof![
        6 => "[a-z0-9:/.?&=, ]",
        1 => select(vec!["\\\"", "\\\\", "\\a", "\\,", "\t", "é"]).prop_map(str::to_owned),
    ];
    vec(character, least..12).prop_map(|characters| format!("\"{}\"", characters.concat()))
}
