//! One thing that a command needs, and how to get it.

use std::fmt;

use crate::compiler::Processor;

/// What is looked up on a machine.
pub trait Lookup {
    /// Whether the file is a program of `PATH`, or exists where it is a path.
    fn program(&self, name: &str) -> bool;
    /// Whether a tool written in Rust is in `PATH`, or where `.ci/run` keeps it.
    fn cargo_tool(&self, name: &str) -> bool;
    /// The installed Go's version.
    fn go(&self) -> Option<GoVersion>;
    /// The version of Go that the modules of the test cluster need.
    fn go_needed(&self) -> GoVersion;
    /// Whether Go may download a newer version of itself (`GOTOOLCHAIN`).
    fn go_updates_itself(&self) -> bool;
    /// Whether Rust's standard library for a target is installed.
    fn target(&self, target: &str) -> bool;
    /// Whether a C compiler for a processor is installed, with the C library's headers.
    fn compiler(&self, processor: Processor) -> bool;
    /// Whether a directory of network plugins has `bridge`.
    fn network_plugins(&self) -> bool;
    /// Whether the system is Linux.
    fn linux(&self) -> bool;
    /// Whether the user is root.
    fn root(&self) -> bool;
    /// Whether the kernel lets this user make a node's namespaces.
    fn namespaces(&self) -> bool;
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

/// What a part needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Go, which builds the servers.
    Go,
    /// Rust's standard library for a target.
    Target(&'static str),
    /// A C compiler for a processor: this machine's, or the image's other one.
    Compiler(Processor),
    /// A program, and the Debian package that has it.
    Program(&'static str, &'static str),
    /// buildah or podman: either builds the image.
    ImageBuilder,
    /// A tool that `cargo install` builds.
    CargoTool(&'static str),
    /// The container network's plugins.
    NetworkPlugins,
    /// Linux, for namespaces and containers.
    Linux,
    /// Root, for namespaces, mounts and containers.
    Root,
    /// A kernel, or an outer container, that lets root make namespaces.
    Namespaces,
}

/// How a need is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// By Debian packages.
    Packages(&'static [&'static str]),
    /// By one Debian package.
    Package(&'static str),
    /// By `rustup target add`.
    Target(&'static str),
    /// By `cargo install`.
    CargoTool(&'static str),
    /// By hand, as the need's own name says.
    Other,
}

impl Need {
    /// Whether the machine has it.
    pub fn is_met(self, machine: &impl Lookup) -> bool {
        match self {
            Self::Go => machine.go().is_some_and(|installed| {
                installed >= machine.go_needed()
                    || (installed >= GoVersion::UPDATES_ITSELF && machine.go_updates_itself())
            }),
            Self::Target(target) => machine.target(target),
            Self::Compiler(processor) => machine.compiler(processor),
            Self::Program(name, _) => machine.program(name),
            Self::ImageBuilder => machine.program("buildah") || machine.program("podman"),
            Self::CargoTool(name) => machine.cargo_tool(name),
            Self::NetworkPlugins => machine.network_plugins(),
            Self::Linux => machine.linux(),
            Self::Root => machine.root(),
            Self::Namespaces => machine.namespaces(),
        }
    }

    /// How it is met.
    pub fn remedy(self) -> Remedy {
        match self {
            Self::Compiler(processor) => Remedy::Packages(processor.packages()),
            Self::Program(_, package) => Remedy::Package(package),
            Self::ImageBuilder => Remedy::Package("buildah"),
            Self::NetworkPlugins => Remedy::Package("containernetworking-plugins"),
            Self::Target(target) => Remedy::Target(target),
            Self::CargoTool(name) => Remedy::CargoTool(name),
            Self::Go | Self::Linux | Self::Root | Self::Namespaces => Remedy::Other,
        }
    }

    /// Its name in a message, with the remedy where that is no package.
    pub fn describe(self, machine: &impl Lookup) -> String {
        match self {
            Self::Go => {
                let installed = machine
                    .go()
                    .map_or_else(String::new, |version| format!(", {version} is installed"));
                format!(
                    "Go {} or later (https://go.dev/dl{installed})",
                    machine.go_needed()
                )
            }
            Self::Target(target) => format!("the Rust target {target}"),
            Self::Compiler(processor) => match processor.packages() {
                ["gcc", ..] => "a C compiler".to_owned(),
                _ => format!("a C compiler for {}", processor.name()),
            },
            Self::Program(name, _) => (*name.rsplit('/').next().unwrap_or(name)).to_owned(),
            Self::ImageBuilder => "buildah or podman".to_owned(),
            Self::CargoTool(name) => format!("{name} (cargo install --locked {name})"),
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
pub fn list(needs: &[Need], machine: &impl Lookup) -> String {
    let mut names: Vec<String> = needs.iter().map(|need| need.describe(machine)).collect();
    names.dedup();
    names.join(", ")
}
