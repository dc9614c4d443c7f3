//! Tests of documents that are left unchanged.

use super::*;
use crate::text::SafeName;

fn ambiguity(document: &str) -> Option<(Place, String, String)> {
    match Document::parse(document.as_bytes()) {
        Err(DocumentError::Ambiguous(Ambiguity {
            place,
            name,
            collides_with,
        })) => Some((place, name.to_string(), collides_with.to_string())),
        Ok(_) => None,
        Err(other) => unreachable!("{document}: {other}"),
    }
}

#[test]
fn document_that_no_client_parses_is_unreadable() {
    let too_deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let not_json = |line, column| Unreadable::NotJson { line, column };
    for (document, reason) in [
        (b"".as_slice(), not_json(1, 0)),
        (b"{\"auths\":{\"a\":\"\xff\"}}", Unreadable::NotUtf8),
        (b"\xef\xbb\xbf{\"auths\":{}}", Unreadable::ByteOrderMark),
        (b"\xff\xfe{\0}\0", Unreadable::NotUtf8),
        (b"{\"auths\":{}}x", not_json(1, 13)),
        (b"{\"auths\":{}}{}", not_json(1, 13)),
        (b"{\n\"auths\":{},}", not_json(2, 12)),
        (b"{'auths':{}}", not_json(1, 2)),
        (b"{\"a\":01}", not_json(1, 7)),
        (b"{\"a\":\"\t\"}", not_json(1, 6)),
        (b"null", Unreadable::NotAnObject),
        (b"[]", Unreadable::NotAnObject),
        (b"\"{}\"", Unreadable::NotAnObject),
        (b"1e400", Unreadable::NotAnObject),
        (too_deep.as_bytes(), Unreadable::TooDeep),
    ] {
        let shown = String::from_utf8_lossy(document.get(..40).unwrap_or(document));
        assert_eq!(
            Document::parse(document).err(),
            Some(DocumentError::Unreadable(reason)),
            "{shown}"
        );
    }
}

