//! Tests that `Debug` prints no secrets of documents and parsed documents.

use super::*;
use crate::image::ImageReference;

#[test]
fn documents_and_parsed_documents_print_no_secret() {
    let source = format!(r#"{{"auths":{{"quay.io":{ENTRY}}},"credHelpers":{{"other.test":"x"}}}}"#);
    let document = Document::parse(source.as_bytes()).unwrap();
    let edited = document.with_entries(&[("docker.io", &entry())]);
    let keyring = kubelet_reads(source.as_bytes()).unwrap();
    let auth_file = containers_image_reads(source.as_bytes()).unwrap();
    let image = ImageReference::parse("quay.io/team/model").unwrap();
    let found = auth_file.lookup(&image).unwrap().unwrap();
    assert_eq!(
        format!("{document:?}"),
        r#"Document { auths: Present, keys: [SafeName("quay.io")], .. }"#
    );
    assert_eq!(
        format!("{edited:?}"),
        "EditedDocument { shape_repaired: false, .. }"
    );
    assert_eq!(format!("{:?}", entry()), "Entry { well_formed: true, .. }");
    assert_eq!(format!("{keyring:?}"), "Keyring { entries: 1, .. }");
    assert_eq!(
        format!("{auth_file:?}"),
        "AuthFile { entries: 1, helpers: 1, .. }"
    );
    assert_eq!(format!("{found:?}"), "AuthConfig { .. }");
}
