//! The parts of the commands, and what each of them needs.

use crate::{compiler::Processor, need::Need};

/// A command, or a part of one that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `demo`, and every other command that builds the static binary and the servers.
    Servers,
    /// The static binary for this machine, of `size` and `image`.
    Binary,
    /// The static binary for the image's other platform.
    OtherBinary,
    /// The unit tier.
    Unit,
    /// The API tier.
    Api,
    /// In the API tier, the comparison with skopeo.
    Skopeo,
    /// In the API tier, the tests of `cargo xtask image`.
    Image,
    /// The node tier.
    Node,
    /// A node, without the image that the tier's tests run on it.
    NodeAlone,
    /// `lint`, but for what follows.
    Lint,
    /// In `lint`, licences and advisories.
    Dependencies,
    /// In `lint`, the form of YAML.
    Yaml,
    /// `fuzz`.
    Fuzz,
    /// `coverage`, beside the tiers that it runs.
    Coverage,
}

/// The static binary for a processor.
fn binary(processor: Processor) -> [Need; 2] {
    [Need::Compiler(processor), Need::Target(processor.target())]
}

/// What makes a node's namespaces and runs containers in them.
const NODE: [Need; 12] = [
    Need::Linux,
    Need::Root,
    Need::Program("unshare", "util-linux"),
    Need::Program("mount", "mount"),
    Need::Program("ip", "iproute2"),
    Need::Program("iptables", "iptables"),
    Need::Program("containerd", "containerd"),
    Need::Program("ctr", "containerd"),
    Need::Program("runc", "runc"),
    Need::NetworkPlugins,
    // Static, since it is the only file of an image.
    Need::Program(crate::machine::BUSYBOX, "busybox-static"),
    Need::Namespaces,
];

impl Part {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Servers => "the servers and the static binary",
            Self::Binary => "the static binary",
            Self::OtherBinary => "the static binary for the other platform",
            Self::Unit => "unit tier",
            Self::Api => "API tier",
            Self::Skopeo => "API tier, comparison with skopeo",
            Self::Image => "API tier, tests of the image",
            Self::Node => "node tier",
            Self::NodeAlone => "a node",
            Self::Lint => "lint",
            Self::Dependencies => "lint, dependencies",
            Self::Yaml => "lint, the form of YAML",
            Self::Fuzz => "fuzz",
            Self::Coverage => "coverage",
        }
    }

    /// What it needs. In CI, both builders of images are tried.
    pub fn needs(self, ci: bool) -> Vec<Need> {
        let mut needs = match self {
            Self::Unit | Self::Dependencies | Self::Yaml | Self::Fuzz | Self::Coverage | Self::NodeAlone => {
                Vec::new()
            }
            Self::Lint => vec![Need::Go],
            Self::Binary => binary(Processor::native()).to_vec(),
            Self::OtherBinary => binary(Processor::other()).to_vec(),
            Self::Servers | Self::Api | Self::Skopeo | Self::Image | Self::Node => [Need::Go]
                .into_iter()
                .chain(binary(Processor::native()))
                .collect(),
        };
        match self {
            Self::Servers | Self::Binary | Self::OtherBinary | Self::Api | Self::Lint => {}
            Self::Unit => needs.push(Need::Compiler(Processor::native())),
            Self::Skopeo => needs.push(Need::Program("skopeo", "skopeo")),
            Self::Image => {
                needs.push(Need::Program("skopeo", "skopeo"));
                if ci {
                    needs.push(Need::Program("buildah", "buildah"));
                    needs.push(Need::Program("podman", "podman"));
                } else {
                    needs.push(Need::ImageBuilder);
                }
                needs.extend(binary(Processor::other()));
            }
            Self::Node => {
                needs.push(Need::ImageBuilder);
                needs.extend(NODE);
            }
            Self::NodeAlone => needs.extend(NODE),
            Self::Dependencies => needs.push(Need::CargoTool("cargo-deny")),
            Self::Yaml => needs.push(Need::Program("yamllint", "yamllint")),
            Self::Coverage => needs.push(Need::CargoTool("cargo-llvm-cov")),
            Self::Fuzz => {
                needs.push(Need::CargoTool("cargo-fuzz"));
                needs.push(Need::Program("c++", "g++"));
            }
        }
        needs
    }
}
