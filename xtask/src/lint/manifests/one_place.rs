//! Names are set in one place: a user's kustomization changes them there, and they change everywhere.

use anyhow::{Context as _, Result};
use serde_json::Value;
use test_cluster::kustomize::UserKustomization;

use super::{
    collect::{Form, Manifests, combinations},
    fixtures::all,
    object::{Container, containers, last, list, of_kind, our_container, text, values},
    rules::{alerts, judge, rights},
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

/// The values of a user, one for each key of `names.yaml`.
pub const LITERALS: &[&str] = &[
    "secret=their-secret",
    "runner=their-runner",
    "puller=their-puller",
    "registry=registry.example.com",
    "username=their-robot",
    "robot=their-token",
    "image=registry.example.com/team/app:1.0",
    "connection=true",
    "displayName=Their registry",
    "description=Their images: all",
    "schedule=5 */2 * * *",
    "nextRunWithin=5h",
    "alertAfterSeconds=18000",
    "alertNamespaces=their-models",
    "maximumTokenSeconds=90000",
    "audiences=their-audience",
];
/// Variables and params with the values above, in every run.
const VALUES: &[(&str, &str)] = &[
    ("NAME", SECRET),
    ("REGISTRY", REGISTRY),
    ("USERNAME", "their-robot"),
    ("IMAGE", "registry.example.com/team/app:1.0"),
    ("CONNECTION", "true"),
    ("DISPLAY_NAME", "Their registry"),
    ("DESCRIPTION", "Their images: all"),
    ("NEXT_RUN_WITHIN", "5h"),
];

/// A user's kustomization with these names.
fn install(resource: &str, literals: &[&str], components: &[&str]) -> Result<Vec<Value>> {
    let components: Vec<_> = components.iter().map(|one| format!("../tekton/{one}")).collect();
    let kustomization = serde_json::json!({
        "namespace": NAMESPACE,
        "resources": [format!("../tekton/{resource}")],
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

/// The value of a variable in a container of the program: a literal, or the default of the param that it names.
fn value_of<'a>(container: &Container<'a>, name: &str) -> Option<&'a str> {
    let value = container.variable(&format!("PULL_SECRET_{name}"))?;
    if value != format!("$(params.{name})") {
        return Some(value);
    }
    let mut params = list(&container.object["spec"], "params").iter();
    params.find(|param| param["name"] == name)?["default"].as_str()
}

/// The containers of the program, each with its values.
fn runs(objects: &[Value]) -> impl Iterator<Item = Container<'_>> {
    let kinds = ["CronJob", "Job", "Task", "StepAction"];
    let runs = objects
        .iter()
        .filter(move |object| kinds.contains(&text(object, "kind")));
    // A StepAction has the name of the install.
    runs.filter_map(|object| our_container(object).or_else(|| containers(object).pop()))
}

#[test]
fn every_name_that_is_changed_in_the_one_place_follows_everywhere() -> Result<()> {
    let layered = ["components/first-run", "components/argocd", "components/names"];
    let over_overlays = [
        ("overlays/openshift", &layered[..]),
        ("overlays/kubernetes", &layered),
        ("overlays/openshift-cronjob", &["components/names"]),
        ("overlays/kubernetes-cronjob", &["components/names"]),
        (
            "overlays/openshift",
            &["components/monitoring", "components/names"],
        ),
        (
            "overlays/kubernetes",
            &["components/monitoring", "components/names"],
        ),
        (
            "overlays/kubernetes-cronjob",
            &["components/monitoring", "components/names"],
        ),
    ];
    let combinations = combinations();
    let combined = combinations.iter().map(|components| ("base", &components[..]));
    for (resource, components) in combined.chain(over_overlays) {
        let origin = format!("{resource} {}", components.join(" "));
        let objects = install(resource, LITERALS, components)?;
        for object in &objects {
            for part in ["spec", "rules", "subjects", "roleRef", "data"] {
                let strings = strings(&object[part]);
                let has_default = |name: &&str| strings.iter().any(|text| text.contains(*name));
                assert_eq!(
                    DEFAULTS.iter().find(|name| has_default(name)),
                    None,
                    "{origin}: {object}"
                );
            }
        }
        names_follow(&objects).with_context(|| origin.clone())?;

        let manifests = Manifests {
            origin: origin.clone(),
            form: Form::Installed,
            objects,
        };
        for rule in [
            rights::the_role_is_the_contracts,
            rights::references_exist,
            alerts::alerts_watch_the_cron_job,
        ] {
            assert_eq!(judge(rule, &manifests), [""; 0], "{origin}");
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
        let names: &[&str] = match kind {
            "Job" => &["their-runner-first"],
            "ServiceAccount" | "RoleBinding" => &[RUNNER, PULLER],
            "ConfigMap" => &["ensure-pull-secret-trusted-ca"],
            _ => &[RUNNER],
        };
        let name = text(&object["metadata"], "name");
        assert!(names.contains(&name), "{kind} {name}");
        if kind == "ValidatingAdmissionPolicy" {
            let strings = strings(&object["spec"]);
            for value in [SECRET, RUNNER, PULLER, "90000", "their-audience"] {
                assert!(
                    strings.iter().any(|text| text.contains(value)),
                    "{kind} without {value}"
                );
            }
        }
        if kind == "CronJob" {
            assert_eq!(object["spec"]["schedule"], "5 */2 * * *");
        }
        if kind == "PrometheusRule" {
            let expressions = values(object)
                .into_iter()
                .filter(|(place, _)| last(place) == "expr");
            for (_, expression) in expressions {
                let expression = expression.as_str().unwrap_or_default();
                let selector = format!(r#"namespace=~"{NAMESPACE}",cronjob="{RUNNER}""#);
                assert!(expression.contains(&selector), "{expression}");
            }
        }
    }
    for run in runs(objects) {
        let kind = text(run.object, "kind");
        for (name, value) in VALUES {
            assert_eq!(value_of(&run, name), Some(*value), "{kind} {name}");
        }
        let file = run.variable("PULL_SECRET_TOKEN_FILE");
        let puller = run.variable("PULL_SECRET_SERVICE_ACCOUNT");
        let expected = if file.is_some() { None } else { Some(PULLER) };
        assert_eq!(puller, expected, "{kind}");
        let stored = strings(&run.object["spec"]).contains(&"their-token");
        assert_eq!(stored, file.is_some(), "{kind}");
    }
    let mut bindings = of_kind(objects, "ValidatingAdmissionPolicyBinding");
    assert!(bindings.all(|binding| binding["spec"]["policyName"] == RUNNER));
    Ok(())
}

/// With a token file, registry and user name are literals of the Task.
#[test]
fn s1_a_users_registry_and_user_name_reach_the_robot_accounts_task() -> Result<()> {
    let objects = install("overlays/kubernetes", LITERALS, &["components/names"])?;
    let runs: Vec<_> = runs(&objects).collect();
    assert_eq!(runs.len(), 2);
    for container in runs {
        for (variable, value) in [
            ("PULL_SECRET_REGISTRY", Some(REGISTRY)),
            ("PULL_SECRET_USERNAME", Some("their-robot")),
            ("PULL_SECRET_TOKEN_FILE", Some("/robot-account/token")),
            ("PULL_SECRET_SERVICE_ACCOUNT", None),
        ] {
            assert_eq!(container.variable(variable), value, "{variable}");
        }
    }
    Ok(())
}

/// The label and the names of OpenShift's registry are only for it.
#[test]
fn t2_a_robots_secret_is_not_labelled_as_the_internal_registry() -> Result<()> {
    let mut judged = 0;
    for one in all() {
        for run in runs(&one.objects).filter(|run| run.variable("PULL_SECRET_TOKEN_FILE").is_some()) {
            judged += 1;
            let value = |name| value_of(&run, name);
            assert_eq!(value("CONNECTION"), Some("false"), "{}", one.origin);
            if one.origin.contains("overlays/") {
                let registry = value("REGISTRY").context("a registry")?;
                assert!(!registry.contains("openshift"), "{}: {registry}", one.origin);
                for name in ["DISPLAY_NAME", "DESCRIPTION"] {
                    let name = value(name).context("a name in the dashboard")?;
                    assert!(
                        !name.is_empty() && !name.contains("Internal"),
                        "{}: {name}",
                        one.origin
                    );
                }
                assert_ne!(value("NAME"), Some("internal-registry"), "{}", one.origin);
            }
        }
    }
    assert!(judged > 10, "only {judged}");
    for overlay in ["openshift", "openshift-cronjob"] {
        for run in runs(&install(
            &format!("overlays/{overlay}"),
            &[],
            &["components/names"],
        )?) {
            assert_eq!(value_of(&run, "CONNECTION"), Some("true"), "{overlay}");
        }
    }
    Ok(())
}

/// podFailurePolicy implies it; newer Kubernetes alone has the field.
#[test]
fn t4_no_job_sets_a_pod_replacement_policy() {
    for one in all() {
        for object in &one.objects {
            assert!(
                !object.to_string().contains("podReplacementPolicy"),
                "{}",
                one.origin
            );
        }
    }
}

#[test]
fn t5_openshift_without_tekton_has_everything_but_tektons_kinds() {
    let of = |overlay: &str| {
        let origin = format!("tekton/overlays/{overlay}, installed");
        let one = all().iter().find(|one| one.origin == origin).expect(&origin);
        let mut kinds: Vec<_> = one
            .objects
            .iter()
            .map(|object| (text(object, "kind"), text(&object["metadata"], "name")))
            .collect();
        kinds.sort_unstable();
        kinds
    };
    for (without, with) in [
        ("openshift-cronjob", "openshift"),
        ("kubernetes-cronjob", "kubernetes"),
    ] {
        let mut expected = of(with);
        expected.retain(|(kind, _)| !["Task", "StepAction"].contains(kind));
        assert_eq!(of(without), expected);
    }
    assert!(of("openshift-cronjob").contains(&("RoleBinding", "model-puller")));
}

/// One set of names in manifests, docs/role.yaml, samples and the pages for users.
#[test]
fn t7_documents_and_manifests_name_the_same_service_accounts() -> Result<()> {
    let role = test_cluster::manifest::documents(include_str!("../../../../docs/role.yaml"))?;
    let puller = role[0]["rules"][1]["resourceNames"][0]
        .as_str()
        .context("a puller")?;
    let runner = role[1]["subjects"][0]["name"].as_str().context("a runner")?;
    let names = install("overlays/openshift", &[], &["components/names"])?;
    let accounts: Vec<_> = of_kind(&names, "ServiceAccount")
        .map(|account| text(&account["metadata"], "name"))
        .collect();
    assert_eq!(accounts, [runner, puller]);
    let mut shown = 0;
    // Kustomizations show how names are changed.
    let pods = all()
        .iter()
        .filter(|one| one.form != Form::Installed && one.objects.len() == 1);
    for one in pods {
        for object in &one.objects {
            for container in containers(object) {
                if let Some(account) = container.variable("PULL_SECRET_SERVICE_ACCOUNT") {
                    assert_eq!(account, puller, "{}", one.origin);
                    shown += 1;
                }
            }
        }
    }
    assert!(shown > 0, "no sample shows a puller");
    let page = include_str!("../../../../docs/getting-started.md");
    for account in [runner, puller] {
        assert!(
            page.contains(&format!("| ServiceAccount `{account}` |")),
            "{account}"
        );
    }
    Ok(())
}

/// Other tools have a ConfigMap `trusted-ca` in the same namespace.
#[test]
fn t11_the_config_map_of_ca_certificates_has_the_projects_name() {
    for one in all() {
        for object in &one.objects {
            for (_, value) in values(object) {
                let name = text(&value["configMap"], "name");
                assert!(
                    name.is_empty() || name.starts_with("ensure-pull-secret-"),
                    "{}: {name}",
                    one.origin
                );
            }
            if object["kind"] == "ConfigMap" {
                let name = text(&object["metadata"], "name");
                assert!(name.starts_with("ensure-pull-secret-"), "{}: {name}", one.origin);
            }
        }
    }
}

/// Two pull secrets in one namespace share nothing but the ConfigMap of CA certificates.
#[test]
fn two_pull_secrets_in_one_namespace_have_their_own_objects() -> Result<()> {
    let origin = "tekton/overlays/several-secrets, installed";
    let both = all()
        .iter()
        .find(|one| one.origin == origin)
        .context("it is rendered")?;
    for (kind, names) in [
        ("CronJob", &["ensure-pull-secret", "ensure-pull-secret-quay"]),
        ("Role", &["ensure-pull-secret", "ensure-pull-secret-quay"]),
        ("Task", &["ensure-pull-secret", "ensure-pull-secret-quay"]),
    ] {
        let found: Vec<_> = of_kind(&both.objects, kind)
            .map(|object| text(&object["metadata"], "name"))
            .collect();
        assert_eq!(found, names, "{kind}");
    }
    for binding in of_kind(&both.objects, "RoleBinding") {
        let (name, subject) = (&binding["metadata"]["name"], &binding["subjects"][0]["name"]);
        assert_eq!(name, subject, "{binding}");
    }
    for job in of_kind(&both.objects, "CronJob") {
        let pod = our_container(job).and_then(|one| one.pod).context("a pod")?;
        assert_eq!(pod["serviceAccountName"], job["metadata"]["name"]);
    }
    Ok(())
}
