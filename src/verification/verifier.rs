//! Verifies one credential against every registry and image of a run.

use futures_util::future::join_all;
use tokio::sync::OnceCell;

use crate::{
    config::{Access, Depth},
    credential::Credential,
    image::{ImageReference, RegistryHost},
    kubernetes::access_review::{Reviewer, TokenReview},
    registry::{
        Inconclusive, Ping, Registries, RegistryVerdict, Session, UserPassword,
        kind::{self, Answers, openshift::AccessQuestion},
        send_policy::SendPolicy,
    },
    verification::{Evidence, Proof},
};

/// Verifies one credential.
pub struct Verifier<'a> {
    /// Talks to registries.
    pub registries: &'a Registries,
    /// Asks the API server about this credential; none where it is not a Kubernetes token.
    pub reviewer: Option<Reviewer>,
    /// The credential.
    pub credential: &'a Credential,
    /// What it has to be good for.
    pub access: Access,
    /// How far to verify.
    pub depth: Depth,
    /// Where it may be sent.
    pub policy: SendPolicy<'a>,
    token_review: OnceCell<TokenReview>,
}

impl<'a> Verifier<'a> {
    /// A verifier that has asked nothing yet.
    pub fn new(
        registries: &'a Registries,
        reviewer: Option<Reviewer>,
        credential: &'a Credential,
        access: Access,
        depth: Depth,
        policy: SendPolicy<'a>,
    ) -> Self {
        Self {
            registries,
            reviewer,
            credential,
            access,
            depth,
            policy,
            token_review: OnceCell::new(),
        }
    }

    /// Asks all registries at once, each for the images that it serves. Several rows of one host are one registry: a
    /// refused login counts for all of them.
    pub async fn verify(&self, rows: &[(&RegistryHost, Vec<&ImageReference>)]) -> Vec<Evidence> {
        let mut hosts: Vec<&RegistryHost> = Vec::new();
        for (registry, _) in rows {
            if !hosts.iter().any(|host| host.dial() == registry.dial()) {
                hosts.push(registry);
            }
        }
        let evidence = join_all(hosts.into_iter().map(async |host| {
            let images: Vec<&ImageReference> = rows
                .iter()
                .filter(|(registry, _)| registry.dial() == host.dial())
                .flat_map(|(_, images)| images.iter().copied())
                .collect();
            (host, self.at(host, &images).await)
        }));
        let evidence = evidence.await;
        rows.iter()
            .filter_map(|(registry, images)| {
                let (_, found) = evidence.iter().find(|(host, _)| host.dial() == registry.dial())?;
                Some(row(registry, images, found))
            })
            .collect()
    }

    async fn at(&self, registry: &RegistryHost, images: &[&ImageReference]) -> Evidence {
        let ping = match self.depth {
            Depth::Registry => self.registries.ping(registry).await,
            Depth::Api | Depth::Structure => Err(Inconclusive::NotAsked),
        };
        let scheme = ping.as_ref().ok().and_then(Ping::scheme).cloned();
        let uses_rbac = kind::by_ping(registry, &ping).uses_rbac();
        let login = UserPassword {
            username: &self.credential.username,
            password: self.credential.token.secret(),
        };
        // A rejected credential may lock the account for the next one.
        let _turn = self.registries.turn(registry, login.username).await;
        let session = Session::new(self.registries, registry, scheme, login, self.policy);
        let mut evidence = Evidence {
            registry: registry.clone(),
            uses_rbac,
            login: None,
            images: Vec::new(),
        };
        let proofs = if uses_rbac && ping.is_ok() {
            if images.is_empty() {
                evidence.login = Some(self.openshift_login(&session).await);
            }
            self.openshift_images(&session, images).await
        } else {
            let push = self.access == Access::PushPull;
            let Answers {
                login,
                images: verdicts,
            } = kind::verify(session, ping, images, push).await;
            if let Some(verdict) = login {
                evidence.login = Some(self.proof(verdict, None).await);
            }
            let proofs = images
                .iter()
                .zip(verdicts)
                .map(async |(image, verdict)| self.proof(verdict, uses_rbac.then_some(*image)).await);
            join_all(proofs).await
        };
        evidence.images = images.iter().map(|image| (*image).clone()).zip(proofs).collect();
        evidence
    }

    async fn proof(&self, verdict: RegistryVerdict, streamed: Option<&ImageReference>) -> Proof {
        match verdict {
            RegistryVerdict::Inconclusive(inconclusive) => self.inconclusive(inconclusive, streamed).await,
            verdict => Proof::from_verdict(verdict, TokenReview::NotApplicable),
        }
    }

