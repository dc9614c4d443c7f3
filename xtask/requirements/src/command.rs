//! The command line of `cargo xtask`, as far as it decides the requirements.

use crate::{compiler::Processor, need::Machine, part::Part, verdict::Verdict};

/// Request of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The parts without which the command fails.
    pub required: Vec<Part>,
    /// The parts that are skipped where something is missing, except in CI.
    pub optional: Vec<Part>,
    /// Whether missing packages are installed first.
    pub install: bool,
    /// Whether the check is all.
    pub check: bool,
}

impl Request {
    /// Reads the arguments. `None` for help, and for commands without requirements.
    pub fn of(arguments: &[String]) -> Option<Self> {
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        // `--recorded` writes a page from what an earlier run left.
        if has("--help") || has("-h") || has("--recorded") {
            return None;
        }
        let command = arguments.first()?.as_str();
        let (required, optional) = match command {
            "demo" if has("--node") => (vec![Part::Servers, Part::NodeAlone], vec![]),
            "demo" | "picture" | "reliability" | "bench" => (vec![Part::Servers], vec![]),
            "coverage" => (vec![Part::Coverage, Part::Api, Part::Skopeo, Part::Image], vec![]),
            "test" => {
                let tests = Self::test(has("--unit"), has("--api"), has("--node"));
                (tests.required, tests.optional)
            }
            "size" => (vec![Part::Binary], vec![Part::OtherBinary]),
            "image" => (Self::platforms(arguments), vec![]),
            "release" if has("build") => (vec![Part::ReleaseBuild], vec![]),
            "release" if has("publish") => (vec![Part::Publish], vec![]),
            "release" if has("rehearse") => (vec![Part::ReleaseBuild, Part::Publish], vec![]),
            "lint" => (
                vec![Part::Lint],
                vec![Part::Dependencies, Part::Yaml, Part::Workflows, Part::Alerts],
            ),
            "fuzz" => (vec![Part::Fuzz], vec![]),
            _ => return None,
        };
        Some(Self {
            required,
            optional,
            install: has("--install"),
            check: command == "test" && has("--check"),
        })
    }

    /// The request of `test` with at most one of its options for one tier. That tier is required, so that a run of no
    /// test never passes.
    pub fn test(unit: bool, api: bool, node: bool) -> Self {
        let (required, optional) = match (unit, api, node) {
            (true, _, _) => (vec![Part::Unit], vec![Part::Scripts]),
            (_, true, _) => (vec![Part::Api], vec![Part::Skopeo, Part::Image]),
            (_, _, true) => (vec![Part::Node], vec![]),
            (false, false, false) => (
                vec![Part::Unit],
                vec![Part::Scripts, Part::Api, Part::Skopeo, Part::Image, Part::Node],
            ),
        };
        Self {
            required,
            optional,
            install: false,
            check: false,
        }
    }

    /// The binaries of an image: those that `--platform` names, or both.
    fn platforms(arguments: &[String]) -> Vec<Part> {
        let named = arguments
            .iter()
            .skip_while(|argument| !argument.starts_with("--platform"));
        // `--platform` and its list, or both in one argument and the next option.
        let list: String = named.take(2).map(String::as_str).collect();
        let both = [
            (Part::Binary, Processor::native()),
            (Part::OtherBinary, Processor::other()),
        ];
        let is_named = |processor: Processor| list.is_empty() || list.contains(processor.architecture());
        let named = both.into_iter().filter(|(_, processor)| is_named(*processor));
        named.map(|(part, _)| part).collect()
    }

    /// Judges all parts.
    pub fn verdict(&self, machine: &impl Machine, ci: bool) -> Verdict {
        let parts: Vec<Part> = self.required.iter().chain(&self.optional).copied().collect();
        Verdict::of(&parts, machine, ci)
    }

    /// Whether the command can't start with this verdict: a required part is missing, or, in CI, any.
    pub fn is_refused(&self, verdict: &Verdict, ci: bool) -> bool {
        let mut skipped = verdict.skipped.iter();
        skipped.any(|(part, _)| ci || self.required.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Option<Request> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Request::of(&arguments)
    }

    #[test]
    fn t9_every_command_that_builds_the_static_binary_checks_its_target() {
        let lines = "demo,demo --keep,demo --node --keep,test,test --api,test --node,picture --check,\
                     reliability --case x,bench,coverage,size,image --push registry.example.com/team/tool,\
                     release build out,release rehearse";
        for line in lines.split(',') {
            let request = request(line).expect(line);
            let parts = request.required.iter().chain(&request.optional);
            let needs: Vec<_> = parts.flat_map(|part| part.needs(false)).collect();
            let target = Processor::native().target();
            assert!(needs.contains(&crate::need::Need::Target(target)), "{line}");
        }
    }

    #[test]
    fn t9_help_and_commands_without_requirements_are_passed_on() {
        let lines = ",--help,demo --help,test -h,generate,reliability --recorded,no-such-command";
        for line in lines.split(',') {
            assert_eq!(request(line), None, "{line}");
        }
    }

    #[test]
    fn t9_an_image_needs_the_targets_of_its_platforms() {
        let (native, other) = (
            Processor::native().architecture(),
            Processor::other().architecture(),
        );
        for (arguments, parts) in [
            (String::new(), &[Part::Binary, Part::OtherBinary][..]),
            (format!("--platform linux/{native}"), &[Part::Binary]),
            (format!("--platform=linux/{other}"), &[Part::OtherBinary]),
            (
                format!("--platform linux/{native},linux/{other} --dist-only"),
                &[Part::Binary, Part::OtherBinary],
            ),
        ] {
            let request = request(&format!("image {arguments}")).expect("a request");
            assert_eq!(request.required, parts, "{arguments}");
        }
    }

    #[test]
    fn a_tier_that_is_asked_for_alone_is_required() {
        for (line, part) in [("test --api", Part::Api), ("test --node", Part::Node)] {
            let request = request(line).expect(line);
            assert_eq!(request.required, [part]);
        }
        assert!(request("test --install").expect("a request").install);
    }
}
