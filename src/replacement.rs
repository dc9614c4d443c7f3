//! Make before break: may the new credential replace what is stored? (CONTRACT section 1, "What `ensure` writes")

use crate::{
    context::Context,
    credential::Credential,
    decision::{self, Permit},
    registry_host::RegistryHost,
    verification::{Evidence, Proof, Vouch},
};

/// Nothing alive is replaced by something that does less. `evidence` is of the new credential, `alive` is what is stored
/// for each registry. The stored credential is asked about an image only where the new one was refused it.
pub async fn may_write(
    context: &Context<'_>,
    evidence: &[Evidence],
    alive: &[(RegistryHost, Credential)],
) -> bool {
    for at in evidence {
        let stored = alive
            .iter()
            .find(|(registry, _)| *registry == at.registry)
            .map(|(_, stored)| stored);
        let permitted = match (
            at.proofs().map(decision::permit).max().unwrap_or(Permit::Yes),
            stored,
        ) {
            (Permit::No, _) => false,
            (Permit::Yes, _) | (_, None) => true,
            (Permit::UnlessAlive, Some(_)) => false,
            (Permit::UnlessStoredPulls, Some(stored)) => !pulls_what_was_refused(context, at, stored).await,
        };
        if !permitted {
            return false;
        }
    }
    true
}

/// Whether the credential stored for this registry pulls an image that the new one may not. Asked only of the registry
/// that it is stored for; where nobody can tell, it may.
async fn pulls_what_was_refused(context: &Context<'_>, at: &Evidence, stored: &Credential) -> bool {
    if stored.token.kind().is_kubernetes() && !context.config.may_receive_kubernetes_token(&at.registry) {
        return false;
    }
    let refused = at
        .images
        .iter()
        .filter(|(_, proof)| decision::permit(proof) == Permit::UnlessStoredPulls);
    let refused: Vec<_> = refused.map(|(image, _)| image).collect();
    let proven = context
        .verifier(&context.registries, stored)
        .prove(&[(&at.registry, refused)])
        .await;
    proven.iter().flat_map(Evidence::proofs).any(|proof| match proof {
        Proof::Pulls => true,
        Proof::Silent(_, vouch) => *vouch != Vouch::Refuses,
        Proof::Accepted
        | Proof::RepositoryMissing
        | Proof::TagMissing
        | Proof::PullForbidden
        | Proof::PushForbidden
        | Proof::Rejected => false,
    })
}
