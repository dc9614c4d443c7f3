//! The generated parts of the Helm chart: copies of the manifests that its templates read, the values that
//! names/names.yaml has, Chart.yaml, and README.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use container_image::project::{self, REPOSITORY, VERSION};
use serde_json::Value;
use test_cluster::manifest::documents;

use super::{
    changelog,
    markers::{Comment, between},
    read, tekton,
};
use crate::markdown::table;

/// The widest line of values.yaml.
const WIDTH: usize = 118;
const CHART: &str = "chart/ensure-pull-secret/Chart.yaml";
const VALUES: &str = "chart/ensure-pull-secret/values.yaml";
const README: &str = "chart/ensure-pull-secret/README.md";
const JOB: &str = "chart/ensure-pull-secret/templates/_job.tpl";
const NAMES: &str = "tekton/names/names.yaml";
/// Files that are copied, with their copies.
const COPIES: &[(&str, &str)] = &[
    (super::TASK, "chart/ensure-pull-secret/files/task.yaml"),
    (
        super::STEP_ACTION,
        "chart/ensure-pull-secret/files/stepaction.yaml",
    ),
    (
        "tekton/components/admission-policy/policy.yaml",
        "chart/ensure-pull-secret/files/policy.yaml",
    ),
    (
        "tekton/components/monitoring/prometheusrule.yaml",
        "chart/ensure-pull-secret/files/prometheusrule.yaml",
    ),
    // Artifact Hub shows the samples beside a manifest.
    (
        "tekton/samples/taskrun.yaml",
        "tekton/task/ensure-pull-secret/samples/taskrun.yaml",
    ),
    (
        "tekton/samples/stepaction.yaml",
        "tekton/stepaction/ensure-pull-secret/samples/task.yaml",
    ),
];

/// The image with its tag, the default of the chart.
pub fn image_reference() -> String {
    format!("{}:{VERSION}", project::image())
}

/// Adds the chart's files, and the samples beside the Tekton manifests.
///
/// # Errors
/// Where a file can't be read, or lacks its markers.
pub fn add(files: &mut BTreeMap<String, String>) -> Result<()> {
    for (from, to) in COPIES {
        let text = read(from, files)?;
        let text = format!("# Written by `cargo xtask generate`: a copy of {from}.\n{text}");
        files.insert((*to).to_owned(), text);
    }
    let names = names(&read(NAMES, files)?)?;
    let values = between(Comment::Yaml, &read(VALUES, files)?, "names", &names)?;
    let readme = readme(&values)?;
    files.insert(VALUES.to_owned(), values);
    files.insert(README.to_owned(), readme);
    let job = tekton::pod_failure_policy(&read(JOB, files)?)?;
    files.insert(JOB.to_owned(), job);
    let chart = chart(
        &read(CHART, files)?,
        &changelog::changes(&read("CHANGELOG.md", files)?)?,
    )?;
    files.insert(CHART.to_owned(), chart);
    Ok(())
}

/// The data of names.yaml as values, with comments for the table. The key `image` is the program's image in charts,
/// switches and numbers are no strings, and the templates compute `alertAfterSeconds`.
fn names(text: &str) -> Result<String> {
    let (_, data) = text.split_once("\ndata:\n").context("names.yaml has data")?;
    let mut values = String::new();
    let mut comment = Vec::new();
    for line in data.lines() {
        let line = line.trim_start();
        if let Some(part) = line.strip_prefix("# ") {
            comment.push(part);
            continue;
        }
        let (key, value) = line.split_once(": ").context("a key and a value")?;
        if key == "alertAfterSeconds" {
            comment.clear();
            continue;
        }
        let key = if key == "image" { "verifyImages" } else { key };
        let bare = value.trim_matches('"');
        let is_no_text = bare.parse::<u64>().is_ok() || bare.parse::<bool>().is_ok();
        if !comment.is_empty() {
            let options = textwrap::Options::new(WIDTH)
                .initial_indent("# -- ")
                .subsequent_indent("# ")
                .break_words(false)
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            values += &textwrap::fill(&comment.join(" "), options);
            values.push('\n');
            comment.clear();
        }
        values += &format!("{key}: {}\n", if is_no_text { bare } else { value });
    }
    Ok(values)
}

