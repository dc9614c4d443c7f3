//! Printable form of a value that is stored in the Secret. Anybody who may write the Secret may have put a password there.

use k8s_openapi::jiff::Timestamp;

use crate::{
    config::{Access, DEFAULT_DESCRIPTION, DEFAULT_DISPLAY_NAME},
    credential::{KnownSecrets, rfc3339},
    image::RegistryHost,
    text::SafeName,
};

/// Printed in the place of every other value.
const ANOTHER: &str = "another value";

/// Values that this program writes.
const KNOWN: &[&str] = &[
    Access::Pull.as_json(),
    Access::PushPull.as_json(),
    "true",
    "false",
    "oci",
    "oci-v1",
    DEFAULT_DISPLAY_NAME,
    DEFAULT_DESCRIPTION,
];

/// A value that this program writes, a time, or the host of a registry that shows no secret of the run; else words.
pub fn shown(value: &[u8], secrets: &KnownSecrets) -> String {
    let Ok(value) = std::str::from_utf8(value) else {
        return ANOTHER.to_owned();
    };
    if KNOWN.contains(&value) {
        return value.to_owned();
    }
    if let Ok(time) = value.parse::<Timestamp>() {
        return rfc3339(time);
    }
    if is_host(value) && !secrets.show_in(value) {
        return value.to_owned();
    }
    ANOTHER.to_owned()
}

/// `host[:port]`, nothing else. A name without a dot or a port may be a password.
fn is_host(value: &str) -> bool {
    value.contains(['.', ':'])
        && SafeName::new(value).as_str() == value
        && RegistryHost::parse(value).is_ok_and(|host| host.path().is_none() && host.host_port() == value)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn secrets(passwords: &[&str]) -> KnownSecrets {
        let secrets = KnownSecrets::default();
        for password in passwords {
            secrets.add("team+robot", &SecretString::from((*password).to_owned()));
        }
        secrets
    }

    #[test]
    fn s14_what_the_program_writes_is_shown() {
        for (value, expected) in [
            (r#"["Pull"]"#, r#"["Pull"]"#),
            (r#"["Push","Pull"]"#, r#"["Push","Pull"]"#),
            ("true", "true"),
            ("oci-v1", "oci-v1"),
            ("Internal OpenShift Registry", "Internal OpenShift Registry"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("quay.io", "quay.io"),
            ("localhost:46000", "localhost:46000"),
            (
                "image-registry.openshift-image-registry.svc:5000",
                "image-registry.openshift-image-registry.svc:5000",
            ),
        ] {
            assert_eq!(
                shown(value.as_bytes(), &secrets(&["s3cr3t-robot-pass"])),
                expected
            );
        }
    }

    #[test]
    fn s14_any_other_value_is_not_shown() {
        let secrets = secrets(&["s3cr3t-robot-pass", "hunter.two"]);
        for value in [
            "",
            "s3cr3t-robot-pass",
            "other-unknown-pass",
            "s3cr3t-robot-pass.example.com",
            "hunter.two",
            // base64 of the password.
            "czNjcjN0LXJvYm90LXBhc3M=",
            "robot:s3cr3t-robot-pass@quay.io",
            "https://quay.io",
            "quay.io/team",
            "quay.io\n",
            "team+robot:s3cr3t-robot-pass",
            r#"["Pull"] s3cr3t-robot-pass"#,
            r#"["s3cr3t"]"#,
            r#"{"password":"x"}"#,
            "A name that somebody chose",
            "sha256~c2VjcmV0",
            "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        ] {
            assert_eq!(shown(value.as_bytes(), &secrets), ANOTHER, "{value}");
        }
        assert_eq!(shown(b"\xff\xfe", &secrets), ANOTHER);
    }
}
