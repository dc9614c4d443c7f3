//! The ladder: what is proven of one credential, at every registry and for every image of the run.
//!
//! The registry's own answer outranks what the API server says. The API server is asked only where that answer leaves
//! a question, and only about a Kubernetes token.

use futures_util::future::join_all;
use tokio::sync::OnceCell;

use crate::{
    config::{Access, Depth},
    credential::Credential,
    deadline::{Backoff, REFUSAL_PAUSE},
    image_reference::ImageReference,
    registry::{Asks, Obstacle, Registries, Said, Session, Silence},
    registry_host::RegistryHost,
    review::{Review, Reviewer},
};

/// What the API server says in a registry's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouch {
    /// It accepts the token.
    Accepts,
    /// It refuses the token.
    Refuses,
    /// It can't be asked.
    Unavailable,
    /// It may not be asked: not a Kubernetes token.
    Nobody,
}

/// What is known of a credential at one registry, or with one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It pulls the image (and may push, where that was asked for).
    Pulls,
    /// It is accepted.
    Accepted,
    /// It is accepted; the repository is not there.
    RepositoryMissing,
    /// It is accepted; the tag or digest is not there.
    TagMissing,
    /// It is accepted and may not pull.
    PullForbidden,
    /// It pulls and may not push, which was asked for.
    PushForbidden,
    /// It is not accepted.
    Rejected,
    /// The registry says nothing of it.
    Silent(Silence, Vouch),
}

/// What is known of one credential at one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The registry.
    pub registry: RegistryHost,
    /// Whether it is OpenShift's, by its challenge or its name.
    pub is_openshift: bool,
    /// What is known of the credential itself, where no image was asked for; else the images tell.
    pub login: Option<Proof>,
    /// What is known of each image that this registry serves.
    pub images: Vec<(ImageReference, Proof)>,
}

impl Evidence {
    /// Every proof at this registry.
    pub fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.login
            .iter()
            .chain(self.images.iter().map(|(_, proof)| proof))
    }
}

/// Whether the credential may be sent to a host and port that a registry's Bearer challenge names.
pub type MayGoTo<'a> = Box<dyn Fn(&RegistryHost, &str, u16) -> bool + Send + Sync + 'a>;

/// Proves one credential.
pub struct Verifier<'a> {
    /// Speaks to registries.
    pub registries: &'a Registries,
    /// Asks the API server about this credential; none where it is not a Kubernetes token.
    pub reviewer: Option<Reviewer>,
    /// The credential.
    pub credential: &'a Credential,
    /// What it shall be good for.
    pub access: Access,
    /// How far to go.
    pub depth: Depth,
    /// The hosts that may receive it.
    pub may_go_to: MayGoTo<'a>,
    authenticates: OnceCell<Review>,
}

impl<'a> Verifier<'a> {
    /// A verifier that has asked nothing yet.
    pub fn new(
        registries: &'a Registries,
        reviewer: Option<Reviewer>,
        credential: &'a Credential,
        (access, depth): (Access, Depth),
        may_go_to: MayGoTo<'a>,
    ) -> Self {
        Self {
            registries,
            reviewer,
            credential,
            access,
            depth,
            may_go_to,
            authenticates: OnceCell::new(),
        }
    }

    /// Asks all registries at once, each for the images that it serves.
    pub async fn prove(&self, registries: &[(&RegistryHost, Vec<&ImageReference>)]) -> Vec<Evidence> {
        join_all(
            registries
                .iter()
                .map(|(registry, images)| self.at(registry, images)),
        )
        .await
    }

