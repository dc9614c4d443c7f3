use super::*;
use crate::{
    command::Request,
    compiler::Processor,
    machine::BUSYBOX,
    need::{Go, GoVersion, Machine},
};

const SKOPEO: Need = Need::Program("skopeo", "skopeo");
const BUILDAH: Need = Need::Program("buildah", "buildah");
const JQ: Need = Need::Program("jq", "jq");
const PODMAN: Need = Need::Program("podman", "podman");

/// A machine that has everything but `missing`.
#[derive(Clone)]
struct Fake {
    missing: Vec<Need>,
    go: Go,
}

impl Fake {
    /// Rust with its targets, Go and a C compiler, and nothing else.
    fn new_machine() -> Self {
        let mut missing = packaged();
        missing.push(Need::Compiler(Processor::other()));
        Self::without(&missing)
    }

    fn without(missing: &[Need]) -> Self {
        let go = Go {
            installed: Some(GoVersion(1, 26)),
            needed: GoVersion(1, 26),
            updates_itself: false,
        };
        Self {
            missing: missing.to_vec(),
            go,
        }
    }
}

/// Needs that `.ci/run` installs.
fn packaged() -> Vec<Need> {
    vec![
        SKOPEO,
        JQ,
        BUILDAH,
        PODMAN,
        Need::Program("ip", "iproute2"),
        Need::Program("iptables", "iptables"),
        Need::Program("containerd", "containerd"),
        Need::Program("ctr", "containerd"),
        Need::Program("runc", "runc"),
        Need::Program(BUSYBOX, "busybox-static"),
        Need::NetworkPlugins,
    ]
}

impl Machine for Fake {
    fn has(&self, need: Need) -> bool {
        match need {
            Need::Go => self.go.is_enough(),
            Need::ImageBuilder => self.has(BUILDAH) || self.has(PODMAN),
            need => !self.missing.contains(&need),
        }
    }
    fn go(&self) -> Go {
        self.go
    }
}

fn request(line: &str) -> Request {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    Request::of(&arguments).expect(line)
}

fn skipped(verdict: &Verdict) -> Vec<Part> {
    verdict.skipped.iter().map(|(part, _)| *part).collect()
}

#[test]
fn t9_a_new_machine_runs_the_demo_and_the_tests_that_it_can() {
    let machine = Fake::new_machine();
    let demo = request("demo");
    assert!(!demo.is_refused(&demo.verdict(&machine, false), false));

    let test = request("test");
    let verdict = test.verdict(&machine, false);
    assert!(!test.is_refused(&verdict, false));
    assert_eq!(verdict.runnable, [Part::Unit, Part::Api]);
    assert_eq!(
        skipped(&verdict),
        [Part::Scripts, Part::Skopeo, Part::Image, Part::Node]
    );
    let explanation = verdict.explanation(&machine).join("\n");
    for part in [
        "not run: unit tier, tests of scripts: needs jq\n",
        "not run: API tier, comparison with skopeo: needs skopeo\n",
        "not run: node tier: needs buildah or podman, jq, ip, iptables, containerd, ctr, runc, container network plugins, \
         busybox\n",
    ] {
        assert!(explanation.contains(part), "{part}: {explanation}");
    }
}

#[test]
fn t9_one_command_installs_every_missing_package() {
    let verdict = request("test").verdict(&Fake::new_machine(), false);
    let command = verdict.command(true).expect("a command");
    let install = "apt-get update && apt-get install --yes --no-install-recommends ";
    let packages: Vec<&str> = command.strip_prefix(install).expect(install).split(' ').collect();
    let mut expected: Vec<&str> =
        "buildah busybox-static containerd containernetworking-plugins iproute2 iptables jq runc skopeo"
            .split(' ')
            .collect();
    expected.extend(Processor::other().packages());
    expected.sort_unstable();
    assert_eq!(packages, expected);
    let sudo = verdict.command(false).expect("a command");
    assert_eq!(sudo.matches("sudo apt-get").count(), 2, "{sudo}");
}

#[test]
fn t9_a_complete_machine_skips_nothing() {
    for ci in [false, true] {
        let verdict = request("test").verdict(&Fake::without(&[]), ci);
        assert_eq!(skipped(&verdict), []);
        assert_eq!(verdict.targets, Vec::<&str>::new());
        assert_eq!(verdict.explanation(&Fake::without(&[])), Vec::<String>::new());
        assert_eq!(verdict.command(true), None);
    }
}

#[test]
fn t9_in_ci_each_tier_that_cannot_run_is_refused() {
    let test = request("test");
    for need in packaged() {
        let machine = Fake::without(&[need]);
        let refused = [true, false].map(|ci| test.is_refused(&test.verdict(&machine, ci), ci));
        assert_eq!(refused, [true, false], "without {need:?}");
    }
}

