//! Image references, registries and endpoints.

use ensure_pull_secret::image::{HostPort, ImageReference, RegistryHost, key_covers};

/// A text that is meant to be one.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(image) = ImageReference::parse(text) {
        let shown = image.to_string();
        assert!(
            shown
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._:/@-[]".contains(c)),
            "{shown}"
        );
        assert_eq!(
            ImageReference::parse(&shown).as_ref().map(ToString::to_string),
            Ok(shown)
        );
        assert!(image.name().len() <= 255);
        key_covers(text, &image);
    }
    if let Ok(registry) = RegistryHost::parse(text) {
        assert_eq!(registry.to_string(), text);
        assert_eq!(
            HostPort::parse(&registry.dial().to_string()).as_ref(),
            Ok(registry.dial())
        );
        let image = ImageReference::parse(&format!("{registry}/model")).ok();
        // Only a name that is too long for an image leaves a registry without any.
        assert!(
            image.map_or(text.len() > 240, |image| registry.covers(&image)),
            "{text}"
        );
    }
    if let Ok(endpoint) = HostPort::parse(text) {
        assert_eq!(HostPort::parse(&endpoint.to_string()), Ok(endpoint));
    }
    let image = ImageReference::parse("quay.io/team/model").expect("an image");
    key_covers(text, &image);
}
