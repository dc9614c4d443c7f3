//! One thing that a command needs, and how to get it.

use std::fmt;

use crate::compiler::Processor;

/// A machine, as far as commands need something of it.
pub trait Machine {
    /// Whether the machine has it.
    fn has(&self, need: Need) -> bool;
    /// Go on this machine.
    fn go(&self) -> Go;
}

/// A version of Go: major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoVersion(pub u32, pub u32);

impl GoVersion {
    /// The first release that downloads newer versions of itself (go.dev/doc/toolchain).
    const UPDATES_ITSELF: Self = Self(1, 21);

    /// Reads `go1.26.3`, `1.26`, `1.26rc1`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut parts = text.strip_prefix("go").unwrap_or(text).split('.');
        let major = parts.next()?.parse().ok()?;
        let minor: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
        Some(Self(major, minor.parse().ok()?))
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

/// Go on a machine.
#[derive(Clone, Copy, Debug)]
pub struct Go {
    /// The installed version.
    pub installed: Option<GoVersion>,
    /// The version that the modules of the test cluster need.
    pub needed: GoVersion,
    /// Whether Go may download a newer version of itself (`GOTOOLCHAIN`).
    pub updates_itself: bool,
}

impl Go {
    /// Whether it builds the servers.
    pub fn is_enough(self) -> bool {
        self.installed.is_some_and(|installed| {
            installed >= self.needed || self.updates_itself && installed >= GoVersion::UPDATES_ITSELF
        })
    }
}

/// Requirement of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Go, which builds the servers.
    Go,
    /// Rust's standard library for a target.
    Target(&'static str),
    /// A C compiler for a processor, with the C library's headers: this machine's, or the image's other one.
    Compiler(Processor),
    /// A program of `PATH`, or a file, and the Debian package that has it.
    Program(&'static str, &'static str),
    /// buildah or podman: either builds the image.
    ImageBuilder,
    /// A tool that `cargo install` builds.
    CargoTool(&'static str),
    /// A tool that `go install` builds, and its package.
    GoTool(&'static str, &'static str),
    /// A tool that pip installs.
    PythonTool(&'static str),
    /// A tool of a release, and the command that installs it.
    ReleaseTool(&'static str, &'static str),
    /// The container network's plugins.
    NetworkPlugins,
    /// Linux, for namespaces and containers.
    Linux,
    /// Root, for namespaces, mounts and containers.
    Root,
    /// A kernel, or an outer container, that lets root make namespaces.
    Namespaces,
}

impl Need {
    /// The Debian packages that have it; empty where no package does.
    pub fn packages(self) -> Vec<&'static str> {
        match self {
            Self::Compiler(processor) => processor.packages().to_vec(),
            Self::Program(_, package) => vec![package],
            Self::ImageBuilder => vec!["buildah"],
            Self::NetworkPlugins => vec!["containernetworking-plugins"],
            _ => Vec::new(),
        }
    }

    /// Its name in a message, with the remedy where that is no package.
    pub fn describe(self, machine: &impl Machine) -> String {
        match self {
            Self::Go => {
                let Go {
                    installed, needed, ..
                } = machine.go();
                let installed =
                    installed.map_or_else(String::new, |version| format!(", {version} is installed"));
                format!("Go {needed} or later (https://go.dev/dl{installed})")
            }
            Self::Target(target) => format!("the Rust target {target}"),
            Self::Compiler(processor) if processor == Processor::native() => "a C compiler".to_owned(),
            Self::Compiler(processor) => format!("a C compiler for {}", processor.name()),
            Self::Program(name, _) => name.rsplit('/').next().unwrap_or(name).to_owned(),
            Self::ImageBuilder => "buildah or podman".to_owned(),
            Self::CargoTool(name) => format!("{name} (cargo install --locked {name})"),
            Self::GoTool(name, package) => format!("{name} (go install {package}@latest)"),
            Self::PythonTool(name) => format!("{name} (pip install {name})"),
            Self::ReleaseTool(name, install) => format!("{name} ({install})"),
            Self::NetworkPlugins => "container network plugins".to_owned(),
            Self::Linux => "Linux".to_owned(),
            Self::Root => "root".to_owned(),
            Self::Namespaces => {
                "permission to create namespaces (`unshare` failed; a container needs --privileged)"
                    .to_owned()
            }
        }
    }
}

/// Needs in one line.
pub fn list(needs: &[Need], machine: &impl Machine) -> String {
    let mut names: Vec<String> = needs.iter().map(|need| need.describe(machine)).collect();
    names.dedup();
    names.join(", ")
}