#[test]
fn t9_a_missing_target_is_added_and_skips_nothing() {
    let targets = [Processor::native().target(), Processor::other().target()];
    let mut machine = Fake::without(&targets.map(Need::Target));
    let demo = request("demo").verdict(&machine, false);
    assert_eq!(demo.targets, [targets[0]]);
    let test = request("test").verdict(&machine, true);
    assert_eq!(skipped(&test), []);
    assert_eq!(test.targets, targets);

    // The other platform's target is of no use without its compiler.
    machine.missing.push(Need::Compiler(Processor::other()));
    let test = request("test").verdict(&machine, false);
    assert_eq!(test.targets, [targets[0]]);
    assert_eq!(
        request("test --unit").verdict(&machine, false).targets,
        Vec::<&str>::new()
    );
}

/// Each command of `.ci/run` would fail at once otherwise.
#[test]
fn t9_ci_installs_every_package_that_a_part_needs() {
    let script = std::fs::read_to_string(crate::root().join(".ci/run")).expect(".ci/run");
    let words: Vec<&str> = script.split_whitespace().collect();
    for line in ["test", "lint", "size", "fuzz"] {
        let request = request(line);
        for need in request
            .required
            .iter()
            .chain(&request.optional)
            .flat_map(|part| part.needs(true))
        {
            let packages = match need {
                // In every Debian.
                Need::Program(_, "util-linux" | "mount") => vec![],
                Need::Compiler(processor) if processor == Processor::native() => vec!["gcc"],
                Need::CargoTool(name) => vec![name],
                Need::Target(_) => vec!["rustup"],
                _ => need.packages(),
            };
            for package in packages {
                assert!(words.contains(&package), "{line}: {package}");
            }
        }
    }
}

#[test]
fn t9_either_builder_of_images_will_do() {
    for builder in [BUILDAH, PODMAN] {
        let verdict = request("test").verdict(&Fake::without(&[builder]), false);
        assert_eq!(skipped(&verdict), []);
    }
    let neither = Fake::without(&[BUILDAH, PODMAN]);
    assert_eq!(
        skipped(&request("test").verdict(&neither, false)),
        [Part::Image, Part::Node]
    );
}

#[test]
fn t9_go_must_be_new_enough_or_update_itself() {
    for (installed, updates_itself, runs) in [
        (None, true, false),
        (Some("go1.19.8"), true, false),
        (Some("go1.24.1"), false, false),
        (Some("go1.24.1"), true, true),
        (Some("go1.26.0"), false, true),
        (Some("go1.27rc1"), false, true),
    ] {
        let mut machine = Fake::without(&[]);
        machine.go.installed = installed.and_then(GoVersion::parse);
        machine.go.updates_itself = updates_itself;
        let demo = request("demo");
        let verdict = demo.verdict(&machine, false);
        assert_eq!(!demo.is_refused(&verdict, false), runs, "{installed:?}");
        let test = request("test").verdict(&machine, false);
        assert!(test.runs(Part::Unit), "{installed:?}");
        assert_eq!(test.runs(Part::Api), runs, "{installed:?}");
    }
    let mut machine = Fake::without(&[]);
    machine.go.installed = GoVersion::parse("go1.19.8");
    let explanation = request("demo").verdict(&machine, false).explanation(&machine);
    assert_eq!(
        explanation,
        [
            "not run: the servers and the static binary: needs Go 1.26 or later (https://go.dev/dl, 1.19 is installed)"
        ]
    );
}

#[test]
fn t9_a_user_who_is_not_root_runs_all_but_the_node() {
    let machine = Fake::without(&[Need::Root, Need::Namespaces]);
    let test = request("test");
    let verdict = test.verdict(&machine, false);
    assert_eq!(verdict.skipped, [(Part::Node, vec![Need::Root])]);
    assert!(!test.is_refused(&verdict, false));
    let node = request("test --node");
    assert!(
        node.is_refused(&node.verdict(&machine, false), false),
        "it is required"
    );

    // Root of a container without privileges.
    let verdict = test.verdict(&Fake::without(&[Need::Namespaces]), false);
    assert_eq!(verdict.skipped, [(Part::Node, vec![Need::Namespaces])]);
}

#[test]
fn t9_lint_leaves_out_what_has_no_tool_and_ci_refuses_that() {
    let lint = request("lint");
    for (part, line) in [
        (
            Part::Workflows,
            "not run: lint, workflows: needs actionlint (go install \
             github.com/rhysd/actionlint/cmd/actionlint@latest), zizmor (pip install zizmor), check-jsonschema (pip \
             install check-jsonschema)",
        ),
        (
            Part::Alerts,
            "not run: lint, tests of the alerts: needs promtool (go install \
             github.com/prometheus/prometheus/cmd/promtool@latest)",
        ),
    ] {
        let machine = Fake::without(&part.needs(false));
        let verdict = lint.verdict(&machine, false);
        assert_eq!(verdict.explanation(&machine), [line]);
        let refused = [true, false].map(|ci| lint.is_refused(&lint.verdict(&machine, ci), ci));
        assert_eq!(refused, [true, false], "{part:?}");
    }
}
