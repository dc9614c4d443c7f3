//! What there is to be judged: files as they are written, and what kustomizations give.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use test_cluster::{
    kustomize::{self, UserKustomization},
    manifest::documents,
};

use crate::project;

/// The name that all manifests give the image.
pub const IMAGE: &str = "registry.invalid/ensure-pull-secret";
/// Where a user's kustomization says it is.
const INSTALLED_IMAGE: &str = "registry.example.com/tools/ensure-pull-secret";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// The component that carries names to where they are used: the last of every list.
const NAMES: &str = "tekton/components/names";
/// What belongs to no install: people create it one by one.
const CREATED_BY_HAND: &[&str] = &["samples", "build"];

/// Where objects come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A block of YAML in a document: an object, a kustomization's objects, or a part of an object.
    Document,
    /// A file that people create objects from.
    Sample,
    /// A kustomization of this project, rendered unchanged.
    Shipped,
    /// What a user's kustomization gives that sets namespace and image.
    Installed,
}

/// Objects that belong together.
#[derive(Clone, Debug)]
pub struct Manifests {
    /// What they are from, to be told to people.
    pub origin: String,
    /// Which rules hold for them.
    pub form: Form,
    /// In the order of their file, or of `kustomize build`.
    pub objects: Vec<Value>,
}

/// A file below `tekton/`.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its path from the top of the clone.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// Every file below `tekton/`, samples and documents included.
///
/// # Errors
/// Where one can't be read.
pub fn texts() -> Result<Vec<Text>> {
    files(&project::file("tekton"))?
        .iter()
        .map(|file| read(file))
        .collect()
}

fn read(file: &Path) -> Result<Text> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let path = file.strip_prefix(project::root()).unwrap_or(file);
    Ok(Text {
        path: path.display().to_string(),
        text,
    })
}

/// The documents for people: those at the top of the clone, and below `docs/` and `tekton/`.
///
/// # Errors
/// Where one can't be read.
pub fn pages() -> Result<Vec<Text>> {
    let mut paths = files(&project::file("docs"))?;
    paths.extend(files(&project::file("tekton"))?);
    paths.extend(["README.md", "SECURITY.md"].map(project::file));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.iter().map(|path| read(path)).collect()
}

/// Every block of YAML of a page: fenced as such, or handed to a command between `<<'END'` and `END`.
pub fn blocks(page: &str) -> Vec<&str> {
    let between = |begin: &'static str, end: &'static str| {
        page.split(begin)
            .skip(1)
            .filter_map(move |rest| rest.split_once(end).map(|(block, _)| block))
    };
    let of_commands = between("<<'END'\n", "\nEND\n");
    between("```yaml\n", "```").chain(of_commands).collect()
}

/// Whether a document of a block is a kustomization, or what is added to one.
pub fn is_kustomization(document: &Value) -> bool {
    let members = [
        "resources",
        "components",
        "patches",
        "configMapGenerator",
        "images",
    ];
    document["kind"] == "Kustomization"
        || document.get("kind").is_none() && members.iter().any(|member| document.get(*member).is_some())
}

/// A kustomization that a page shows, with what the page leaves out.
///
/// # Errors
/// Where it is no object, or its files can't be written.
pub fn shown_kustomization(mut document: Value) -> Result<UserKustomization> {
    let fields = document.as_object_mut().context("a kustomization is an object")?;
    fields.entry("resources").or_insert(json!(["../tekton"]));
    fields.entry("namespace").or_insert(json!("my-models"));
    UserKustomization::new(&document.to_string())
}

/// The samples, every kustomization as it is, everything as users install it, and what documents show.
///
/// # Errors
/// Where a file is no YAML, or kustomize refuses a kustomization.
pub fn manifests() -> Result<Vec<Manifests>> {
    let (kustomizations, components) = kustomize::directories()?;
    let mut found = samples()?;
    found.extend(shipped(&kustomizations)?);
    found.extend(installed(&kustomizations, &components)?);
    found.extend(shown()?);
    Ok(found)
}

fn shown() -> Result<Vec<Manifests>> {
    let mut found = Vec::new();
    let mut kustomizations = Vec::new();
    for page in pages()? {
        for block in blocks(&page.text) {
            for document in
                documents(block).with_context(|| format!("cannot read in {}:\n{block}", page.path))?
            {
                if is_kustomization(&document) {
                    kustomizations.push((page.path.clone(), shown_kustomization(document)?));
                } else {
                    found.push(Manifests {
                        origin: page.path.clone(),
                        form: Form::Document,
                        objects: vec![document],
                    });
                }
            }
        }
    }
    let directories: Vec<PathBuf> = kustomizations.iter().map(|(_, user)| user.path()).collect();
    let directories: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    for ((origin, _), objects) in kustomizations.iter().zip(kustomize::render_all(&directories)?) {
        found.push(Manifests {
            origin: origin.clone(),
            form: Form::Document,
            objects: objects.with_context(|| format!("a kustomization of {origin}"))?,
        });
    }
    Ok(found)
}

