//! Document as containers/image reads it: CRI-O, podman, buildah and skopeo
//! (containers/image `pkg/docker/config/config.go`).

use std::fmt;

use secrecy::SecretString;

use super::auth_config::AuthConfig;
use super::auth_field;
use super::go_json::{self, fold};
use super::hash::keep_last;
use super::kubelet::is_map_of_strings;
use crate::image::{DOCKER_HUB, ImageReference};
use crate::text::SafeName;

/// Error for which containers/image rejects the whole document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainersImageRefusal {
    /// Neither a JSON object nor null.
    #[error("containers/image can't read the document: it is not a JSON object")]
    Document,
    /// `auths` or `credHelpers` is of the wrong type.
    #[error("containers/image rejects the whole document: {0} is of the wrong type; correct or remove it")]
    Member(&'static str),
    /// An entry, its `auth` or its `identitytoken` is of the wrong type.
    #[error(
        "containers/image rejects the whole document: the entry {0} is of the wrong type; correct or remove it"
    )]
    Entry(SafeName),
}

/// Error for which containers/image finds no credential for an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainersImageLookupError {
    /// `credHelpers` has a helper for the registry, which outranks `auths`.
    #[error("credHelpers of the document names a helper for {0}, which outranks auths; remove it")]
    CredentialHelper(SafeName),
    /// The `auth` of the chosen entry is not padded standard base64.
    #[error("the entry {0} has an auth that is not padded base64; correct or remove that entry")]
    AuthNotBase64(SafeName),
}

/// Parsed document of containers/image.
#[derive(Clone)]
pub struct AuthFile {
    /// Entries in the document's order.
    entries: Vec<FileEntry>,
    /// Registries with a credential helper.
    helpers: Vec<String>,
}

/// `dockerAuthConfig`: user name and password members are not read at all.
#[derive(Clone)]
struct FileEntry {
    key: String,
    auth: String,
    identity_token: String,
}

/// Prints only the numbers of entries and helpers.
impl fmt::Debug for AuthFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFile")
            .field("entries", &self.entries.len())
            .field("helpers", &self.helpers.len())
            .finish_non_exhaustive()
    }
}

/// Parses `.dockerconfigjson` as containers/image does: member names are case-insensitive, the last duplicate counts,
/// several `auths` are merged. Only UTF-8 is accepted.
///
/// # Errors
/// containers/image rejects the whole document.
pub fn containers_image_reads(bytes: &[u8]) -> Result<AuthFile, ContainersImageRefusal> {
    read(bytes, &|_| true)
}

