//! Route of a request to the registry: those of the distribution spec, and OpenShift's own.

use http::Method;

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`.
    Base,
    /// `/v2`, which redirects.
    BaseWithoutSlash,
    /// `/v2/_catalog`.
    Catalog,
    /// `/openshift/token`.
    Token,
    /// `/healthz`.
    Health,
    /// `/v2/<name>/...`; OpenShift may reject the name.
    Repository {
        /// Everything between `/v2/` and the resource.
        name: String,
        /// The resource.
        part: Part,
    },
    /// Anything else.
    Unknown,
}

/// Resource of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `tags/list`.
    Tags,
    /// `manifests/<reference>`, a tag or a digest.
    Manifest(String),
    /// `blobs/...`, uploads included.
    Blob,
}

/// A permission that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Reading a repository.
    Pull,
    /// Writing a repository.
    Push,
    /// Deleting from a repository, which takes the right to delete images.
    Delete,
}

impl Need {
    /// Its name in the detail of a 401.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "*",
        }
    }
}

/// The needs of a method on a repository (distribution, `registry/handlers/app.go`, `appendAccessRecords`).
pub(super) fn needs(method: &Method) -> &'static [Need] {
    match *method {
        Method::GET | Method::HEAD => &[Need::Pull],
        Method::POST | Method::PUT | Method::PATCH => &[Need::Pull, Need::Push],
        _ => &[Need::Delete],
    }
}

/// The route of a path.
pub(super) fn of(path: &str) -> Route {
    match path {
        "/v2" => return Route::BaseWithoutSlash,
        "/v2/" => return Route::Base,
        "/v2/_catalog" => return Route::Catalog,
        "/openshift/token" => return Route::Token,
        "/healthz" => return Route::Health,
        _ => {}
    }
    let Some(rest) = path.strip_prefix("/v2/") else {
        return Route::Unknown;
    };
    let found = if let Some(name) = rest.strip_suffix("/tags/list") {
        Some((name, Part::Tags))
    } else if let Some((name, reference)) = rest.rsplit_once("/manifests/") {
        Some((name, Part::Manifest(reference.to_owned())))
    } else {
        rest.split_once("/blobs/").map(|(name, _)| (name, Part::Blob))
    };
    match found {
        Some((name, part)) if !name.is_empty() => Route::Repository {
            name: name.to_owned(),
            part,
        },
        _ => Route::Unknown,
    }
}

/// Namespace and image stream of a repository: a name of two parts, no more and no fewer (openshift/image-registry,
/// `pkg/dockerregistry/server/util.go`, `getNamespaceName`).
pub(super) fn image_stream(name: &str) -> Option<(&str, &str)> {
    match name.split_once('/') {
        Some((namespace, stream)) if !namespace.is_empty() && !stream.is_empty() && !stream.contains('/') => {
            Some((namespace, stream))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_separates_the_repository_from_the_request() {
        for (path, name, part) in [
            ("/v2/team-a/app/tags/list", "team-a/app", Part::Tags),
            ("/v2/app/manifests/v1", "app", Part::Manifest("v1".into())),
            (
                "/v2/a/b/c/manifests/sha256:0",
                "a/b/c",
                Part::Manifest("sha256:0".into()),
            ),
            ("/v2/team-a/app/blobs/uploads/", "team-a/app", Part::Blob),
        ] {
            let name = name.to_owned();
            assert_eq!(of(path), Route::Repository { name, part }, "{path}");
        }
        for path in ["/", "/v1/", "/v2//tags/list", "/v2/team-a/app"] {
            assert_eq!(of(path), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn an_image_stream_has_a_namespace_and_a_name() {
        assert_eq!(image_stream("team-a/app"), Some(("team-a", "app")));
        for name in ["app", "a/b/c", "/app", "team-a/"] {
            assert_eq!(image_stream(name), None, "{name}");
        }
    }
}
