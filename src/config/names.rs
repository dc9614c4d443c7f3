//! Names of Kubernetes objects.

use std::fmt;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It breaks RFC 1123's rules for a subdomain, as Kubernetes reads them.
    #[error(
        "is no DNS subdomain: at most 253 of a-z, 0-9, - and ., each part between dots beginning and ending with a \
         letter or digit"
    )]
    Subdomain,
    /// It breaks RFC 1123's rules for a label, as Kubernetes reads them.
    #[error("is no DNS label: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit")]
    Label,
}

/// The name of a Secret or a service account: a DNS subdomain (`k8s.io/apimachinery` `IsDNS1123Subdomain`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName(String);

impl ObjectName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NameError::Subdomain`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() <= 253 && text.split('.').all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Subdomain)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a namespace: a DNS label (`k8s.io/apimachinery` `IsDNS1123Label`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(String);

impl Namespace {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NameError::Label`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() <= 63 && is_part(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Label)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One part between dots. Kubernetes limits a part of a subdomain by the whole name's length alone.
fn is_part(part: &str) -> bool {
    let allowed = part
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    allowed && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_api_server_reads_them() {
        let long = "a".repeat(253);
        for name in ["a", "0", "a-b.c", "internal-registry-private-ai", &long] {
            assert_eq!(
                ObjectName::parse(name).map(|name| name.to_string()).as_deref(),
                Ok(name)
            );
        }
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "A",
            "a_b",
            "a b",
            "a\n",
            "ä",
            &format!("{long}a"),
        ] {
            assert_eq!(ObjectName::parse(name), Err(NameError::Subdomain), "{name:?}");
        }
    }

    #[test]
    fn a_namespace_has_no_dot_and_at_most_63_characters() {
        let long = "a".repeat(63);
        for name in ["a", &long] {
            let namespace = Namespace::parse(name).expect("a name");
            assert_eq!((namespace.as_str(), namespace.to_string().as_str()), (name, name));
        }
        for name in ["", "a.b", "-a", "a-", "A", "a\n", &format!("{long}a")] {
            assert_eq!(Namespace::parse(name), Err(NameError::Label), "{name:?}");
        }
    }
}