    /// What the API server says in the registry's place; for an image stream, whether it may be pulled too.
    pub(super) async fn inconclusive(
        &self,
        inconclusive: Inconclusive,
        streamed: Option<&ImageReference>,
    ) -> Proof {
        if self.depth == Depth::Structure {
            return Proof::Inconclusive(inconclusive, TokenReview::NotApplicable);
        }
        let review = self.token_review().await;
        let (TokenReview::Valid, Some(image)) = (review, streamed) else {
            return Proof::Inconclusive(inconclusive, review);
        };
        match self.permitted(AccessQuestion::Pull, image).await {
            TokenReview::Invalid => return Proof::PullForbidden,
            review @ (TokenReview::Unavailable | TokenReview::NotApplicable) => {
                return Proof::Inconclusive(inconclusive, review);
            }
            TokenReview::Valid => {}
        }
        match self.access {
            Access::Pull => Proof::Inconclusive(inconclusive, TokenReview::Valid),
            Access::PushPull => match self.permitted(AccessQuestion::Push, image).await {
                TokenReview::Invalid => Proof::PushForbidden,
                review => Proof::Inconclusive(inconclusive, review),
            },
        }
    }

    /// Whether the API server accepts the credential: asked once.
    pub(super) async fn token_review(&self) -> TokenReview {
        let Some(reviewer) = &self.reviewer else {
            return TokenReview::NotApplicable;
        };
        *self.token_review.get_or_init(|| reviewer.authenticates()).await
    }

    pub(super) async fn permitted(&self, question: AccessQuestion, image: &ImageReference) -> TokenReview {
        let verb = match question {
            AccessQuestion::Pull => "get",
            AccessQuestion::Push => "update",
        };
        match &self.reviewer {
            Some(reviewer) => reviewer.permits(verb, image).await,
            None => TokenReview::NotApplicable,
        }
    }
}

/// The part of a host's evidence that is about one row.
fn row(registry: &RegistryHost, images: &[&ImageReference], found: &Evidence) -> Evidence {
    let of_row = |(image, _): &&(ImageReference, Proof)| images.contains(&image);
    let images: Vec<_> = found.images.iter().filter(of_row).cloned().collect();
    let by_images = || {
        let mut proofs = found.images.iter().map(|(_, proof)| proof);
        match proofs.clone().find(|proof| !proof.is_acceptance()) {
            Some(proof) if !proofs.any(Proof::is_acceptance) => Some(proof.clone()),
            _ => Some(Proof::Accepted),
        }
    };
    let login = match &found.login {
        None if images.is_empty() => by_images(),
        login => login.clone(),
    };
    Evidence {
        registry: registry.clone(),
        uses_rbac: found.uses_rbac,
        login,
        images,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::ProtocolError;

    #[test]
    fn a_row_without_images_has_the_login_that_the_images_of_its_host_show() {
        let image = |name: &str| ImageReference::parse(&format!("quay.io/team/{name}:1")).expect("an image");
        let unreachable = Proof::Inconclusive(
            Inconclusive::Unreachable(ProtocolError::Refused),
            TokenReview::NotApplicable,
        );
        let host = RegistryHost::parse("quay.io").expect("a registry");
        for (proofs, login) in [
            ([Proof::Pulls, Proof::Pulls], Proof::Accepted),
            ([Proof::TagMissing, Proof::PullForbidden], Proof::Accepted),
            ([Proof::Rejected, Proof::Rejected], Proof::Rejected),
            ([Proof::Rejected, unreachable.clone()], Proof::Rejected),
            ([unreachable.clone(), Proof::Pulls], Proof::Accepted),
            ([Proof::Pulls, unreachable.clone()], Proof::Accepted),
            ([unreachable.clone(), Proof::Rejected], unreachable.clone()),
        ] {
            let images = [image("one"), image("two")];
            let found = Evidence {
                registry: host.clone(),
                uses_rbac: false,
                login: None,
                images: images.iter().cloned().zip(proofs.clone()).collect(),
            };
            let team = RegistryHost::parse("quay.io/team").expect("a registry");
            let without = row(&team, &[], &found);
            assert_eq!(
                (without.login, without.images.len()),
                (Some(login), 0),
                "{proofs:?}"
            );
            let with = row(&team, &[&images[1]], &found);
            let [_, second] = proofs;
            assert_eq!(
                (with.login, with.images),
                (None, vec![(images[1].clone(), second)])
            );
            let of_login = Evidence {
                login: Some(Proof::Rejected),
                images: Vec::new(),
                ..found
            };
            assert_eq!(row(&team, &[], &of_login).login, Some(Proof::Rejected));
        }
    }
}
