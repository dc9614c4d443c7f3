//! Excess permissions of the stored credential.

/// Permissions of the stored credential beyond pulling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcessPermissions {
    /// Permissions by resource, such as `secrets (get, list)`; empty if none beyond pulling was found.
    pub rights: Vec<String>,
    /// True if the API server returned all rules.
    pub complete: bool,
    /// YAML to paste: a ServiceAccount that is only allowed to pull, and the permission to request its tokens.
    pub remedy: Option<String>,
}

impl ExcessPermissions {
    /// Union of the excess permissions of two credentials.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for right in other.rights {
            if !self.rights.contains(&right) {
                self.rights.push(right);
            }
        }
        self.complete = self.complete && other.complete;
        self.remedy = self.remedy.or(other.remedy);
        self
    }
}
