//! Where a credential may be sent. Pure.

use crate::image::{HTTPS_PORT, HostPort, RegistryHost};

/// Registries whose token service is on another host, with that host.
const OWN_TOKEN_SERVICES: [(&str, &str); 2] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

/// Where one credential may be sent.
#[derive(Clone, Copy)]
pub struct SendPolicy<'a> {
    trusted_hosts: &'a [HostPort],
    is_kubernetes_token: bool,
}

impl<'a> SendPolicy<'a> {
    /// The policy for a credential. A Kubernetes token is accepted by the API server too, so that it is sent only to
    /// OpenShift's integrated registry and to `trusted_hosts`.
    pub const fn new(trusted_hosts: &'a [HostPort], is_kubernetes_token: bool) -> Self {
        Self {
            trusted_hosts,
            is_kubernetes_token,
        }
    }

    /// Whether the credential may be sent to `registry`.
    pub fn allows(self, registry: &RegistryHost) -> bool {
        !self.is_kubernetes_token || registry.may_receive_kubernetes_token(self.trusted_hosts)
    }

    /// Whether the credential may be sent to the token service at `host` and `port`, which the Bearer challenge of
    /// `registry` names and which is not the registry's own host.
    pub fn allows_token_service(self, registry: &RegistryHost, host: &str, port: u16) -> bool {
        let is_trusted = self.trusted_hosts.iter().any(|trusted| trusted.is(host, port));
        let is_known = OWN_TOKEN_SERVICES.iter().any(|(of, service)| {
            registry.dial().is(of, HTTPS_PORT) && host.eq_ignore_ascii_case(service) && port == HTTPS_PORT
        });
        is_trusted || (!self.is_kubernetes_token && is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERNAL: &str = "image-registry.openshift-image-registry.svc:5000";

    fn registry(text: &str) -> RegistryHost {
        RegistryHost::parse(text).expect("a registry")
    }

    #[test]
    fn a_kubernetes_token_goes_to_the_internal_registry_and_trusted_hosts() {
        let trusted = [HostPort::parse("quay.io").expect("a host")];
        for (host, token, robot) in [
            (INTERNAL, true, true),
            ("quay.io", true, true),
            ("quay.io/team", true, true),
            ("quay.io:8443", false, true),
            ("ghcr.io", false, true),
        ] {
            let registry = registry(host);
            assert_eq!(SendPolicy::new(&trusted, true).allows(&registry), token, "{host}");
            assert_eq!(
                SendPolicy::new(&trusted, false).allows(&registry),
                robot,
                "{host}"
            );
        }
    }

    #[test]
    fn a_token_service_on_another_host_is_known_or_trusted() {
        let trusted = [HostPort::parse("auth.test:8443").expect("a host")];
        for (host, service, port, token, robot) in [
            ("docker.io", "auth.docker.io", 443, false, true),
            ("docker.io", "auth.docker.io", 8443, false, false),
            ("docker.io/team", "auth.docker.io", 443, false, true),
            ("registry.gitlab.com", "gitlab.com", 443, false, true),
            ("Registry.GitLab.com", "GitLab.com", 443, false, true),
            ("registry.gitlab.com:443", "gitlab.com", 443, false, true),
            ("registry.gitlab.com:5000", "gitlab.com", 443, false, false),
            ("registry.gitlab.com", "auth.docker.io", 443, false, false),
            ("registry.gitlab.com", "gitlab.com.", 443, false, false),
            ("quay.io", "gitlab.com", 443, false, false),
            ("quay.io", "auth.test", 8443, true, true),
            ("quay.io", "Auth.TEST", 8443, true, true),
            ("quay.io", "auth.test", 443, false, false),
        ] {
            let registry = registry(host);
            let allows =
                |is_token| SendPolicy::new(&trusted, is_token).allows_token_service(&registry, service, port);
            assert_eq!(
                (allows(true), allows(false)),
                (token, robot),
                "{host} {service}:{port}"
            );
        }
    }
}