/// Chart.yaml with versions, links and Artifact Hub's annotations (artifacthub.io, "Helm annotations").
fn chart(text: &str, changes: &changelog::Changes) -> Result<String> {
    let text = between(
        Comment::Yaml,
        text,
        "versions",
        &format!("version: {VERSION}\nappVersion: {VERSION}\n"),
    )?;
    let links = [
        ("support", "/issues"),
        ("changelog", "/blob/main/CHANGELOG.md"),
        ("how-to", "/blob/main/docs/how-to/helm.md"),
    ];
    let links: String = links
        .iter()
        .map(|(name, path)| format!("    - name: {name}\n      url: {REPOSITORY}{path}\n"))
        .collect();
    let annotations = format!(
        "home: {REPOSITORY}\nsources:\n- {REPOSITORY}\nannotations:\n  \
         artifacthub.io/category: security\n  \
         artifacthub.io/license: {}\n  \
         artifacthub.io/prerelease: \"{}\"\n  \
         artifacthub.io/containsSecurityUpdates: \"{}\"\n  \
         artifacthub.io/images: |\n    - name: ensure-pull-secret\n      image: {}\n      \
         platforms: [linux/amd64, linux/arm64]\n  \
         artifacthub.io/links: |\n{links}  \
         artifacthub.io/changes: |\n{}",
        env!("CARGO_PKG_LICENSE"),
        VERSION.contains('-'),
        changes.fix_security(),
        image_reference(),
        changes.yaml(),
    );
    between(Comment::Yaml, &text, "annotations", &annotations)
}

/// The chart's README, with a row for each value.
fn readme(values: &str) -> Result<String> {
    let rows = rows(values)?;
    let rows = rows.into_iter().map(|[key, default, meaning]| {
        let meaning = meaning.replace('|', "\\|").replace('<', "&lt;");
        vec![format!("`{key}`"), format!("`{default}`"), meaning]
    });
    Ok(format!(
        "<!-- Written by `cargo xtask generate`. -->\n\n\
         # ensure-pull-secret\n\n\
         Creates and refreshes an image pull secret, and verifies against the registry that it pulls. The chart has the same objects as \
         the kustomizations of [the project]({REPOSITORY}); its documentation has \
         [values for common installs]({REPOSITORY}/blob/main/docs/how-to/helm.md).\n\n\
         ```bash\n\
         helm install ensure-pull-secret oci://{} --version {VERSION} \\\n  \
         --namespace my-models --set openshift.enabled=true\n\
         ```\n\n\
         Names of objects come from the values, not from the release: install the chart once for each pull secret, with another \
         `runner` and `secret` in each.\n\n\
         {}",
        project::chart(),
        table(&["value", "default", "meaning"], 3, rows)
    ))
}

/// Path, default and meaning of each value with a comment `# --`.
fn rows(values: &str) -> Result<Vec<[String; 3]>> {
    let documents = documents(values)?;
    let defaults = documents.first().context("values.yaml has values")?;
    let mut rows = Vec::new();
    let mut parents: Vec<&str> = Vec::new();
    let mut meaning: Option<String> = None;
    for line in values.lines() {
        let text = line.trim_start();
        let depth = (line.len() - text.len()) / 2;
        if let Some(comment) = text.strip_prefix("# -- ") {
            meaning = Some(comment.to_owned());
        } else if let Some(comment) = text.strip_prefix("# ") {
            if let Some(meaning) = &mut meaning {
                meaning.push(' ');
                meaning.push_str(comment);
            }
        } else if let Some((key, _)) = text.split_once(':') {
            parents.truncate(depth);
            parents.push(key);
            if let Some(meaning) = meaning.take() {
                let pointer = format!("/{}", parents.join("/"));
                let default = defaults
                    .pointer(&pointer)
                    .with_context(|| format!("no default at {pointer}"))?;
                rows.push([parents.join("."), shown(default), meaning]);
            }
        }
    }
    Ok(rows)
}

fn shown(default: &Value) -> String {
    match default {
        Value::String(text) if !text.is_empty() => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_become_values_with_their_own_types() -> Result<()> {
        let names = names(
            "kind: ConfigMap\ndata:\n  # Name of\n  # it.\n  secret: a\n  # Images.\n  image: \"\"\n  b: \"true\"\n  c: \"86400\"\n",
        )?;
        assert_eq!(
            names,
            "# -- Name of it.\nsecret: a\n# -- Images.\nverifyImages: \"\"\nb: true\nc: 86400\n"
        );
        Ok(())
    }

    #[test]
    fn each_commented_value_has_a_row_with_its_path_and_default() -> Result<()> {
        let values = "# -- One\n# thing.\na: x\n# No row.\nb:\n  # -- Two.\n  c: \"\"\n  d: 1\n# -- Map.\ne:\n  f: 2\n";
        let rows = rows(values)?;
        let expected = [
            ["a", "x", "One thing."],
            ["b.c", "\"\"", "Two."],
            ["e", "{\"f\":2}", "Map."],
        ];
        assert_eq!(rows, expected.map(|row| row.map(str::to_owned)));
        Ok(())
    }
}
