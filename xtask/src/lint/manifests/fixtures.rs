//! Manifests that keep every rule, and the problems that a rule reports after a change.

use std::sync::OnceLock;

use serde_json::Value;

use super::{
    collect::{self, Form, Manifests},
    object::{OURS, label},
    rules::{Rule, judge},
};

/// All manifests, rendered once.
pub fn all() -> &'static [Manifests] {
    static ALL: OnceLock<Vec<Manifests>> = OnceLock::new();
    ALL.get_or_init(|| collect::manifests().expect("the manifests can be rendered"))
}

/// An install with the admission policy; its first object is of `kind` and has the program's name.
pub fn installed(kind: &str) -> Vec<Value> {
    first(kind, "components/admission-policy")
}

/// The first combination with this component and an object of this kind.
pub fn first(kind: &str, component: &str) -> Vec<Value> {
    let with_component = all()
        .iter()
        .filter(|one| one.form == Form::Installed && one.origin.contains(component));
    for one in with_component {
        let is_wanted = |object: &Value| label(object) == format!("{kind}/{OURS}");
        if let Some(index) = one.objects.iter().position(is_wanted) {
            let mut objects = one.objects.clone();
            objects.swap(0, index);
            return objects;
        }
    }
    panic!("an install with {component} has a {kind}")
}

/// The shipped CronJob, as an install gives it.
pub fn cron_job() -> Value {
    installed("CronJob").remove(0)
}

/// The shipped Task, as an install gives it.
pub fn task() -> Value {
    installed("Task").remove(0)
}

/// The Task of an install with a robot account.
pub fn robot_task() -> Value {
    first("Task", "components/token-file").remove(0)
}

/// A rule, and manifests that break it.
pub struct Broken {
    rule: Rule,
    manifests: Manifests,
}

impl Broken {
    /// A rule and one object that keeps it.
    pub fn new(rule: Rule, object: Value) -> Self {
        Self::among(rule, Form::Installed, vec![object])
    }

    /// A rule and objects that keep it.
    pub fn among(rule: Rule, form: Form, objects: Vec<Value>) -> Self {
        let manifests = Manifests {
            origin: "a test".to_owned(),
            form,
            objects,
        };
        let new = Self { rule, manifests };
        new.reports_nothing();
        new
    }

    /// Sets the value at a pointer of the first object.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let object = self.manifests.objects.first_mut().expect("an object");
        let place = pointer.split('/').skip(1);
        *place.fold(object, |value, name| match name.parse::<usize>() {
            Ok(index) if value.is_array() => &mut value[index],
            _ => &mut value[name],
        }) = value;
        self
    }

    /// Empties the value at a pointer of the first object.
    pub fn without(self, pointer: &str) -> Self {
        let object = self.manifests.objects.first().expect("an object");
        assert!(object.pointer(pointer).is_some(), "there is no {pointer}");
        self.with(pointer, Value::Null)
    }

    /// Adds an object.
    pub fn and(mut self, object: Value) -> Self {
        self.manifests.objects.push(object);
        self
    }

    /// Asserts that the rule reports a problem with this text.
    #[track_caller]
    pub fn reports(&self, part: &str) {
        let problems = judge(self.rule, &self.manifests);
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "expected {part:?} in {problems:?}"
        );
    }

    /// Asserts that the rule finds no problem.
    #[track_caller]
    pub fn reports_nothing(&self) {
        assert_eq!(judge(self.rule, &self.manifests), [""; 0]);
    }
}
