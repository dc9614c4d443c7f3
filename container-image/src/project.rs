//! The project's names outside of its repository. All follow from `repository` and `version` in the workspace's Cargo.toml.

/// URL of the repository.
pub const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
/// Version of the program, its image, its bundle and its chart.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Owner in [`REPOSITORY`] until the project has one. A registry refuses a name with capitals, so nobody can serve an image by
/// this name.
pub const NO_OWNER: &str = "OWNER";

/// The owner: the user or organization of the repository.
///
/// # Panics
/// If [`REPOSITORY`] is no repository of GitHub: a test of this package shows it.
pub fn owner() -> &'static str {
    let path = REPOSITORY.strip_prefix("https://github.com/");
    let owner = path.and_then(|path| path.strip_suffix("/ensure-pull-secret"));
    owner.expect("`repository` in Cargo.toml is https://github.com/<owner>/ensure-pull-secret")
}

/// The owner's name in image references, which have no capitals.
pub fn registry_owner() -> String {
    match owner() {
        NO_OWNER => NO_OWNER.to_owned(),
        owner => owner.to_ascii_lowercase(),
    }
}

/// Name of the image, without tag and digest.
pub fn image() -> String {
    format!("ghcr.io/{}/ensure-pull-secret", registry_owner())
}

/// Name of the Tekton bundle, without tag and digest.
pub fn bundle() -> String {
    format!("{}/bundle", image())
}

/// Name of the Helm chart, without tag and digest.
pub fn chart() -> String {
    format!("ghcr.io/{}/charts/ensure-pull-secret", registry_owner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_follow_from_the_repository() {
        let image = image();
        let (registry, path) = image.split_once('/').expect("a registry and a path");
        assert_eq!(registry, "ghcr.io");
        assert!(REPOSITORY.ends_with(&format!("/{}/ensure-pull-secret", owner())));
        assert!(path.eq_ignore_ascii_case(&format!("{}/ensure-pull-secret", owner())));
        assert!(bundle().starts_with(&image));
        assert!(chart().ends_with("/charts/ensure-pull-secret"));
    }

    #[test]
    fn no_registry_serves_the_name_without_an_owner() {
        let capitals = NO_OWNER.chars().all(|letter| letter.is_ascii_uppercase());
        assert!(capitals);
        let lower = registry_owner().to_ascii_lowercase();
        assert_eq!(registry_owner() == lower, owner() != NO_OWNER);
    }
}
