//! C compilers, for the C parts of ring, the program's cryptography. The linker is part of the Rust toolchain.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// The headers that ring's C parts include; a cross compiler may come without.
const HEADERS: &[u8] = b"#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n";

/// A processor that the program is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// `x86_64`, amd64 of images.
    X86_64,
    /// `aarch64`, arm64 of images.
    Aarch64,
}

impl Processor {
    /// This machine's; of an unsupported machine, `x86_64`, for which xtask then reports that it isn't the machine's.
    pub fn native() -> Self {
        if cfg!(target_arch = "aarch64") {
            Self::Aarch64
        } else {
            Self::X86_64
        }
    }

    /// The one that the image is also for.
    pub fn other() -> Self {
        match Self::native() {
            Self::X86_64 => Self::Aarch64,
            Self::Aarch64 => Self::X86_64,
        }
    }

    /// The name that compilers have for it, the first part of a target.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The architecture that images have for it, a value of `GOARCH`.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// The Rust target of the static binary.
    pub fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Aarch64 => "aarch64-unknown-linux-musl",
        }
    }

    /// The Debian packages of a compiler for it, with the C library's headers.
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            native if native == Self::native() => &["gcc", "libc6-dev"],
            Self::X86_64 => &["gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"],
            Self::Aarch64 => &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        }
    }

    /// Cross compilers by their usual names. clang is the last: CI builds with the others.
    pub fn cross_compilers(self) -> [&'static str; 3] {
        match self {
            Self::X86_64 => ["x86_64-linux-gnu-gcc", "x86_64-linux-musl-gcc", "clang"],
            Self::Aarch64 => ["aarch64-linux-gnu-gcc", "aarch64-linux-musl-gcc", "clang"],
        }
    }

    /// The variable that cc-rs reads the compiler from.
    pub fn variable(self) -> String {
        format!("CC_{}", self.target().replace('-', "_"))
    }
}

/// Whether the compiler is installed and finds its headers. clang needs none: ring brings what it includes.
pub fn compiles(compiler: &str) -> bool {
    let mut command = Command::new(compiler);
    if compiler == "clang" {
        command.arg("--version").stdin(Stdio::null());
    } else {
        command
            .args(["-fsyntax-only", "-x", "c", "-"])
            .stdin(Stdio::piped());
    }
    let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return false;
    };
    // A compiler that doesn't read its input fails, so its exit code decides.
    let _unread = child.stdin.take().map(|mut input| input.write_all(HEADERS));
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_is_not_installed_compiles_nothing() {
        assert!(compiles("cc"), "the suite itself was built with it");
        assert!(!compiles("no-such-compiler"));
        assert!(!compiles("false"));
    }
}
