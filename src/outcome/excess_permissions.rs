//! ExcessPermissions permissions: what the stored credential may do beyond pulling.

/// What is too much for a puller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcessPermissions {
    /// What it may do, in words, of a closed list; empty where it may only pull.
    pub rights: Vec<&'static str>,
    /// Whether the API server knew all of its rules.
    pub complete: bool,
    /// YAML to paste: an account that may only pull, and the right to mint for it.
    pub remedy: Option<String>,
}

impl ExcessPermissions {
    /// All that either of two credentials may do.
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
