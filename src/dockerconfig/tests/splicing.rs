//! Tests of edits: written and kept bytes.

use super::*;

#[test]
fn first_document_has_only_the_managed_entry() {
    let expected = format!(r#"{{"auths":{{"{REGISTRY}":{ENTRY}}}}}"#);
    assert_eq!(set(r#"{"auths":{}}"#, REGISTRY), (expected, false));
}

#[test]
fn several_registries_are_written_in_their_order() {
    let (a, b) = (
        entry(),
        Entry::new("robot", SecretString::from("p\"\\\n\u{e9}</")).unwrap(),
    );
    let document = Document::parse(br#"{"auths":{"z":1}}"#).unwrap();
    let edited = document.with_entries(&[("b", &a), ("z", &a), ("a", &b), ("b", &b)]);
    let robot = r#"{"username":"robot","password":"p\"\\\né</","auth":"cm9ib3Q6cCJcCsOpPC8="}"#;
    let expected = format!(r#"{{"auths":{{"z":{ENTRY},"b":{robot},"a":{robot}}}}}"#);
    assert_eq!(String::from_utf8(edited.bytes).unwrap(), expected);
}

#[test]
fn managed_entry_replaces_only_the_value_of_its_key() {
    let before = r#" { "x" : [2.50,1E+2,1e400,-0,12345678901234567890123] ,
        "auths" : { "a\/b" : {"auth":"\u00e9"} , "OURS" : {"auth":"eDp5", "email":"\ud800"} , "\ud800" : 1e400 } , "HttpHeaders":{} } "#;
    let before = before.replace("OURS", REGISTRY);
    let expected = before.replace(r#"{"auth":"eDp5", "email":"\ud800"}"#, ENTRY);
    assert_eq!(set(&before, REGISTRY), (expected, false));
}

#[test]
fn new_entry_comes_last() {
    for (before, expected) in [
        (
            r#"{"auths":{"q":{}}}"#,
            format!(r#"{{"auths":{{"q":{{}},"K":{ENTRY}}}}}"#),
        ),
        (
            "{\"auths\":{ \"q\" : 1 \n} }",
            format!("{{\"auths\":{{ \"q\" : 1,\"K\":{ENTRY} \n}} }}"),
        ),
        (
            r#"{"auths":{ },"z":0}"#,
            format!(r#"{{"auths":{{"K":{ENTRY} }},"z":0}}"#),
        ),
    ] {
        assert_eq!(set(before, "K"), (expected, false));
    }
}

#[test]
fn equal_entry_keeps_its_bytes() {
    for same in [
        ENTRY,
        r#"{ "auth" : "PHRva2VuPjpUT0tFTg==" , "password" : "TOKEN" , "username" : "<token>" }"#,
        r#"{"username":"\u003ctoken\u003e","password":"\u0054OKEN","auth":"PHRva2VuPjpUT0tFTg=="}"#,
    ] {
        let document = format!(
            r#"{{ "auths" : {{ "image-registry.openshift-image-registry.svc\u003a5000" : {same} }} }}"#
        );
        assert_eq!(set(&document, REGISTRY), (document.clone(), false));
        assert!(
            Document::parse(document.as_bytes())
                .unwrap()
                .entry(REGISTRY)
                .unwrap()
                .is_well_formed()
        );
    }
}

#[test]
fn different_entry_is_replaced() {
    for other in [
        r#"{"auth":"PHRva2VuPjpUT0tFTg=="}"#,
        r#"{"username":"<token>","password":"TOKEN"}"#,
        r#"{"username":"<token>","password":"TOKEN","auth":"PHRva2VuPjpUT0tFTg"}"#,
        r#"{"username":"<token>","password":"OTHER","auth":"PHRva2VuPjpUT0tFTg=="}"#,
        r#"{"username":"other","password":"TOKEN","auth":"PHRva2VuPjpUT0tFTg=="}"#,
        r#"{"username":"<token>","password":"TOKEN","auth":"PHRva2VuPjpUT0tFTg==","email":"x"}"#,
        r#"{"username":"<token>","password":"TOKEN","auth":5}"#,
        "null",
        "[]",
        "5",
        "{}",
    ] {
        let document = format!(r#"{{"auths":{{"{REGISTRY}":{other}}}}}"#);
        assert!(
            !Document::parse(document.as_bytes())
                .unwrap()
                .entry(REGISTRY)
                .unwrap()
                .is_well_formed(),
            "{other}"
        );
        assert_eq!(
            set(&document, REGISTRY),
            (format!(r#"{{"auths":{{"{REGISTRY}":{ENTRY}}}}}"#), false),
            "{other}"
        );
    }
}

#[test]
fn stored_entry_is_parsed_as_the_kubelet_does() {
    for (value, username, password) in [
        (ENTRY, "<token>", "TOKEN"),
        (r#"{"auth":"dTpw"}"#, "u", "p"),
        (r#"{"username":"x","password":"y","auth":"dTpw"}"#, "u", "p"),
        (r#"{"username":"x","password":"y"}"#, "x", "y"),
        (r#"{"auth":"?"}"#, "", ""),
        ("5", "", ""),
    ] {
        let document = format!(r#"{{"auths":{{"q":{value}}}}}"#);
        let entry = Document::parse(document.as_bytes()).unwrap().entry("q").unwrap();
        assert_eq!(
            (entry.username(), entry.password().expose_secret()),
            (username, password),
            "{value}"
        );
    }
    assert!(
        Document::parse(br#"{"auths":{"q":{}}}"#)
            .unwrap()
            .entry("Q")
            .is_none()
    );
}

#[test]
fn missing_or_null_auths_is_replaced() {
    for (before, state, expected) in [
        ("{}", Auths::Missing, r#"{"auths":{NEW}}"#),
        (" { } ", Auths::Missing, r#" {"auths":{NEW} } "#),
        (r#"{"x":1 }"#, Auths::Missing, r#"{"x":1,"auths":{NEW} }"#),
        (
            r#"{"auths": null ,"x":1e400}"#,
            Auths::Null,
            r#"{"auths": {NEW} ,"x":1e400}"#,
        ),
    ] {
        let expected = expected.replace("NEW", &format!(r#""K":{ENTRY}"#));
        assert_eq!(
            Document::parse(before.as_bytes()).unwrap().auths(),
            state,
            "{before}"
        );
        assert_eq!(set(before, "K"), (expected, true), "{before}");
    }
}

#[test]
fn document_without_the_wrapper_is_wrapped() {
    // The incident behind this program, and the result of copying a .dockercfg.
    for (before, expected) in [
        (r#"{"REG":{"auth":"dTpw"}}"#, r#"{"auths":{"REG":NEW}}"#),
        (
            "{\n  \"quay.io\" : {\"auth\":\"\\u0064Tpw\",\"email\":null},\n  \"REG\" : {\"auth\":\"dTpw\"}\n}\n",
            "{\n  \"auths\":{\"quay.io\" : {\"auth\":\"\\u0064Tpw\",\"email\":null},\n  \"REG\" : NEW}\n}\n",
        ),
        (
            r#"{"credHelpers":{"a.b":"c"}, "quay.io":{"username":"u","password":"p"} , "x":2.50 , "localhost":{"auth":"dTpw"}, "y":-0}"#,
            r#"{"credHelpers":{"a.b":"c"}, "auths":{"quay.io":{"username":"u","password":"p"},"localhost":{"auth":"dTpw"},"REG":NEW} , "x":2.50, "y":-0}"#,
        ),
    ] {
        let (before, expected) = (before.replace("REG", REGISTRY), expected.replace("REG", REGISTRY));
        let document = Document::parse(before.as_bytes()).unwrap();
        assert!(
            document.looks_unwrapped()
                && document.auths() == Auths::Missing
                && document.entry(REGISTRY).is_none()
        );
        assert_eq!(set(&before, REGISTRY), (expected.replace("NEW", ENTRY), true));
    }
}

#[test]
fn only_registry_entries_are_wrapped() {
    for document in [
        r#"{"auths":{},"quay.io":{"auth":"dTpw"}}"#,
        r#"{"auths":null,"quay.io":{"auth":"dTpw"}}"#,
        r#"{"proxies":{"default":{"httpProxy":"x"}},"plugins":{"auth":"x"},"detachKeys":"ctrl-e"}"#,
        r#"{"quay.io":"x","a.b":{},"c.d":{"auth":5},"e.f":[],"credHelpers":{"quay.io":"x"}}"#,
        "{}",
    ] {
        assert!(
            !Document::parse(document.as_bytes()).unwrap().looks_unwrapped(),
            "{document}"
        );
    }
}

#[test]
fn structure_is_repaired_without_entries() {
    for (before, expected, repaired) in [
        (r#"{ "auths" : {} }"#, r#"{ "auths" : {} }"#, false),
        ("{}", r#"{"auths":{}}"#, true),
        (
            r#"{"q.io":{"auth":"dTpw"}}"#,
            r#"{"auths":{"q.io":{"auth":"dTpw"}}}"#,
            true,
        ),
    ] {
        let edited = Document::parse(before.as_bytes()).unwrap().with_entries(&[]);
        assert_eq!(
            (
                String::from_utf8(edited.bytes).unwrap().as_str(),
                edited.shape_repaired
            ),
            (expected, repaired)
        );
    }
}

#[test]
fn hostile_depth_and_size_are_handled() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [200, 9_000] {
        let before = format!(r#"{{"x":{0},"auths":{{"q":{0}}}}}"#, nested(depth));
        let expected = format!(r#"{{"x":{0},"auths":{{"q":{0},"K":{ENTRY}}}}}"#, nested(depth));
        assert_eq!(set(&before, "K"), (expected, false));
    }
    let many: Vec<String> = (0..20_000)
        .map(|i| format!(r#""r{i}.io":{{"auth":"dTpw"}}"#))
        .collect();
    let wrapped = set(&format!("{{{}}}", many.join(",")), "K").0;
    assert_eq!(
        wrapped,
        format!(r#"{{"auths":{{{},"K":{ENTRY}}}}}"#, many.join(","))
    );
}

#[test]
fn user_name_that_basic_authentication_cannot_carry_is_rejected() {
    for (username, error) in [
        ("", EntryError::EmptyUsername),
        ("a:b", EntryError::ColonInUsername),
        ("a\n", EntryError::ControlCharacterInUsername),
    ] {
        assert_eq!(Entry::new(username, SecretString::from("p")).err(), Some(error));
    }
}

#[test]
fn only_names_of_entries_are_printed() {
    let document = r#"{"auths":{"quay.io":{"username":"canary","password":"canary","auth":"Y2FuYXJ5OmNhbmFyeQ=="}},"canary":"canary"}"#;
    let parsed = Document::parse(document.as_bytes()).unwrap();
    let image = crate::image::ImageReference::parse("quay.io/model").unwrap();
    let keyring = kubelet_reads(document.as_bytes()).unwrap();
    let auth_file = containers_image_reads(document.as_bytes()).unwrap();
    let printed = format!(
        "{parsed:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        parsed.entry("quay.io"),
        parsed.with_entries(&[]),
        keyring.lookup(&image),
        keyring,
        auth_file.lookup(&image),
        auth_file,
    );
    assert!(printed.contains("quay.io"));
    assert!(
        !printed.contains("canary") && !printed.contains("Y2FuYXJ5"),
        "{printed}"
    );
}
