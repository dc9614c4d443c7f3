//! YAML to paste, with the names of the run: its Secret, its accounts, its images.

use super::Context;
use crate::{
    config::Access,
    credential::Credential,
    kubernetes::rbac_yaml::{self, RoleNeeds},
};

impl Context<'_> {
    /// A Role for the account that runs this.
    pub fn role(&self, role: fn(&RoleNeeds<'_>) -> String) -> String {
        let account = self
            .config
            .token_file
            .is_none()
            .then(|| self.service_account().ok())
            .flatten();
        role(&RoleNeeds {
            namespace: &self.namespace,
            secret: self.config.name.as_str(),
            minted_for: account.as_ref().map(|(_, name)| name.as_str()),
            runner: self.runner(),
        })
    }

    /// Another account, which may only pull.
    pub(super) fn puller(&self, credential: &Credential) -> String {
        let account = credential
            .token
            .claims()
            .and_then(|claims| claims.service_account());
        let name = match account {
            Some((_, rbac_yaml::PULLER)) => "image-puller",
            _ => rbac_yaml::PULLER,
        };
        let needs = RoleNeeds {
            namespace: &self.namespace,
            secret: self.config.name.as_str(),
            minted_for: Some(name),
            runner: self.runner(),
        };
        let internal = self.registries_with_images().into_iter();
        let images: Vec<_> = internal
            .filter(|(registry, _)| registry.is_openshift_internal())
            .flat_map(|(_, images)| images)
            .collect();
        rbac_yaml::puller(&needs, &images, self.config.access == Access::PushPull)
    }
}
