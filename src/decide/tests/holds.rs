//! Whether the Secret holds a credential.

use super::*;

#[test]
fn the_secret_holds_a_credential_where_each_registry_has_that_very_one() {
    let both = two_registries();
    let token = token(&good_claims());
    let credential = Credential::of("<token>", token.clone());
    let one_has_it = stored(&document("<token>", &token));
    assert!(holds(&config(&[]), &one_has_it, &credential));
    assert!(!holds(&both, &one_has_it, &credential));
    let entry = Entry::new("<token>", token.secret().clone()).expect("an entry");
    let second = Document::parse(one_has_it.document()).map(|one| one.with_entries(&[("quay.io", &entry)]));
    let both_have_it = stored(&second.expect("an edited document").bytes);
    assert!(holds(&both, &both_have_it, &credential));
    let other = Credential::of("<token>", Token::new(SecretString::from("other")));
    assert!(!holds(&config(&[]), &one_has_it, &other));
    assert!(!holds(&config(&[]), &stored(b"none"), &credential));
}