/// As [`containers_image_reads`], with the entries and helpers alone that could be chosen for one of `images`: of 100,000
/// only few are kept in memory.
///
/// # Errors
/// As [`containers_image_reads`].
pub fn containers_image_reads_for(
    bytes: &[u8],
    images: &[&ImageReference],
) -> Result<AuthFile, ContainersImageRefusal> {
    let names: Vec<String> = images.iter().map(|image| image.name()).collect();
    let is_parent = |key: &str, name: &str| {
        let rest = name.strip_prefix(key);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    read(bytes, &|key| {
        let registry = normalize_registry(host_of_key(key));
        names.iter().any(|name| is_parent(key, name))
            || images
                .iter()
                .any(|image| normalize_registry(image.host()) == registry)
    })
}

fn read(bytes: &[u8], is_kept: &dyn Fn(&str) -> bool) -> Result<AuthFile, ContainersImageRefusal> {
    let source = std::str::from_utf8(bytes).map_err(|_| ContainersImageRefusal::Document)?;
    let mut entries: Vec<FileEntry> = Vec::new();
    let mut helpers: Vec<String> = Vec::new();
    for member in go_json::document_members(source).ok_or(ContainersImageRefusal::Document)? {
        match (&*fold(&member.name), member.value) {
            ("auths", "null") => entries.clear(),
            ("auths", value) => {
                let members = go_json::members(value, member.value_start);
                for entry in members.ok_or(ContainersImageRefusal::Member("auths"))? {
                    let read = read_entry(&entry.name, entry.value);
                    let read =
                        read.ok_or_else(|| ContainersImageRefusal::Entry(SafeName::new(&entry.name)))?;
                    entries.extend(Some(read).filter(|read| is_kept(&read.key)));
                }
            }
            ("credhelpers", "null") => helpers.clear(),
            ("credhelpers", value) => {
                is_map_of_strings(value)
                    .then_some(())
                    .ok_or(ContainersImageRefusal::Member("credHelpers"))?;
                let names = go_json::members(value, 0).unwrap_or_default();
                let names = names.map(|helper| helper.name.into_owned());
                helpers.extend(names.filter(|name| is_kept(name)));
            }
            _ => {}
        }
    }
    keep_last(&mut entries, |entry| &entry.key);
    Ok(AuthFile { entries, helpers })
}

fn read_entry(key: &str, value: &str) -> Option<FileEntry> {
    let mut entry = FileEntry {
        key: key.to_owned(),
        auth: String::new(),
        identity_token: String::new(),
    };
    if value == "null" {
        return Some(entry);
    }
    for member in go_json::members(value, 0)? {
        let field = match &*fold(&member.name) {
            "auth" => &mut entry.auth,
            "identitytoken" => &mut entry.identity_token,
            _ => continue,
        };
        go_json::decode_string(field, member.value)?;
    }
    Some(entry)
}

impl AuthFile {
    /// Credential that containers/image would use for an image (`findCredentialsInFile`): the entry
    /// of the image's name, else of the nearest path above it, else of the host, else one whose key names
    /// the host in another way (`https://quay.io/v1/`, Docker Hub's names). Of several of the last kind
    /// it uses any; here the first.
    ///
    /// `Ok(None)`: it would pull without a credential. That is also the case if the chosen entry has no colon in its
    /// `auth`.
    ///
    /// # Errors
    /// The registry has a credential helper, or the `auth` of the chosen entry doesn't decode.
    pub fn lookup(&self, image: &ImageReference) -> Result<Option<AuthConfig>, ContainersImageLookupError> {
        if self.helpers.iter().any(|registry| registry == image.host()) {
            return Err(ContainersImageLookupError::CredentialHelper(SafeName::new(
                image.host(),
            )));
        }
        let Some(entry) = self.choose(image) else {
            return Ok(None);
        };
        let decoded = auth_field::decode_as_containers_image(&entry.auth)
            .map_err(|_| ContainersImageLookupError::AuthNotBase64(SafeName::new(&entry.key)))?;
        let Some((username, password)) = decoded else {
            return Ok(None);
        };
        if username.is_empty() && password.is_empty() && entry.identity_token.is_empty() {
            return Ok(None);
        }
        let identity_token = Some(&entry.identity_token).filter(|token| !token.is_empty());
        Ok(Some(AuthConfig {
            key: entry.key.clone(),
            username,
            password: SecretString::from(password),
            identity_token: identity_token.map(|token| SecretString::from(token.as_str())),
        }))
    }

    /// Key of the entry that containers/image chooses for an image, whether it has a credential or not.
    pub fn chosen_key(&self, image: &ImageReference) -> Option<&str> {
        self.choose(image).map(|entry| entry.key.as_str())
    }

    fn choose(&self, image: &ImageReference) -> Option<&FileEntry> {
        let name = image.name();
        let parents = std::iter::successors(Some(name.as_str()), |name| Some(name.rsplit_once('/')?.0));
        let exact = |key: &str| self.entries.iter().find(|entry| entry.key == key);
        let registry = normalize_registry(image.host());
        parents.into_iter().find_map(exact).or_else(|| {
            self.entries
                .iter()
                .find(|entry| normalize_registry(host_of_key(&entry.key)) == registry)
        })
    }
}

/// `normalizeAuthFileKey`: a key with a scheme stands for its host.
fn host_of_key(key: &str) -> &str {
    let stripped = key.strip_prefix("http://").unwrap_or(key);
    let stripped = stripped.strip_prefix("https://").unwrap_or(stripped);
    if stripped == key {
        key
    } else {
        stripped.split('/').next().unwrap_or(stripped)
    }
}

/// `normalizeRegistry`: Docker Hub's names are one.
fn normalize_registry(registry: &str) -> &str {
    match registry {
        "registry-1.docker.io" | DOCKER_HUB => "index.docker.io",
        other => other,
    }
}
