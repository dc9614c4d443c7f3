//! One credential at one registry.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Asks, Distrust, Obstacle, Registries, Said, Silence,
    answer::{bearer, error_code, same_digest},
    url,
};
use crate::{
    https::{Answer, Failure},
    image_reference::ImageReference,
    registry_host::RegistryHost,
};

/// One credential at one registry.
pub struct Session<'a> {
    registries: &'a Registries,
    registry: &'a RegistryHost,
    asks: &'a Asks,
    basic: Option<HeaderValue>,
    may_go_to: &'a (dyn Fn(&str, u16) -> bool + Send + Sync),
}

/// How to send the credential with a request.
enum Login {
    Header(Option<HeaderValue>),
    Refused,
}

impl<'a> Session<'a> {
    /// The credential `username`:`password` at `registry`, which asks for `asks`. It is sent to the registry itself,
    /// and to the host of a Bearer challenge where `may_go_to(host, port)` says so.
    pub fn new(
        registries: &'a Registries,
        registry: &'a RegistryHost,
        asks: &'a Asks,
        (username, password): (&str, &SecretString),
        may_go_to: &'a (dyn Fn(&str, u16) -> bool + Send + Sync),
    ) -> Self {
        let pair = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
        let basic = HeaderValue::try_from(format!("Basic {pair}"))
            .ok()
            .map(|mut header| {
                header.set_sensitive(true);
                header
            });
        Self {
            registries,
            registry,
            asks,
            basic,
            may_go_to,
        }
    }

    /// Is the credential accepted at all? `GET /v2/` with it.
    pub async fn login(&self) -> Said {
        self.try_login().await.unwrap_or_else(Said::Nothing)
    }

    /// May the credential pull this image, and is it there? `HEAD` of the manifest with it.
    pub async fn pull(&self, image: &ImageReference) -> Said {
        self.try_pull(image).await.unwrap_or_else(Said::Nothing)
    }

    /// May the credential push to this image's repository? Starts an upload, as go-containerregistry's
    /// `CheckPushPermission` does, and cancels it: no content is sent. Never asked of OpenShift's registry, where an
    /// access review says the same without a trace.
    pub async fn push(&self, image: &ImageReference) -> Said {
        self.try_push(image).await.unwrap_or_else(Said::Nothing)
    }

    async fn try_login(&self) -> Result<Said, Silence> {
        let Login::Header(authorization) = self.authorize(None).await? else {
            return Ok(Said::Refused);
        };
        let answer = self
            .registries
            .send(&Method::GET, &url(self.registry, "/v2/"), authorization.as_ref())
            .await?;
        Ok(match answer.status {
            StatusCode::OK => Said::Yes,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Said::Refused,
            other => Said::Nothing(Silence::Protocol(Obstacle::Status(other))),
        })
    }