#[test]
fn v7_auths_of_another_type_is_unreadable() {
    for (document, kind) in [
        (
            r#"{"auths":"{\"quay.io\": {\"auth\": \"b3RoZXI6cHc=\"}}"}"#,
            "a string",
        ),
        (r#"{"auths":""}"#, "a string"),
        (
            r#"{"auths" : [{"registry":"quay.io","auth":"b3RoZXI6cHc="}]}"#,
            "a list",
        ),
        (r#"{"auths":[]}"#, "a list"),
        (r#"{"auths":0}"#, "a number"),
        (r#"{"auths":-1.5e3}"#, "a number"),
        (r#"{"auths":true}"#, "a boolean"),
        (r#"{"auths":false}"#, "a boolean"),
        (r#"{"a\u0075ths":[]}"#, "a list"),
        (r#"{"auths":[],"quay.io":{"auth":"dTpw"}}"#, "a list"),
        (r#"{"credsStore":"","auths":"x"}"#, "a string"),
    ] {
        let error = Document::parse(document.as_bytes()).err();
        let unreadable = Unreadable::AuthsNotAnObject(kind);
        assert_eq!(error, Some(DocumentError::Unreadable(unreadable)), "{document}");
        assert_eq!(unreadable.to_string(), format!("auths is {kind}, not an object"));
    }
}

#[test]
fn v7_auths_with_only_another_auths_is_ambiguous() {
    for document in [
        r#"{"auths":{"auths":{"quay.io":{"auth":"b3RoZXI6cHc="}}}}"#,
        r#"{"auths":{ "auths" : {} } , "credsStore":""}"#,
        r#"{"auths":{"a\u0075ths":{"auths":{}}}}"#,
        r#"{"auths":{"auths":{"auth":"dTpw"}}}"#,
    ] {
        let error = Document::parse(document.as_bytes()).err();
        assert_eq!(error, Some(DocumentError::WrappedTwice), "{document}");
    }
    // A registry of that name among others, or no object: no credential is hidden in it.
    for document in [
        r#"{"auths":{"auths":{},"quay.io":{}}}"#,
        r#"{"auths":{"auths":"x"}}"#,
        r#"{"auths":{"auths":null}}"#,
        r#"{"auths":{"AUTHS":{}}}"#,
        r#"{"auths":{"quay.io":{"auths":{}}}}"#,
        r#"{"x":{"auths":{"auths":{}}}}"#,
    ] {
        assert!(Document::parse(document.as_bytes()).is_ok(), "{document}");
    }
}

#[test]
fn truncated_document_is_unreadable() {
    let document = format!(r#"{{"x":[2.50,"\ud800"],"auths":{{"quay.io":{ENTRY}}}}}"#);
    for end in 0..document.len() {
        let error = Document::parse(&document.as_bytes()[..end]).unwrap_err();
        assert!(
            matches!(error, DocumentError::Unreadable(Unreadable::NotJson { .. })),
            "{end}: {error}"
        );
    }
}

#[test]
fn names_that_clients_interpret_differently_are_ambiguous() {
    let quay = || Place::Entry(SafeName::new("quay.io"));
    for (document, place, name, collides_with) in [
        (r#"{"auths":{},"auths":{}}"#, Place::Top, "auths", "auths"),
        (r#"{"auths":{},"Auths":{}}"#, Place::Top, "Auths", "auths"),
        (r#"{"Auths":{}}"#, Place::Top, "Auths", "auths"),
        (r#"{"AUTHS":null}"#, Place::Top, "AUTHS", "auths"),
        ("{\"auth\u{17f}\":{}}", Place::Top, "auth_", "auths"),
        (r#"{"auth\u017f":{}}"#, Place::Top, "auth_", "auths"),
        (r#"{"a\u0075ths":{},"auths":{}}"#, Place::Top, "auths", "auths"),
        (r#"{"x":1,"x":1}"#, Place::Top, "x", "x"),
        (r#"{"x":1,"X":1}"#, Place::Top, "X", "x"),
        (r#"{"credhelpers":{}}"#, Place::Top, "credhelpers", "credHelpers"),
        (
            r#"{"auths":{"quay.io":{},"quay.io":{}}}"#,
            Place::Auths,
            "quay.io",
            "quay.io",
        ),
        (r#"{"auths":{"\ud800":{},"\udfff":{}}}"#, Place::Auths, "_", "_"),
        (
            r#"{"auths":{"quay.io":{"auth":"","auth":""}}}"#,
            quay(),
            "auth",
            "auth",
        ),
        (
            r#"{"auths":{"quay.io":{"auth":"","Auth":""}}}"#,
            quay(),
            "Auth",
            "auth",
        ),
        (r#"{"auths":{"quay.io":{"Auth":""}}}"#, quay(), "Auth", "auth"),
        (
            r#"{"auths":{"quay.io":{"PASSWORD":""}}}"#,
            quay(),
            "PASSWORD",
            "password",
        ),
        (
            "{\"auths\":{\"quay.io\":{\"identityto\u{212a}en\":\"\"}}}",
            quay(),
            "identityto_en",
            "identitytoken",
        ),
        (r#"{"quay.io":{"Auth":"dTpw"}}"#, quay(), "Auth", "auth"),
    ] {
        let expected = Some((place, name.to_owned(), collides_with.to_owned()));
        assert_eq!(ambiguity(document), expected, "{document}");
    }
}

#[test]
fn names_that_clients_ignore_are_not_ambiguous() {
    for document in [
        r#"{"httpheaders":{},"auths":{"quay.io":{"Email":"x","x":{"a":1,"a":2}},"quay.io/":{}}}"#,
        r#"{"x":{"Auths":{},"auths":{}},"a":[{"b":1,"b":2}]}"#,
        "{\"\u{e9}\":1,\"\u{c9}\":2,\"e\":3}",
    ] {
        assert_eq!(ambiguity(document), None, "{document}");
    }
}

#[test]
fn v3_keys_that_differ_in_case_are_keys_of_different_hosts() {
    for (document, expected) in [
        (
            r#"{"auths":{"QUAY.IO":{"auth":"dTpw"}}}"#,
            format!(r#"{{"auths":{{"QUAY.IO":{{"auth":"dTpw"}},"quay.io":{ENTRY}}}}}"#),
        ),
        (
            r#"{"auths":{"Quay.io":{},"quay.io":{},"quay.IO":null}}"#,
            format!(r#"{{"auths":{{"Quay.io":{{}},"quay.io":{ENTRY},"quay.IO":null}}}}"#),
        ),
        (
            r#"{"Quay.io":{"auth":"dTpw"},"quay.io":{"auth":"dTpw"}}"#,
            format!(r#"{{"auths":{{"Quay.io":{{"auth":"dTpw"}},"quay.io":{ENTRY}}}}}"#),
        ),
    ] {
        assert_eq!(set(document, "quay.io").0, expected, "{document}");
    }
    let twice = r#"{"quay.io":{"auth":"dTpw"},"quay.io":{"auth":"dTpw"}}"#;
    assert!(ambiguity(twice).is_some());
}

#[test]
fn messages_have_location_and_remedy_but_no_value() {
    for (document, message) in [
        (
            r#"{"auths":{"quay.io":{"auth":"canary","AUTH":"canary"}}}"#,
            "the entry quay.io of auths has the member AUTH where auth is expected; clients interpret that differently: keep the correct member and remove the other",
        ),
        (
            r#"{"x\n$(y)":1,"x\n$(y)":"canary"}"#,
            "the document has the member x___y_ twice; clients interpret that differently: keep the correct member and remove the other",
        ),
        (
            "{canary",
            ".dockerconfigjson is not JSON (line 1, column 2); it was left unchanged: fix it manually",
        ),
    ] {
        assert_eq!(
            Document::parse(document.as_bytes()).unwrap_err().to_string(),
            message
        );
    }
}