    async fn at(&self, registry: &RegistryHost, images: &[&ImageReference]) -> Evidence {
        let asks = match self.depth {
            Depth::Registry => self.registries.survey(registry).await,
            Depth::Api | Depth::Structure => Err(Silence::NotAsked),
        };
        let is_openshift = match &asks {
            Ok(asks) => *asks == Asks::OpenShift,
            Err(_) => registry.is_openshift_internal(),
        };
        let may_go_to = |host: &str, port: u16| (self.may_go_to)(registry, host, port);
        let session = asks.as_ref().map(|asks| {
            let pair = (self.credential.username.as_str(), self.credential.token.secret());
            Session::new(self.registries, registry, asks, pair, &may_go_to)
        });
        let mut evidence = Evidence {
            registry: registry.clone(),
            is_openshift,
            login: None,
            images: Vec::new(),
        };
        if images.is_empty() {
            evidence.login = Some(match &session {
                Ok(session) => self.login(session, is_openshift, asks.as_ref()).await,
                Err(silence) => self.silent((*silence).clone(), None).await,
            });
        }
        // At the same time: one that the registry can't answer for does not use up the others' time.
        let proofs = images.iter().map(async |image| {
            let streamed = is_openshift.then_some(*image);
            let proof = match &session {
                Ok(session) => self.image(session, image, streamed, asks.as_ref()).await,
                Err(silence) => self.silent((*silence).clone(), streamed).await,
            };
            ((*image).clone(), proof)
        });
        evidence.images = join_all(proofs).await;
        let is_open = asks == Ok(Asks::Nobody);
        if is_open
            && !evidence
                .images
                .iter()
                .any(|(_, proof)| matches!(proof, Proof::Silent(..)))
        {
            // What such a registry lacks, it lacks for everybody: that says nothing of the credential.
            evidence.login = Some(self.silent(Silence::Open, None).await);
        }
        evidence
    }

    async fn login(&self, session: &Session<'_>, is_openshift: bool, asks: Result<&Asks, &Silence>) -> Proof {
        if asks == Ok(&Asks::Nobody) {
            return self.silent(Silence::Open, None).await;
        }
        let mut insistence = Insistence::default();
        loop {
            match session.login().await {
                Said::Yes | Said::RepositoryMissing | Said::TagMissing | Said::Forbidden => {
                    return Proof::Accepted;
                }
                Said::Nothing(silence) => return self.silent(silence, None).await,
                Said::Refused => {}
            }
            // Only OpenShift's registry decides by the API server's word, so only there can that word overrule it.
            let review = if is_openshift {
                self.reviewed().await
            } else {
                Some(Review::Refuses)
            };
            if let Some(proof) = insistence.judge(review, self.registries).await {
                return proof;
            }
        }
    }

    async fn image(
        &self,
        session: &Session<'_>,
        image: &ImageReference,
        streamed: Option<&ImageReference>,
        asks: Result<&Asks, &Silence>,
    ) -> Proof {
        let mut insistence = Insistence::default();
        loop {
            match session.pull(image).await {
                Said::Yes if asks == Ok(&Asks::Nobody) => return self.silent(Silence::Open, None).await,
                Said::Nothing(silence) => return self.silent(silence, streamed).await,
                Said::Refused => {}
                said => return self.accepted(session, image, streamed, asks, said).await,
            }
            if asks == Ok(&Asks::Nobody) {
                // It let us in without credentials and now wants some: what it says is not about this credential.
                return self
                    .silent(Silence::Protocol(Obstacle::Challenge), streamed)
                    .await;
            }
            let review = match streamed {
                Some(_) => self.reviewed().await,
                None => match session.login().await {
                    Said::Refused => Some(Review::Refuses),
                    Said::Nothing(silence) => return self.silent(silence, None).await,
                    Said::Yes | Said::RepositoryMissing | Said::TagMissing | Said::Forbidden => {
                        return Proof::PullForbidden;
                    }
                },
            };
            if let (Some(Review::Accepts), Some(image)) = (review, streamed) {
                match self.permitted("get", image).await {
                    Review::Refuses => return Proof::PullForbidden,
                    Review::Unavailable => {
                        return Proof::Silent(Silence::Unreachable(Obstacle::Refused), Vouch::Unavailable);
                    }
                    Review::Accepts => {}
                }
            }
            if let Some(proof) = insistence.judge(review, self.registries).await {
                return proof;
            }
        }
    }

    /// What an answer about an image says of the credential. A registry that asks for Basic may answer anybody, whatever
    /// the password: there the proof needs the login too.
    async fn accepted(
        &self,
        session: &Session<'_>,
        image: &ImageReference,
        streamed: Option<&ImageReference>,
        asks: Result<&Asks, &Silence>,
        said: Said,
    ) -> Proof {
        if asks == Ok(&Asks::Basic) {
            match self.login(session, streamed.is_some(), asks).await {
                Proof::Accepted => {}
                other => return other,
            }
        }
        match said {
            Said::RepositoryMissing => Proof::RepositoryMissing,
            Said::TagMissing => Proof::TagMissing,
            Said::Forbidden | Said::Refused => Proof::PullForbidden,
            Said::Nothing(silence) => self.silent(silence, streamed).await,
            Said::Yes => self.may_push(session, image, streamed).await,
        }
    }