    async fn try_pull(&self, image: &ImageReference) -> Result<Said, Silence> {
        let repository = image.repository();
        if *self.asks == Asks::OpenShift && repository.split('/').count() != 2 {
            // Its repositories are image streams, project/name; to anything else it answers a bare 400.
            return Ok(match self.try_login().await? {
                Said::Yes => Said::RepositoryMissing,
                other => other,
            });
        }
        let Login::Header(authorization) = self.authorize(Some((image, "pull"))).await? else {
            return Ok(Said::Refused);
        };
        let manifest = url(
            self.registry,
            &format!("/v2/{repository}/manifests/{}", image.reference()),
        );
        let head = self
            .registries
            .send(&Method::HEAD, &manifest, authorization.as_ref())
            .await?;
        match head.status {
            StatusCode::OK => Ok(same_digest(image, &head)),
            StatusCode::UNAUTHORIZED => Ok(Said::Refused),
            StatusCode::FORBIDDEN => Ok(Said::Forbidden),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
                let get = self
                    .registries
                    .send(&Method::GET, &manifest, authorization.as_ref())
                    .await?;
                match get.status {
                    StatusCode::OK => Ok(same_digest(image, &get)),
                    StatusCode::UNAUTHORIZED => Ok(Said::Refused),
                    StatusCode::FORBIDDEN => Ok(Said::Forbidden),
                    StatusCode::NOT_FOUND => {
                        self.what_is_missing(repository, &get, authorization.as_ref())
                            .await
                    }
                    other => Ok(Said::Nothing(Silence::Protocol(Obstacle::Status(other)))),
                }
            }
            other => Ok(Said::Nothing(Silence::Protocol(Obstacle::Status(other)))),
        }
    }

    /// Only the body tells a missing repository from a missing tag, and of some registries not even that: they say
    /// `MANIFEST_UNKNOWN` for both, but list no tags of a repository that is not there.
    async fn what_is_missing(
        &self,
        repository: &str,
        answer: &Answer,
        authorization: Option<&HeaderValue>,
    ) -> Result<Said, Silence> {
        match error_code(answer).as_deref() {
            Some("NAME_UNKNOWN") => return Ok(Said::RepositoryMissing),
            Some("MANIFEST_UNKNOWN") if *self.asks == Asks::OpenShift => return Ok(Said::TagMissing),
            _ => {}
        }
        let tags = url(self.registry, &format!("/v2/{repository}/tags/list?n=1"));
        match self.registries.send(&Method::GET, &tags, authorization).await {
            Ok(tags) if tags.status == StatusCode::NOT_FOUND => Ok(Said::RepositoryMissing),
            // A list of tags that is longer than we read is one.
            Ok(_) | Err(Silence::Protocol(Obstacle::Failed(Failure::TooLong))) => Ok(Said::TagMissing),
            Err(silence) => Err(silence),
        }
    }

    async fn try_push(&self, image: &ImageReference) -> Result<Said, Silence> {
        let Login::Header(authorization) = self.authorize(Some((image, "pull,push"))).await? else {
            return Ok(Said::Refused);
        };
        let uploads = url(
            self.registry,
            &format!("/v2/{}/blobs/uploads/", image.repository()),
        );
        let answer = self
            .registries
            .send(&Method::POST, &uploads, authorization.as_ref())
            .await?;
        match answer.status {
            StatusCode::ACCEPTED => {
                self.cancel(&answer, authorization.as_ref()).await;
                Ok(Said::Yes)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => {
                Ok(Said::Forbidden)
            }
            StatusCode::NOT_FOUND => Ok(Said::RepositoryMissing),
            other => Ok(Said::Nothing(Silence::Protocol(Obstacle::Status(other)))),
        }
    }

    /// Cancels the upload at its `Location`, on this registry only. Where that fails the registry drops it in time.
    async fn cancel(&self, answer: &Answer, authorization: Option<&HeaderValue>) {
        let base = url(self.registry, "");
        let location = answer
            .headers
            .get(http::header::LOCATION)
            .and_then(|location| location.to_str().ok());
        let upload = location.and_then(|location| match location.strip_prefix(&base) {
            Some(rest) if rest.starts_with('/') => Some(location.to_owned()),
            Some(_) => None,
            None => location.starts_with('/').then(|| format!("{base}{location}")),
        });
        if let Some(upload) = upload {
            let _ = self
                .registries
                .send(&Method::DELETE, &upload, authorization)
                .await;
        }
    }

    async fn authorize(&self, scope: Option<(&ImageReference, &str)>) -> Result<Login, Silence> {
        match self.asks {
            // Sent to nobody who does not ask for it.
            Asks::Nobody => Ok(Login::Header(None)),
            Asks::Basic | Asks::OpenShift => Ok(match &self.basic {
                Some(basic) => Login::Header(Some(basic.clone())),
                None => Login::Refused,
            }),
            Asks::Bearer { realm, service } => self.fetch_token(realm, service.as_deref(), scope).await,
        }
    }

    /// The token service's answer to the credential (distribution spec, Token Authentication).
    async fn fetch_token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<(&ImageReference, &str)>,
    ) -> Result<Login, Silence> {
        let service_url: Uri = realm
            .parse()
            .map_err(|_| Silence::Protocol(Obstacle::Challenge))?;
        let host = service_url.host().ok_or(Silence::Protocol(Obstacle::Challenge))?;
        let port = service_url.port_u16().unwrap_or(443);
        let own = self.registry.dial().is(host, port);
        if service_url.scheme_str() != Some("https") || !(own || (self.may_go_to)(host, port)) {
            return Err(Silence::Untrusted(Distrust::Realm(host_port(host, port))));
        }
        let mut query = String::new();
        let service = service.map(|service| ("service", service.to_owned()));
        let scope = scope.map(|(image, what)| ("scope", format!("repository:{}:{what}", image.repository())));
        for (name, value) in service.into_iter().chain(scope) {
            let separator = if query.is_empty() && service_url.query().is_none() {
                '?'
            } else {
                '&'
            };
            query.push(separator);
            query.push_str(name);
            query.push('=');
            query.push_str(&percent_encode(&value));
        }
        let Some(basic) = &self.basic else {
            return Ok(Login::Refused);
        };
        let answer = self
            .registries
            .send(&Method::GET, &format!("{realm}{query}"), Some(basic))
            .await?;
        match answer.status {
            StatusCode::OK => bearer(&answer).map(|token| Login::Header(Some(token))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(Login::Refused),
            other => Err(Silence::Protocol(Obstacle::Status(other))),
        }
    }
}

fn host_port(host: &str, port: u16) -> String {
    if port == 443 {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

/// Percent-encodes what may not stand in a query (RFC 3986 section 3.4), and `&`, `+` and `=`.
fn percent_encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/@,".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_stands_readably_in_a_query_and_nothing_breaks_out_of_it() {
        assert_eq!(
            percent_encode("repository:team/app:pull,push"),
            "repository:team/app:pull,push"
        );
        assert_eq!(percent_encode("a b&scope=x#\u{e9}"), "a%20b%26scope%3Dx%23%C3%A9");
    }
}
