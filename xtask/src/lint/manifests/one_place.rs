//! Names are set in one place: a user's kustomization changes them there, and they change everywhere.

use anyhow::{Context as _, Result};
use serde_json::Value;
use test_cluster::kustomize::UserKustomization;

use super::{
    collect::{Form, Manifests},
    object::{of_kind, our_container, text, values},
    rules::{judge, rights},
};

const NAMESPACE: &str = "their-models";
const SECRET: &str = "their-secret";
const RUNNER: &str = "their-runner";
const PULLER: &str = "their-puller";
const REGISTRY: &str = "registry.example.com";
/// The names in `names.yaml` before a user changes them.
const DEFAULTS: &[&str] = &[
    "internal-registry",
    "model-puller",
    "image-registry.openshift-image-registry.svc:5000",
];

/// The section "Other names" of docs/how-to/README.md.
fn install(resource: &str, literals: &[&str], components: &[&str]) -> Result<Vec<Value>> {
    let kustomization = serde_json::json!({
        "namespace": NAMESPACE,
        "resources": [format!("../{resource}")],
        "configMapGenerator": [{ "name": "ensure-pull-secret", "behavior": "merge", "literals": literals }],
        "components": components,
    });
    UserKustomization::new(&kustomization.to_string())?.render()
}

/// Every string in an object, except descriptions.
fn strings(value: &Value) -> Vec<&str> {
    let values = values(value).into_iter();
    let values = values.filter(|(place, _)| !place.split('.').any(|member| member == "description"));
    values.filter_map(|(_, value)| value.as_str()).collect()
}

#[test]
fn every_name_that_is_changed_in_the_one_place_follows_everywhere() -> Result<()> {
    let literals = [
        "secret=their-secret",
        "runner=their-runner",
        "puller=their-puller",
        "registry=registry.example.com",
        "maximumTokenSeconds=90000",
        "audiences=their-audience",
    ];
    let components = [
        "../tekton/components/admission-policy",
        "../tekton/components/names",
    ];
    for resource in [
        "tekton",
        "tekton/cronjob",
        "tekton/overlays/openshift",
        "tekton/overlays/gitops",
    ] {
        let objects = install(resource, &literals, &components)?;
        for object in &objects {
            // A binding's own name doesn't refer to the accounts that it binds.
            for part in ["spec", "rules", "subjects", "roleRef", "data"] {
                let strings = strings(&object[part]);
                let has_default = |name: &&str| strings.iter().any(|text| text.contains(*name));
                assert_eq!(
                    DEFAULTS.iter().find(|name| has_default(name)),
                    None,
                    "{resource}: {object}"
                );
            }
        }
        names_follow(&objects).with_context(|| resource.to_owned())?;

        let manifests = Manifests {
            origin: resource.to_owned(),
            form: Form::Installed,
            objects,
        };
        for rule in [rights::the_role_is_the_contracts, rights::references_exist] {
            assert_eq!(judge(rule, &manifests), [""; 0], "{resource}");
        }
    }
    Ok(())
}

fn names_follow(objects: &[Value]) -> Result<()> {
    for object in objects {
        let kind = text(object, "kind");
        if !kind.starts_with("ValidatingAdmissionPolicy") {
            assert_eq!(object["metadata"]["namespace"], NAMESPACE, "{object}");
        }
        let expected = match kind {
            "CronJob" | "Job" => &[SECRET, PULLER, REGISTRY, RUNNER][..],
            "Task" | "StepAction" => &[SECRET, PULLER, REGISTRY],
            "ValidatingAdmissionPolicy" => &[SECRET, RUNNER, PULLER, "90000", "their-audience"],
            _ => &[],
        };
        let strings = strings(&object["spec"]);
        for name in expected {
            assert!(
                strings.iter().any(|text| text.contains(name)),
                "{kind} without {name}"
            );
        }
    }
    let named =
        |kind: &'static str, name: &str| of_kind(objects, kind).any(|one| one["metadata"]["name"] == name);
    assert!(named("ServiceAccount", RUNNER) && named("ServiceAccount", PULLER));
    let mut bindings = of_kind(objects, "ValidatingAdmissionPolicyBinding");
    let policy = &bindings.next().context("a binding")?["spec"]["policyName"];
    assert!(of_kind(objects, "ValidatingAdmissionPolicy").any(|one| one["metadata"]["name"] == *policy));
    Ok(())
}

/// With a robot account, one that README shows, a user's names reach the Task's literals.
#[test]
fn s1_a_users_registry_and_user_name_reach_the_robot_accounts_task() -> Result<()> {
    let literals = [
        "secret=their-secret",
        "registry=registry.example.com",
        "username=their-robot",
        "robot=their-token",
    ];
    let objects = install(
        "tekton/overlays/kubernetes",
        &literals,
        &["../tekton/components/names"],
    )?;
    let runs: Vec<_> = of_kind(&objects, "CronJob")
        .chain(of_kind(&objects, "Task"))
        .collect();
    assert_eq!(runs.len(), 2);
    for object in runs {
        let container = our_container(object).context("ours")?;
        for (variable, value) in [
            ("PULL_SECRET_REGISTRY", Some(REGISTRY)),
            ("PULL_SECRET_USERNAME", Some("their-robot")),
            ("PULL_SECRET_TOKEN_FILE", Some("/robot-account/token")),
            ("PULL_SECRET_SERVICE_ACCOUNT", None),
        ] {
            assert_eq!(container.variable(variable), value, "{variable}");
        }
        let strings = strings(&object["spec"]);
        assert!(strings.contains(&"their-token"), "{strings:?}");
    }
    Ok(())
}
