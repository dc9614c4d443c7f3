//! Accounts of the registries that keep their own, with passwords made for one run.

use std::fmt;

use anyhow::{Context, Result};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

/// An account and its permissions.
#[derive(Clone, Serialize, Deserialize)]
pub struct Account {
    /// The user name.
    pub name: String,
    /// The password.
    pub password: String,
    /// Repositories that it may pull. A registry with basic authentication lets every account do everything.
    pub pulls: Repositories,
    /// Repositories that it may push.
    pub pushes: Repositories,
}

/// A set of repositories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repositories {
    /// Every one.
    All,
    /// None at all.
    None,
    /// Those in this namespace.
    Namespace(String),
}

impl Repositories {
    /// True if a repository belongs to the set.
    pub fn contain(&self, repository: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Namespace(namespace) => repository
                .split_once('/')
                .is_some_and(|(first, _)| first == namespace),
        }
    }
}

impl Account {
    /// An account with a new password.
    pub fn new(name: &str, pulls: Repositories, pushes: Repositories) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            password: random_hex()?,
            pulls,
            pushes,
        })
    }

    /// Its line in an htpasswd file.
    pub(super) fn htpasswd_line(&self) -> Result<String> {
        /// The least that bcrypt has: the password is random, and every request costs one such hash.
        const COST: u32 = 4;
        let hash = bcrypt::hash(&self.password, COST)
            .with_context(|| format!("cannot hash the password of account {}", self.name))?;
        Ok(format!("{}:{hash}\n", self.name))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Account")
            .field("name", &self.name)
            .field("pulls", &self.pulls)
            .field("pushes", &self.pushes)
            .finish_non_exhaustive()
    }
}

/// 128 random bits in hexadecimal digits.
pub(super) fn random_hex() -> Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .ok()
        .context("the system gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_holds_its_own_repositories_only() {
        let team = Repositories::Namespace("team-a".to_owned());
        assert!(team.contain("team-a/app"));
        for other in ["team-ab/app", "team-a", "team-b/team-a"] {
            assert!(!team.contain(other), "{other}");
        }
        assert!(Repositories::All.contain("x") && !Repositories::None.contain("x"));
    }

    #[test]
    fn a_password_never_shows_in_debug_output() {
        let account = Account::new("robot", Repositories::All, Repositories::None).expect("an account");
        assert!(!format!("{account:?}").contains(&account.password));
    }
}
