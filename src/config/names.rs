//! Names of Kubernetes objects.

use std::fmt;

/// Error of an invalid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a DNS subdomain name of RFC 1123, by the rules of Kubernetes.
    #[error(
        "must be a valid DNS subdomain name: at most 253 of a-z, 0-9, - and ., each part between dots beginning and \
         ending with a letter or digit"
    )]
    Subdomain,
    /// Not a DNS label of RFC 1123, by the rules of Kubernetes.
    #[error(
        "must be a valid DNS label: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
    )]
    Label,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $error:ident, $is_valid:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Parses a name.
            ///
            /// # Errors
            #[doc = concat!("[`NameError::", stringify!($error), "`].")]
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let is_valid: fn(&str) -> bool = $is_valid;
                is_valid(text).then(|| Self(text.to_owned())).ok_or(NameError::$error)
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// Name of a Secret or a ServiceAccount: a DNS subdomain name (`k8s.io/apimachinery` `IsDNS1123Subdomain`).
    ObjectName, Subdomain, |text| text.len() <= 253 && text.split('.').all(is_part);

    /// Name of a namespace: a DNS label (`k8s.io/apimachinery` `IsDNS1123Label`).
    Namespace, Label, |text| text.len() <= 63 && is_part(text);
}

/// True for a valid part between dots. Kubernetes limits only the length of the whole name.
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
    fn object_names_follow_the_rules_of_the_api_server() {
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
    fn namespace_has_no_dot_and_at_most_63_characters() {
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
