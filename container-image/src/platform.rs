//! What the image is built for.

use std::{fmt, str::FromStr};

use anyhow::{Result, bail};

/// A platform, as the OCI image specification names it: operating system and architecture of `GOOS` and `GOARCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Platform {
    /// `linux/amd64`.
    Amd64,
    /// `linux/arm64`.
    Arm64,
}

impl Platform {
    /// Each one that the image is for.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// This machine's.
    ///
    /// # Errors
    /// Where the image is for none of its kind.
    pub fn native() -> Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => bail!("no static binary is built for {other}: the program is for x86_64 and aarch64"),
        }
    }

    /// The architecture as images have it, a value of `GOARCH`.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The processor as compilers have it, the first part of a target.
    pub fn processor(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The target that cargo builds the static binary for.
    pub fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "linux/{}", self.architecture())
    }
}

impl FromStr for Platform {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some(platform) = Self::ALL
            .into_iter()
            .find(|platform| platform.to_string() == text)
        else {
            bail!(
                "the image is for {}",
                Self::ALL.map(|one| one.to_string()).join(" and ")
            );
        };
        Ok(platform)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_read_as_it_is_written() {
        for platform in Platform::ALL {
            let read: Platform = platform.to_string().parse().expect("a platform");
            assert_eq!(read, platform);
            assert!(platform.target().starts_with(platform.processor()), "{platform}");
        }
    }

    #[test]
    fn another_platform_is_refused_with_those_that_there_are() {
        for text in ["arm64", "linux/s390x", "linux/arm64/v8", ""] {
            let error = text.parse::<Platform>().expect_err(text);
            assert_eq!(error.to_string(), "the image is for linux/amd64 and linux/arm64");
        }
    }
}
