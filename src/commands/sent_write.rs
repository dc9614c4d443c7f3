//! The last write that was sent. A read of the Secret shows whether it was done, even if its answer was lost.

use crate::{
    commands::ensure::new_credential::VerifiedCredential,
    config::Config,
    decide,
    kubernetes::{
        secret::{AppliedFields, PLACEHOLDER, StoredSecret},
        secret_fields,
    },
    outcome::Action,
};

/// A write that was sent.
pub struct SentWrite {
    /// The uid of the Secret; none for the placeholder.
    pub uid: Option<String>,
    /// The credential that the Secret holds then; none for the placeholder.
    pub verified: Option<VerifiedCredential>,
    /// The labels, annotations and keys beside the document.
    pub beside: AppliedFields,
    /// The action, where it was done.
    pub action: Action,
}

impl SentWrite {
    /// The write of the placeholder.
    pub fn placeholder() -> Self {
        Self {
            uid: None,
            verified: None,
            beside: AppliedFields::default(),
            action: Action::Created,
        }
    }

    /// The write of `fields` to the Secret `uid`, which then holds `verified`.
    pub fn new(uid: &str, verified: VerifiedCredential, fields: &AppliedFields, action: Action) -> Self {
        Self {
            uid: Some(uid.to_owned()),
            verified: Some(verified),
            beside: AppliedFields {
                data: secret_fields::beside_document(fields.data.clone()),
                labels: fields.labels.clone(),
                annotations: fields.annotations.clone(),
            },
            action,
        }
    }

    /// Whether `secret` holds what was sent. Fields of other writers don't count.
    pub fn is_in(&self, config: &Config, secret: &StoredSecret) -> bool {
        let Some(verified) = &self.verified else {
            return secret.document() == PLACEHOLDER;
        };
        self.uid.as_ref() == Some(&secret.version.uid)
            && decide::holds(config, secret, &verified.credential)
            && !secret_fields::differs(&self.beside, secret)
    }
}
