//! Property tests with generated documents. The generator keeps the pieces, so the expected document is assembled from
//! them, without the code under test.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::image::ImageReference;

const KEY: &str = "quay.io/team";

/// Values that a parser of numbers, strings or trees would lose, change or reject.
fn odd_value() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "2.50",
        "1E+2",
        "1e400",
        "-0",
        "-0.0e-0",
        "12345678901234567890123",
        r#""\u00e9""#,
        r#""\/""#,
        r#""\ud800""#,
        r#""\uDFFF\ud83d\ude00""#,
        r#""\u0000\b""#,
        "\"\u{e9}\u{2028}\u{7f}\"",
        "null",
        "true",
        "{ }",
        "[\t]",
        r#""}],{[""#,
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|values| format!("[ {}]", values.join(" , "))),
            vec(inner.clone(), 0..3).prop_map(|values| {
                let members: Vec<_> = values
                    .iter()
                    .enumerate()
                    .map(|(i, value)| format!("\"k{i}\" :{value}"))
                    .collect();
                format!("{{{} }}", members.join(","))
            }),
            (1..200_usize, inner).prop_map(|(depth, value)| format!(
                "{}{value}{}",
                "[".repeat(depth),
                "]".repeat(depth)
            )),
        ]
    })
}

/// Unmanaged entry, valid or not.
fn odd_entry() -> impl Strategy<Value = String> {
    prop_oneof![
        odd_value(),
        odd_value().prop_map(|value| format!(r#"{{ "auth" : "dTpw","x":{value} }}"#)),
        Just(r#"{"username":"\u0075","password":"p"}"#.to_owned()),
    ]
}

fn white_space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,3}"
}

/// White space, name, white space, value, white space: `end` is where the value ends.
#[derive(Debug, Clone)]
struct Piece {
    before_value: String,
    value: String,
    after_value: String,
}

impl Piece {
    fn text(&self) -> String {
        format!("{}{}{}", self.before_value, self.value, self.after_value)
    }
}

/// Members whose names differ in more than case, with various escapes.
fn pieces(value: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Piece>> {
    let stem = select(vec![
        "quay.io",
        "*.io",
        r"\u0061\/b",
        "\u{e9}",
        r"\ud800",
        "",
        "https:\\/\\/index.docker.io",
    ]);
    vec(
        (
            stem,
            white_space(),
            white_space(),
            white_space(),
            value,
            white_space(),
        ),
        0..4,
    )
    .prop_map(|members| {
        let pieces = members
            .into_iter()
            .enumerate()
            .map(|(i, (stem, a, b, c, value, after_value))| Piece {
                before_value: format!("{a}\"{stem}{i}\"{b}:{c}"),
                value,
                after_value,
            });
        pieces.collect()
    })
}

fn join(pieces: &[Piece]) -> String {
    pieces.iter().map(Piece::text).collect::<Vec<_>>().join(",")
}

/// Inserts a piece.
fn insert(mut pieces: Vec<Piece>, at: usize, piece: Piece) -> Vec<Piece> {
    pieces.insert(at % (pieces.len() + 1), piece);
    pieces
}

fn member(name: &str, value: &str) -> Piece {
    Piece {
        before_value: format!("\"{name}\" :\t"),
        value: value.to_owned(),
        after_value: " ".to_owned(),
    }
}

proptest! {
    #[test]
    fn replacing_our_entry_changes_no_byte_outside_it(
        top in pieces(odd_value()), entries in pieces(odd_entry()), ours in odd_entry(),
        at in any::<usize>(), auths_at in any::<usize>(),
    ) {
        let document = |our_value: &str| {
            let entries = join(&insert(entries.clone(), at, member(KEY, our_value)));
            format!(" {{{}}}\n", join(&insert(top.clone(), auths_at, member("auths", &format!("{{{entries}}}")))))
        };
        prop_assert_eq!(set(&document(&ours), KEY), (document(ENTRY), false));
    }

    #[test]
    fn adding_our_entry_changes_no_byte_around_it(
        top in pieces(odd_value()), entries in pieces(odd_entry()), auths_at in any::<usize>(),
    ) {
        let document = |entries: &[Piece]| {
            format!("{{{}}}", join(&insert(top.clone(), auths_at, member("auths", &format!("{{{}}}", join(entries))))))
        };
        let mut after = entries.clone();
        match after.last_mut() {
            Some(last) => last.value = format!(r#"{},"{KEY}":{ENTRY}"#, last.value),
            None => after.push(Piece {
                before_value: format!(r#""{KEY}":"#), value: ENTRY.to_owned(), after_value: String::new(),
            }),
        }
        prop_assert_eq!(set(&document(&entries), KEY), (document(&after), false));
    }

    #[test]
    fn wrapping_moves_the_entries_as_they_are_and_keeps_the_rest(
        top in pieces(odd_value()), entries in pieces(Just(r#"{"auth" : "\u0064Tpw" }"#.to_owned())),
        first in any::<usize>(),
    ) {
        let entries: Vec<Piece> = entries
            .into_iter()
            .enumerate()
            .map(|(i, piece)| Piece { before_value: format!("\n\"registry{i}.example\" : "), ..piece })
            .collect();
        let first = first % (top.len() + 1);
        // Adjacent entries become the members of an `auths` in their place.
        let mut pieces = top.clone();
        pieces.splice(first..first, entries.clone());
        let unwrapped = format!("{{{}}}", join(&pieces));
        let document = Document::parse(unwrapped.as_bytes()).unwrap();
        prop_assert_eq!(document.looks_unwrapped(), !entries.is_empty());
        if let (Some(begin), Some(end)) = (entries.first(), entries.last()) {
            let all = join(&entries);
            let inner = all.strip_prefix('\n').and_then(|all| all.strip_suffix(end.after_value.as_str())).unwrap();
            let mut pieces = top;
            pieces.insert(first, Piece {
                before_value: "\n".to_owned(),
                value: format!(r#""auths":{{{inner},"{KEY}":{ENTRY}}}"#),
                after_value: end.after_value.clone(),
            });
            prop_assert!(begin.before_value.starts_with('\n'));
            prop_assert_eq!(set(&unwrapped, KEY), (format!("{{{}}}", join(&pieces)), true));
        }
    }

    #[test]
    fn setting_the_entry_again_changes_nothing_and_it_is_read_back(
        top in pieces(odd_value()), auths in prop_oneof![
            Just(None), Just(Some("null".to_owned())),
            pieces(odd_entry()).prop_map(|entries| Some(format!("{{{}}}", join(&entries)))),
        ],
        at in any::<usize>(),
    ) {
        let pieces = match auths {
            Some(value) => insert(top, at, member("auths", &value)),
            None => top,
        };
        let document = format!("{{{}}}", join(&pieces));
        {
            let parsed = Document::parse(document.as_bytes()).unwrap();
            let (first, repaired) = set(&document, KEY);
            prop_assert_eq!(repaired, parsed.auths() != Auths::Present);
            prop_assert_eq!(set(&first, KEY), (first.clone(), false));
            let stored = Document::parse(first.as_bytes()).unwrap().entry(KEY).unwrap();
            prop_assert!(stored.is_well_formed());
            prop_assert_eq!((stored.username(), stored.password().expose_secret()), ("<token>", "TOKEN"));
            let image = ImageReference::parse("quay.io/team/model").unwrap();
            if let Ok(keyring) = kubelet_reads(first.as_bytes()) {
                prop_assert!(keyring.lookup(&image).into_iter().any(|auth| credential(auth) == (KEY, "<token>", "TOKEN")));
            }
            if let Ok(auth_file) = containers_image_reads(first.as_bytes()) {
                let found = auth_file.lookup(&image).unwrap().unwrap();
                prop_assert_eq!(credential(&found), (KEY, "<token>", "TOKEN"));
            }
        }
    }

    #[test]
    fn v7_an_auths_of_any_other_type_is_left_alone(
        top in pieces(odd_value()), auths in odd_value(), at in any::<usize>(),
    ) {
        let document = format!("{{{}}}", join(&insert(top, at, member("auths", &auths))));
        let is_left = matches!(
            Document::parse(document.as_bytes()),
            Err(DocumentError::Unreadable(Unreadable::AuthsNotAnObject(_)))
        );
        prop_assert_eq!(is_left, !auths.starts_with('{') && auths != "null");
    }

    #[test]
    fn nothing_from_outside_panics(
        bytes in vec(any::<u8>(), 0..200),
        soup in "([{}\\[\\]:,\" \\\\]|auths|Auths|\"quay.io\":|\"auth\":|\"dTpw\"|null|1e400|\\\\ud800){0,40}",
        cut in any::<usize>(),
    ) {
        let valid = format!(r#"{{"auths":{{"quay.io":{{"auth":"dTpw"}},"*":[{soup:?}]}},"x":{soup:?}}}"#);
        let mut changed = valid.clone().into_bytes();
        let at = cut % changed.len();
        changed[at] = bytes.first().copied().unwrap_or_default();
        let image = ImageReference::parse("quay.io/team/model").unwrap();
        for document in [bytes.as_slice(), soup.as_bytes(), &valid.as_bytes()[..at], &changed] {
            if let Ok(parsed) = Document::parse(document) {
                let _ = (parsed.entry("quay.io"), parsed.with_entries(&[("quay.io", &entry())]));
            }
            let _ = kubelet_reads(document).map(|keyring| keyring.lookup(&image).len());
            let _ = containers_image_reads(document).map(|auth_file| auth_file.lookup(&image).is_ok());
            let _ = invalid_unmanaged_entry(document, &["quay.io"]);
        }
    }

    #[test]
    fn any_credential_is_read_back_as_it_was(username in "[^:\\p{Cc}]{1,20}", password in any::<String>()) {
        let ours = Entry::new(&username, SecretString::from(password.as_str())).unwrap();
        let edited = Document::parse(b"{}").unwrap().with_entries(&[(KEY, &ours)]);
        let stored = Document::parse(&edited.bytes).unwrap().entry(KEY).unwrap();
        prop_assert!(stored.is_well_formed());
        prop_assert_eq!((stored.username(), stored.password().expose_secret()), (username.as_str(), password.as_str()));
    }
}
