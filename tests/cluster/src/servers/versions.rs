//! Releases of Kubernetes and Tekton that the node tier runs with.

use anyhow::{Context as _, Result};

/// Variable that has the name of a pair of [`OTHERS`]; unset or empty: the releases of the two `go.mod` files.
pub const VARIABLE: &str = "TEST_CLUSTER_VERSIONS";

/// Releases that are run together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Versions {
    /// Name of the pair.
    pub name: &'static str,
    /// Release of `k8s.io/kubernetes`.
    pub kubernetes: &'static str,
    /// Release of `github.com/tektoncd/pipeline`.
    pub tekton: &'static str,
}

/// Pairs beside the one that every run of the tests has. README's compatibility table has the date of the last run of each.
pub const OTHERS: [Versions; 2] = [
    Versions {
        name: "oldest",
        kubernetes: "v1.30.14",
        tekton: "v1.0.0",
    },
    Versions {
        name: "newest",
        kubernetes: "v1.37.2",
        tekton: "v1.15.0",
    },
];

impl Versions {
    /// The pair of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> Result<&'static Self> {
        OTHERS.iter().find(|pair| pair.name == name).with_context(|| {
            let names = OTHERS.map(|pair| pair.name).join(", ");
            format!("{name:?} is not a pair of versions; choose one of {names}")
        })
    }

    /// The pair that [`VARIABLE`] selects.
    ///
    /// # Errors
    /// If there is no such pair.
    pub fn selected() -> Result<Option<&'static Self>> {
        match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(name) => Self::named(&name.to_string_lossy()).context(VARIABLE).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_name_is_refused_with_the_known_ones() {
        let error = Versions::named("latest").expect_err("no such pair").to_string();
        assert_eq!(
            error,
            r#""latest" is not a pair of versions; choose one of oldest, newest"#
        );
        assert_eq!(Versions::named("oldest").expect("a pair").tekton, "v1.0.0");
    }
}
