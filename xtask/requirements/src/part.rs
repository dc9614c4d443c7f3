//! The parts of the commands, and the requirements of each.

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
    /// In the unit tier, the tests of shell scripts.
    Scripts,
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
    /// `release build`.
    ReleaseBuild,
    /// `release publish`.
    Publish,
    /// In `lint`, licences and advisories.
    Dependencies,
    /// In `lint`, the form of YAML.
    Yaml,
    /// In `lint`, workflows and the other files that GitHub reads.
    Workflows,
    /// In `lint`, the tests of the alerts.
    Alerts,
    /// `fuzz`.
    Fuzz,
    /// `coverage`, beside the tiers that it runs.
    Coverage,
}

/// The static binary for a processor.
fn binary(processor: Processor) -> [Need; 2] {
    [Need::Compiler(processor), Need::Target(processor.target())]
}

/// Programs and permissions for a node's namespaces and the containers in them.
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

/// Tools whose versions decide the bytes of a release.
const RELEASE_TOOLS: [Need; 2] = [
    Need::ReleaseTool("cargo-auditable", "cargo install --locked cargo-auditable@0.7.7"),
    Need::ReleaseTool("cargo-cyclonedx", "cargo install --locked cargo-cyclonedx@0.5.9"),
];
/// It packages and pushes the chart.
const HELM: Need = Need::GoTool("helm", "helm.sh/helm/v4/cmd/helm");
/// Takes about ten minutes to build.
const COSIGN: Need = Need::ReleaseTool(
    "cosign",
    "go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3, with its directory in PATH",
);

impl Part {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Servers => "the servers and the static binary",
            Self::Binary => "the static binary",
            Self::OtherBinary => "the static binary for the other platform",
            Self::Unit => "unit tier",
            Self::Scripts => "unit tier, tests of scripts",
            Self::Api => "API tier",
            Self::Skopeo => "API tier, comparison with skopeo",
            Self::Image => "API tier, tests of the image",
            Self::Node => "node tier",
            Self::NodeAlone => "a node",
            Self::Lint => "lint",
            Self::ReleaseBuild => "the build of a release",
            Self::Publish => "push and signatures",
            Self::Dependencies => "lint, dependencies",
            Self::Yaml => "lint, the form of YAML",
            Self::Workflows => "lint, workflows",
            Self::Alerts => "lint, tests of the alerts",
            Self::Fuzz => "fuzz",
            Self::Coverage => "coverage",
        }
    }

    /// Its requirements. In CI, both builders of images are tried.
    pub fn needs(self, ci: bool) -> Vec<Need> {
        let skopeo = Need::Program("skopeo", "skopeo");
        let jq = Need::Program("jq", "jq");
        let servers = || [&[Need::Go][..], &binary(Processor::native())].concat();
        let builders = if ci {
            &[
                Need::Program("buildah", "buildah"),
                Need::Program("podman", "podman"),
            ][..]
        } else {
            &[Need::ImageBuilder]
        };
        match self {
            Self::Servers | Self::Api => servers(),
            Self::Binary => binary(Processor::native()).to_vec(),
            Self::OtherBinary => binary(Processor::other()).to_vec(),
            Self::Unit => vec![Need::Compiler(Processor::native())],
            Self::Scripts => vec![Need::Compiler(Processor::native()), jq],
            Self::Skopeo => [servers(), vec![skopeo]].concat(),
            Self::Image => [&servers()[..], &[skopeo], builders, &binary(Processor::other())].concat(),
            Self::Node => [&servers()[..], &[Need::ImageBuilder, jq], &NODE].concat(),
            Self::NodeAlone => NODE.to_vec(),
            Self::Lint => vec![Need::Go],
            Self::ReleaseBuild => [
                &servers()[..],
                &binary(Processor::other()),
                &RELEASE_TOOLS,
                &[Need::ImageBuilder, Need::Program("git", "git"), HELM],
            ]
            .concat(),
            Self::Publish => vec![skopeo, COSIGN, HELM],
            Self::Dependencies => vec![Need::CargoTool("cargo-deny")],
            Self::Yaml => vec![Need::Program("yamllint", "yamllint")],
            Self::Workflows => vec![
                Need::GoTool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),
                Need::PythonTool("zizmor"),
                Need::PythonTool("check-jsonschema"),
            ],
            Self::Alerts => vec![Need::GoTool(
                "promtool",
                "github.com/prometheus/prometheus/cmd/promtool",
            )],
            Self::Fuzz => vec![Need::CargoTool("cargo-fuzz"), Need::Program("c++", "g++")],
            Self::Coverage => vec![Need::CargoTool("cargo-llvm-cov")],
        }
    }
}
