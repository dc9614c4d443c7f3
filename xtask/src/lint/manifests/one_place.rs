//! Names stand in one place: a user's kustomization that sets them there, and nowhere else, changes them everywhere.

use anyhow::{Context as _, Result};
use serde_json::Value;
use test_cluster::kustomize::UserKustomization;

use super::{
    collect::{Form, Manifests},
    object::{OURS, containers, of_kind, text},
    rules,
};

const NAMESPACE: &str = "their-models";
const SECRET: &str = "their-secret";
const RUNNER: &str = "their-runner";
const PULLER: &str = "their-puller";
const REGISTRY: &str = "registry.example.com";
/// The names in `names.yaml` before a user changes them.
const OURS_BY_DEFAULT: &[&str] = &[
    "internal-registry",
    "model-puller",
    "image-registry.openshift-image-registry.svc:5000",
];

/// The section "Other names" of tekton/README.md, for an install with the admission policy.
fn install(resource: &str) -> Result<Vec<Value>> {
    let text = format!(
        "namespace: {NAMESPACE}\nresources: [../{resource}]\nconfigMapGenerator:\n- name: ensure-pull-secret\n  behavior: \
         merge\n  literals:\n  - secret={SECRET}\n  - runner={RUNNER}\n  - puller={PULLER}\n  - registry={REGISTRY}\n  - \
         maximumTokenSeconds=90000\n  - audiences=their-audience\ncomponents:\n- ../tekton/components/admission-policy\n- \
         ../tekton/components/names\n"
    );
    UserKustomization::new(&text)?.render()
}

/// Every string in an object, but for what people read.
fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(members) => {
            for (_, value) in members.iter().filter(|(name, _)| *name != "description") {
                strings(value, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_name_that_is_changed_in_the_one_place_follows_everywhere() -> Result<()> {
    for resource in [
        "tekton",
        "tekton/cronjob",
        "tekton/overlays/openshift",
        "tekton/overlays/gitops",
    ] {
        let objects = install(resource)?;
        let mut found = Vec::new();
        for object in &objects {
            // A binding's own name is no reference to what it binds.
            let parts = ["spec", "rules", "subjects", "roleRef", "data"];
            parts.iter().for_each(|part| strings(&object[*part], &mut found));
        }
        for name in OURS_BY_DEFAULT {
            let left: Vec<_> = found.iter().filter(|text| text.contains(name)).collect();
            assert!(left.is_empty(), "{resource}: {name} is left: {left:?}");
        }

        // Role, bindings, accounts and CronJob name each other as they must, by the new names.
        let manifests = Manifests {
            origin: resource.to_owned(),
            form: Form::Installed,
            objects,
        };
        let wrong: Vec<String> = [
            rules::rights::the_role_is_the_contracts,
            rules::rights::nothing_dangles,
        ]
        .iter()
        .flat_map(|rule| rule(&manifests))
        .collect();
        assert_eq!(wrong, [""; 0], "{resource}");
        names_follow(&manifests.objects).with_context(|| resource.to_owned())?;
    }
    Ok(())
}

/// With a robot account, one that README shows, a user's names reach the Task's literals.
#[test]
fn s1_a_users_registry_and_user_name_reach_the_robot_accounts_task() -> Result<()> {
    let text = format!(
        "namespace: {NAMESPACE}\nresources: [../tekton/overlays/kubernetes]\nconfigMapGenerator:\n- name: \
         ensure-pull-secret\n  behavior: merge\n  literals:\n  - secret={SECRET}\n  - registry={REGISTRY}\n  - \
         username=their-robot\n  - robot=their-token\ncomponents:\n- ../tekton/components/names\n"
    );
    let objects = UserKustomization::new(&text)?.render()?;
    let runs: Vec<_> = of_kind(&objects, "CronJob")
        .chain(of_kind(&objects, "Task"))
        .collect();
    assert_eq!(runs.len(), 2);
    for object in runs {
        let container = containers(object)
            .into_iter()
            .find(|one| one.name() == OURS)
            .context("ours")?;
        for (variable, value) in [
            ("PULL_SECRET_REGISTRY", Some(REGISTRY)),
            ("PULL_SECRET_USERNAME", Some("their-robot")),
            ("PULL_SECRET_TOKEN_FILE", Some("/robot-account/token")),
            ("PULL_SECRET_SERVICE_ACCOUNT", None),
        ] {
            assert_eq!(container.variable(variable), value, "{variable}");
        }
        let mut words = Vec::new();
        strings(&object["spec"], &mut words);
        assert!(words.contains(&"their-token"), "{words:?}");
    }
    Ok(())
}

fn names_follow(objects: &[Value]) -> Result<()> {
    let named =
        |kind: &'static str, name: &str| of_kind(objects, kind).any(|one| one["metadata"]["name"] == name);
    assert!(named("ServiceAccount", RUNNER) && named("ServiceAccount", PULLER));
    for job in of_kind(objects, "CronJob").chain(of_kind(objects, "Job")) {
        let container = containers(job)
            .into_iter()
            .find(|one| one.name() == OURS)
            .context("ours")?;
        for (variable, name) in [
            ("PULL_SECRET_NAME", SECRET),
            ("PULL_SECRET_SERVICE_ACCOUNT", PULLER),
            ("PULL_SECRET_REGISTRY", REGISTRY),
        ] {
            assert_eq!(container.variable(variable), Some(name));
        }
        let account = container.pod.map(|pod| text(pod, "serviceAccountName"));
        assert_eq!(account, Some(RUNNER));
    }
    for task in of_kind(objects, "Task").chain(of_kind(objects, "StepAction")) {
        for (param, name) in [("NAME", SECRET), ("REGISTRY", REGISTRY)] {
            let params = task["spec"]["params"].as_array().context("params")?;
            let param = params
                .iter()
                .find(|one| one["name"] == param)
                .context("the param")?;
            assert_eq!(param["default"], name);
        }
        let puller = containers(task)
            .first()
            .and_then(|step| step.variable("PULL_SECRET_SERVICE_ACCOUNT"))
            .map(str::to_owned);
        assert_eq!(puller.as_deref(), Some(PULLER));
    }
    let policy = of_kind(objects, "ValidatingAdmissionPolicy")
        .next()
        .context("a policy")?;
    let mut words = Vec::new();
    strings(&policy["spec"], &mut words);
    for word in [SECRET, RUNNER, PULLER, "90000", "their-audience"] {
        assert!(
            words.iter().any(|text| text.contains(word)),
            "the policy does not know {word}"
        );
    }
    let binding = of_kind(objects, "ValidatingAdmissionPolicyBinding")
        .next()
        .context("a binding")?;
    assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
    for object in objects
        .iter()
        .filter(|object| !text(object, "kind").starts_with("ValidatingAdmissionPolicy"))
    {
        assert_eq!(object["metadata"]["namespace"], NAMESPACE, "{object}");
    }
    Ok(())
}
