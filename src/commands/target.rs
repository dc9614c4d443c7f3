//! What a run is about: its configuration, the Secret's namespace and the account that runs the program. Plain data.

use crate::{
    config::{Access, Config},
    credential::{Claims, Credential},
    image::{ImageReference, RegistryHost},
    kubernetes::{
        rbac_yaml::{self, RoleParams, Subject},
        token_request::ServiceAccountRef,
    },
    outcome::{Finding, Reason},
    registry::send_policy::SendPolicy,
    text::clip_name,
};

/// What a run is about.
pub struct Target<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The Secret's namespace.
    pub namespace: String,
    /// The claims of the mounted token; none where it is no JWT.
    pub caller_claims: Option<Claims>,
    /// The account that runs the program; none where its token names none.
    pub caller: Option<ServiceAccountRef>,
}

impl<'a> Target<'a> {
    /// The Secret of `config` in `namespace`, for the account of the token with `caller_claims`.
    pub fn new(config: &'a Config, namespace: String, caller_claims: Option<&Claims>) -> Self {
        let caller = caller_claims
            .and_then(Claims::service_account)
            .map(|(namespace, name)| ServiceAccountRef {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            });
        Self {
            config,
            namespace,
            caller_claims: caller_claims.cloned(),
            caller,
        }
    }

    /// The account whose token is to be stored.
    ///
    /// # Errors
    /// `invalid-configuration` where none is named and the caller's own can't be it.
    pub fn service_account(&self) -> Result<ServiceAccountRef, Finding> {
        if let Some(name) = &self.config.service_account {
            return Ok(ServiceAccountRef {
                namespace: self.namespace.clone(),
                name: name.to_string(),
            });
        }
        match &self.caller {
            Some(caller) if caller.namespace == self.namespace => Ok(caller.clone()),
            _ => Err(Finding::new(
                Reason::InvalidConfiguration,
                "PULL_SECRET_SERVICE_ACCOUNT is required: the ServiceAccount that runs the program is in another namespace than the Secret",
            )
            .about("PULL_SECRET_SERVICE_ACCOUNT")
            .with_remedy("Set it to the account that may only pull, such as model-puller.")),
        }
    }

    /// Each registry with the images that it serves: those whose credential the kubelet would find under its key.
    pub fn registries_with_images(&self) -> Vec<(&'a RegistryHost, Vec<&'a ImageReference>)> {
        let mut rows: Vec<_> = self
            .config
            .registries
            .iter()
            .map(|registry| (registry, Vec::new()))
            .collect();
        for image in &self.config.images {
            let covering = rows.iter_mut().filter(|(registry, _)| registry.covers(image));
            // The kubelet tries the most specific key first.
            if let Some((_, images)) =
                covering.max_by_key(|(registry, _)| registry.path().map_or(0, str::len))
            {
                images.push(image);
            }
        }
        rows
    }

    /// The account that runs the program, in a sentence.
    pub fn runner_name(&self) -> String {
        self.caller.as_ref().map_or_else(
            || "the ServiceAccount that runs the program".to_owned(),
            |caller| clip_name(&caller.to_string(), 60),
        )
    }

    /// Where `credential` may be sent.
    pub fn send_policy(&self, credential: &Credential) -> SendPolicy<'a> {
        SendPolicy::new(&self.config.trusted_hosts, credential.is_kubernetes_token())
    }

    /// The account whose token is requested; none where a file's is stored, or no account can be found.
    pub fn token_account(&self) -> Option<ServiceAccountRef> {
        match self.config.token_file {
            Some(_) => None,
            None => self.service_account().ok(),
        }
    }

    /// The names of a Role for the account that runs the program, which requests tokens of `token_account`.
    pub fn role_params<'b>(&'b self, token_account: Option<&'b str>) -> RoleParams<'b> {
        RoleParams {
            namespace: &self.namespace,
            secret: self.config.name.as_str(),
            token_account,
            runner: self.caller.as_ref().map(|caller| Subject {
                namespace: &caller.namespace,
                name: &caller.name,
            }),
        }
    }

    /// YAML for an account that may only pull, in place of the one that `credential` belongs to; none where a name in it
    /// isn't valid.
    pub fn puller_yaml(&self, credential: &Credential) -> Option<String> {
        let current = credential.token.claims().and_then(Claims::service_account);
        let name = rbac_yaml::puller_name(current.map(|(_, name)| name));
        let images: Vec<_> = self
            .registries_with_images()
            .into_iter()
            .filter(|(registry, _)| registry.is_cluster_internal())
            .flat_map(|(_, images)| images)
            .collect();
        let push = self.config.access == Access::PushPull;
        rbac_yaml::puller(&self.role_params(Some(name)), &images, push)
    }
}