fn samples() -> Result<Vec<Manifests>> {
    let by_hand = |path: &str| {
        CREATED_BY_HAND
            .iter()
            .any(|directory| path.starts_with(&format!("tekton/{directory}/")))
    };
    let texts = texts()?
        .into_iter()
        .filter(|text| is_yaml(&text.path) && by_hand(&text.path));
    texts
        .map(|Text { path, text }| {
            let objects = documents(&text).with_context(|| format!("cannot read {path}"))?;
            Ok(Manifests {
                origin: path,
                form: Form::Sample,
                objects,
            })
        })
        .collect()
}

fn shipped(kustomizations: &[String]) -> Result<Vec<Manifests>> {
    let directories: Vec<PathBuf> = kustomizations.iter().map(|name| project::file(name)).collect();
    let directories: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    kustomizations
        .iter()
        .zip(kustomize::render_all(&directories)?)
        .map(|(name, objects)| {
            Ok(Manifests {
                origin: name.clone(),
                form: Form::Shipped,
                objects: objects?,
            })
        })
        .collect()
}

/// Every kustomization as a user's resource, and every component together with the whole.
fn installed(kustomizations: &[String], components: &[String]) -> Result<Vec<Manifests>> {
    let mut users = Vec::new();
    for name in kustomizations {
        users.push((name, UserKustomization::new(&users_kustomization(name, None))?));
    }
    for name in components {
        users.push((
            name,
            UserKustomization::new(&users_kustomization("tekton", Some(name)))?,
        ));
    }
    let directories: Vec<PathBuf> = users.iter().map(|(_, user)| user.path()).collect();
    let directories: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    users
        .iter()
        .zip(kustomize::render_all(&directories)?)
        .map(|((name, _), objects)| {
            Ok(Manifests {
                origin: format!("{name}, installed by a user's kustomization"),
                form: Form::Installed,
                objects: objects?,
            })
        })
        .collect()
}

/// The kustomization of tekton/README.md: resources, namespace, image; with a component, the names as well.
fn users_kustomization(resource: &str, component: Option<&str>) -> String {
    let components = match component {
        None | Some(NAMES) => String::new(),
        Some(component) => format!("components:\n- ../{component}\n- ../{NAMES}\n"),
    };
    // One account for both is what this component is for.
    let names = if component == Some("tekton/components/one-account") {
        "configMapGenerator:\n- name: ensure-pull-secret\n  behavior: merge\n  literals: [puller=ensure-pull-secret]\n"
    } else {
        ""
    };
    format!(
        "namespace: my-models\nresources: [../{resource}]\n{names}{components}images:\n- name: {IMAGE}\n  newName: \
         {INSTALLED_IMAGE}\n  digest: {DIGEST}\n"
    )
}

/// Whether it is YAML by its name.
pub fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(directory)
        .and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>())
        .with_context(|| format!("cannot list {}", directory.display()))?;
    entries.sort_by_key(fs::DirEntry::path);
    let mut found = Vec::new();
    for path in entries.iter().map(fs::DirEntry::path) {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_kustomization_and_component_is_collected_and_has_objects() -> Result<()> {
        let all = manifests()?;
        for (form, origin) in [
            (Form::Sample, "tekton/samples/taskrun.yaml"),
            (Form::Sample, "tekton/samples/pipeline/pipeline.yaml"),
            (Form::Shipped, "tekton"),
            (Form::Shipped, "tekton/overlays/gitops"),
            (Form::Installed, "tekton, installed by a user's kustomization"),
            (
                Form::Installed,
                "tekton/components/one-account, installed by a user's kustomization",
            ),
        ] {
            let one = all.iter().find(|one| one.form == form && one.origin == origin);
            let one = one.with_context(|| format!("{origin} is not collected as {form:?}"))?;
            assert!(!one.objects.is_empty(), "{origin} has no objects");
        }
        let kustomizations = texts()?
            .iter()
            .filter(|text| text.path.ends_with("/kustomization.yaml"))
            .count();
        let installed = all.iter().filter(|one| one.form == Form::Installed).count();
        assert_eq!(installed, kustomizations);
        Ok(())
    }
}
