//! Credential helpers and stores, which some clients use instead of `auths`.

use super::Document;
use std::fmt;

use super::go_json;
use crate::image::{DOCKER_HUB, RegistryHost};
use crate::text::SafeName;

/// Names of Docker Hub in `credHelpers`.
const DOCKER_HUB_NAMES: [&str; 3] = [DOCKER_HUB, "index.docker.io", "https://index.docker.io/v1/"];

/// Credential helper or store that clients use instead of the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperWarning {
    /// Who uses what, half a sentence.
    pub message: String,
    /// Remedy, one sentence.
    pub remedy: &'static str,
}

/// One sentence.
impl fmt::Display for HelperWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.message, self.remedy)
    }
}

impl Document<'_> {
    /// Program of `credsStore`, if the document has one: docker and crane use it for every registry.
    pub fn credential_store(&self) -> Option<SafeName> {
        let store = self.top().find(|member| member.name == "credsStore")?;
        let name = go_json::string(store.value)?;
        (!name.is_empty()).then(|| SafeName::new(&name))
    }

    /// Program of `credHelpers` for `registry`, if the document has one: docker, crane, skopeo and buildah use it. With an
    /// empty name docker and crane use `auths`, also where there is a `credsStore`.
    pub fn credential_helper(&self, registry: &RegistryHost) -> Option<SafeName> {
        let helpers = self.top().find(|member| member.name == "credHelpers")?;
        let host = registry.host_port();
        let is_name = |name: &str| name == host || (host == DOCKER_HUB && DOCKER_HUB_NAMES.contains(&name));
        let mut members = go_json::members(helpers.value, 0)?;
        let helper = members.find(|member| is_name(&member.name))?;
        Some(SafeName::new(&go_json::string(helper.value)?))
    }

    /// Helpers and stores that clients use instead of the entries for `registries`.
    pub fn helper_warnings<'r>(
        &self,
        registries: impl Iterator<Item = &'r RegistryHost>,
    ) -> Vec<HelperWarning> {
        let helpers: Vec<_> = registries
            .map(|registry| (registry, self.credential_helper(registry)))
            .collect();
        let store = self
            .credential_store()
            .filter(|_| helpers.iter().any(|(_, helper)| helper.is_none()));
        let store = store.map(|store| HelperWarning {
            message: format!("docker and crane use the credential store {store} instead of auths"),
            remedy: "Remove credsStore from the document.",
        });
        let helpers = helpers.into_iter().filter_map(|(registry, helper)| {
            let helper = helper?;
            let (clients, name) = match helper.as_str() {
                "" => ("skopeo and buildah", "without a name"),
                name => ("docker, crane, skopeo and buildah", name),
            };
            Some(HelperWarning {
                message: format!(
                    "for {registry} {clients} use the credential helper {name} instead of auths"
                ),
                remedy: "Remove it from credHelpers in the document.",
            })
        });
        store.into_iter().chain(helpers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(document: &str, registries: &[&str]) -> Vec<String> {
        let document = Document::parse(document.as_bytes()).expect("a document");
        let registries: Vec<_> = registries
            .iter()
            .map(|registry| RegistryHost::parse(registry).expect("a registry"))
            .collect();
        let warnings = document.helper_warnings(registries.iter());
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn v5_helpers_and_stores_that_clients_use_instead_are_warned_about() {
        let helper = |registry: &str| {
            format!(
                "for {registry} docker, crane, skopeo and buildah use the credential helper ecr-login instead of auths. \
                 Remove it from credHelpers in the document."
            )
        };
        let store = "docker and crane use the credential store desktop instead of auths. Remove credsStore from the document.";
        for (document, registries, expected) in [
            (
                r#"{"credHelpers":{"quay.io":"ecr-login"}}"#,
                &["quay.io"][..],
                vec![helper("quay.io")],
            ),
            (
                r#"{"credHelpers":{"quay.io":"ecr-login"}}"#,
                &["quay.io/team"],
                vec![helper("quay.io/team")],
            ),
            (
                r#"{"credHelpers":{"quay.io":"ecr-login"}}"#,
                &["ghcr.io", "quay.io:443"],
                vec![],
            ),
            (
                r#"{"credHelpers":{"quay.io/team":"ecr-login"}}"#,
                &["quay.io"],
                vec![],
            ),
            (
                r#"{"credHelpers":{"https://index.docker.io/v1/":"ecr-login"}}"#,
                &["docker.io"],
                vec![helper("docker.io")],
            ),
            (
                r#"{"credHelpers":{"docker.io":"ecr-login"}}"#,
                &["docker.io/team"],
                vec![helper("docker.io/team")],
            ),
            (r#"{"credHelpers":null,"credsStore":null}"#, &["quay.io"], vec![]),
            (r#"{"credHelpers":[],"credsStore":5}"#, &["quay.io"], vec![]),
            (r#"{"credsStore":""}"#, &["quay.io"], vec![]),
            (
                r#"{"credsStore":"desktop"}"#,
                &["quay.io", "ghcr.io"],
                vec![store.to_owned()],
            ),
            (
                r#"{"credsStore":"desktop","credHelpers":{"quay.io":"ecr-login"}}"#,
                &["quay.io", "ghcr.io"],
                vec![store.to_owned(), helper("quay.io")],
            ),
            // The helper of a registry outranks the store, an empty one too.
            (
                r#"{"credsStore":"desktop","credHelpers":{"quay.io":"ecr-login"}}"#,
                &["quay.io"],
                vec![helper("quay.io")],
            ),
            (
                r#"{"credsStore":"desktop","credHelpers":{"quay.io":""}}"#,
                &["quay.io"],
                vec![
                    helper("quay.io")
                        .replace("docker, crane, ", "")
                        .replace("ecr-login", "without a name"),
                ],
            ),
        ] {
            assert_eq!(warnings(document, registries), expected, "{document}");
        }
    }
}