    async fn may_push(
        &self,
        session: &Session<'_>,
        image: &ImageReference,
        streamed: Option<&ImageReference>,
    ) -> Proof {
        match (self.access, streamed) {
            (Access::Pull, _) => Proof::Pulls,
            (Access::PushPull, Some(stream)) if self.reviewer.is_some() => {
                match self.permitted("update", stream).await {
                    Review::Accepts => Proof::Pulls,
                    Review::Refuses => Proof::PushForbidden,
                    Review::Unavailable => Proof::Silent(Silence::NotAsked, Vouch::Unavailable),
                }
            }
            (Access::PushPull, _) => match session.push(image).await {
                Said::Yes | Said::RepositoryMissing | Said::TagMissing => Proof::Pulls,
                Said::Forbidden | Said::Refused => Proof::PushForbidden,
                Said::Nothing(silence) => self.silent(silence, None).await,
            },
        }
    }

    /// What the API server says in the registry's place; for an image stream, whether it may be pulled too.
    async fn silent(&self, silence: Silence, streamed: Option<&ImageReference>) -> Proof {
        if self.depth == Depth::Structure {
            return Proof::Silent(silence, Vouch::Nobody);
        }
        match self.reviewed().await {
            None => Proof::Silent(silence, Vouch::Nobody),
            Some(Review::Refuses) => Proof::Silent(silence, Vouch::Refuses),
            Some(Review::Unavailable) => Proof::Silent(silence, Vouch::Unavailable),
            Some(Review::Accepts) => match streamed {
                None => Proof::Silent(silence, Vouch::Accepts),
                Some(image) => match (self.permitted("get", image).await, self.access) {
                    (Review::Refuses, _) => Proof::PullForbidden,
                    (Review::Unavailable, _) => Proof::Silent(silence, Vouch::Unavailable),
                    (Review::Accepts, Access::Pull) => Proof::Silent(silence, Vouch::Accepts),
                    (Review::Accepts, Access::PushPull) => match self.permitted("update", image).await {
                        Review::Accepts => Proof::Silent(silence, Vouch::Accepts),
                        Review::Refuses => Proof::PushForbidden,
                        Review::Unavailable => Proof::Silent(silence, Vouch::Unavailable),
                    },
                },
            },
        }
    }

    /// Whether the API server accepts the credential: asked once. None: it may not be asked.
    async fn reviewed(&self) -> Option<Review> {
        let reviewer = self.reviewer.as_ref()?;
        let review = self.authenticates.get_or_init(|| reviewer.authenticates());
        Some(*review.await)
    }

    async fn permitted(&self, verb: &str, image: &ImageReference) -> Review {
        match &self.reviewer {
            Some(reviewer) => reviewer.permits(verb, image).await,
            None => Review::Unavailable,
        }
    }
}

/// How often a refusal was heard, and what follows from it.
#[derive(Default)]
struct Insistence {
    backoff: Backoff,
    heard: u32,
}

impl Insistence {
    /// Judges a registry's 401 by what the API server says; none: ask the registry again.
    ///
    /// - It refuses the credential too: rejected, once the registry has said so twice, as the API server has (one that
    ///   starts refuses good tokens for a moment).
    /// - Nobody may be asked (no Kubernetes token): the registry's word stands, after one retry.
    /// - It accepts: the registry is asked until its share of the deadline is over, then it counts as unreachable.
    async fn judge(&mut self, review: Option<Review>, registries: &Registries) -> Option<Proof> {
        self.heard += 1;
        let (pause, last) = match review {
            Some(Review::Refuses) | None => {
                if self.heard > 1 {
                    return Some(Proof::Rejected);
                }
                (Some(REFUSAL_PAUSE), Proof::Rejected)
            }
            Some(Review::Unavailable) => {
                return Some(Proof::Silent(
                    Silence::Unreachable(Obstacle::Refused),
                    Vouch::Unavailable,
                ));
            }
            Some(Review::Accepts) => (
                None,
                Proof::Silent(Silence::Unreachable(Obstacle::Refused), Vouch::Accepts),
            ),
        };
        if self.backoff.wait(pause, registries.until()).await {
            None
        } else {
            Some(last)
        }
    }
}
