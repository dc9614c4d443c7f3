//! Manifests that keep every rule, and the problems that a rule reports after a change.

use std::sync::OnceLock;

use serde_json::Value;

use super::{
    collect::{self, Form, Manifests},
    object::{of_kind, text},
};

/// What an install gives, with the admission policy.
pub fn installed() -> Vec<Value> {
    installed_with("components/admission-policy")
}

fn installed_with(component: &str) -> Vec<Value> {
    static INSTALLED: OnceLock<Vec<Manifests>> = OnceLock::new();
    let all = INSTALLED.get_or_init(|| collect::manifests().expect("the manifests can be rendered"));
    let one = all
        .iter()
        .find(|one| one.form == Form::Installed && one.origin.contains(component));
    one.expect("there is a component").objects.clone()
}

fn the(kind: &str) -> Value {
    of(&installed(), kind)
}

fn of(objects: &[Value], kind: &str) -> Value {
    let found = of_kind(objects, kind)
        .find(|object| text(&object["metadata"], "name").starts_with("ensure-pull-secret"));
    found.unwrap_or_else(|| panic!("an install has a {kind}")).clone()
}

/// The shipped CronJob, as an install gives it.
pub fn cron_job() -> Value {
    the("CronJob")
}

/// The shipped Task, as an install gives it.
pub fn task() -> Value {
    the("Task")
}

/// The Task of an install with a robot account.
pub fn robot_task() -> Value {
    of(&installed_with("components/robot-account"), "Task")
}

/// A rule, and manifests that break it.
pub struct Broken {
    rule: fn(&Manifests) -> Vec<String>,
    manifests: Manifests,
}

impl Broken {
    /// A rule and one object that keeps it.
    pub fn new(rule: fn(&Manifests) -> Vec<String>, object: Value) -> Self {
        Self::among(rule, Form::Installed, vec![object])
    }

    /// A rule and objects that keep it.
    pub fn among(rule: fn(&Manifests) -> Vec<String>, form: Form, objects: Vec<Value>) -> Self {
        let manifests = Manifests {
            origin: "a test".to_owned(),
            form,
            objects,
        };
        assert_eq!(rule(&manifests), [""; 0], "unchanged, it keeps the rule");
        Self { rule, manifests }
    }

    /// Puts `value` at the pointer of the first object; a member that isn't there is made.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        let object = self.manifests.objects.first_mut().expect("an object");
        let mut parent_value = &mut *object;
        for name in parent.split('/').skip(1) {
            parent_value = match name.parse::<usize>() {
                Ok(index) if parent_value.is_array() => &mut parent_value[index],
                _ => &mut parent_value[name],
            };
        }
        match member.parse::<usize>() {
            Ok(index) if parent_value.is_array() => parent_value[index] = value,
            _ => parent_value[member] = value,
        }
        self
    }

    /// Removes what is at the pointer of the first object.
    pub fn without(mut self, pointer: &str) -> Self {
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        let object = self.manifests.objects.first_mut().expect("an object");
        let parent = object.pointer_mut(parent).expect("the pointer's parent is there");
        let removed = match parent {
            Value::Object(members) => members.remove(member),
            Value::Array(values) => Some(values.remove(member.parse().expect("an index"))),
            _ => None,
        };
        assert!(removed.is_some(), "nothing is at {pointer}");
        self
    }

    /// Adds an object.
    pub fn and(mut self, object: Value) -> Self {
        self.manifests.objects.push(object);
        self
    }

    /// Asserts that the rule reports a problem with this text.
    #[track_caller]
    pub fn reports(&self, part: &str) {
        let problems = (self.rule)(&self.manifests);
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "expected {part:?} in {problems:?}"
        );
    }

    /// Asserts that the rule finds no problem.
    #[track_caller]
    pub fn says_nothing(&self) {
        assert_eq!((self.rule)(&self.manifests), [""; 0]);
    }
}
