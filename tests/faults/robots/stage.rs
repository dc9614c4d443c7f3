//! The registries of the robots' situations, and an independent client of them.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Bytes;
use serde_json::Value;
use test_cluster::{
    access::ClusterAccess,
    clients::HttpsClient,
    listener::{Action, InterceptingProxy, RequestParts, upstream::Upstream},
    registry::{Account, Host, Registry},
};

use super::setting::{Scheme, Setting, Situation};
use crate::world::{Slots, World};

/// Query of a request that was redirected.
const MOVED: &str = "moved=1";

/// A namespace, and registries with rules that the cluster's own don't have.
pub struct Stage {
    pub world: World,
    hiding: Arc<InterceptingProxy>,
    redirecting: Arc<InterceptingProxy>,
    ca: String,
}

impl Stage {
    pub async fn new(slots: usize) -> Result<(Self, Slots)> {
        let (world, slots) = World::new(slots).await?;
        let registries = ClusterAccess::shared().registries()?;
        let hidden_from = authorization(registries.basic.account("robot").context("a robot")?);
        let front = |host: &Host, hook: fn(&RequestParts, &str) -> Action| {
            let name = host.name.split(':').next().unwrap_or_default();
            let hidden_from = hidden_from.clone();
            let upstream = Upstream::named(&host.name, host.address, &registries.ca)?;
            let certificate = world.authority().issue(&[name])?;
            let proxy =
                InterceptingProxy::start(upstream, &certificate, move |request| hook(request, &hidden_from))?;
            anyhow::Ok(Arc::new(proxy))
        };
        Ok((
            Self {
                hiding: front(&registries.basic.host, hide)?,
                redirecting: front(&registries.token.host, |request, _| redirect(request))?,
                ca: format!("{}\n{}", registries.ca, world.authority().pem()),
                world,
            },
            slots,
        ))
    }

    /// Where the setting's registry really is.
    pub fn host(&self, setting: Setting) -> Result<Host> {
        let mut host = setting.registry()?.host.clone();
        match setting.situation {
            Situation::Hidden => host.address = self.hiding.address(),
            Situation::Redirected => host.address = self.redirecting.address(),
            _ => {}
        }
        Ok(host)
    }

    /// True if the `auth` of an entry gets the image's manifest.
    pub async fn pulls(&self, setting: Setting, auth: &str) -> Result<bool> {
        let registry = setting.registry()?;
        let mut host = self.host(setting)?;
        if setting.situation == Situation::Redirected {
            // The client follows no redirect.
            host.address = registry.host.address;
        }
        let client = HttpsClient::new(&host, &self.ca)?;
        let repository = format!("{}/model", self.world.namespace().name());
        let mut authorization = format!("Basic {auth}");
        if let Scheme::Bearer = setting.scheme {
            let target = format!(
                "/token?service={}&scope=repository:{repository}:pull",
                registry.host.name
            );
            let answer = get(&client, &target, &authorization).await?;
            if answer.status() != StatusCode::OK {
                ensure!(answer.status() == StatusCode::UNAUTHORIZED, "the token service");
                return Ok(false);
            }
            let answer: Value = serde_json::from_slice(answer.body())?;
            authorization = format!("Bearer {}", answer["token"].as_str().context("a token")?);
        }
        let target = format!("/v2/{repository}/manifests/v1");
        match get(&client, &target, &authorization).await?.status() {
            StatusCode::OK => Ok(true),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(false),
            other => anyhow::bail!("the registry answers {other} to an independent client"),
        }
    }
}

impl Setting {
    /// The registry whose name and rules it is.
    pub fn registry(self) -> Result<&'static Registry> {
        let registries = ClusterAccess::shared().registries()?;
        Ok(match (self.situation, self.scheme) {
            (Situation::Anonymous, _) => &registries.open,
            (_, Scheme::Basic) => &registries.basic,
            (_, Scheme::Bearer) => &registries.token,
        })
    }
}

async fn get(client: &HttpsClient, target: &str, authorization: &str) -> Result<Response<Bytes>> {
    let request = Request::get(target)
        .header(header::AUTHORIZATION, authorization)
        .header(header::ACCEPT, "application/vnd.oci.image.manifest.v1+json")
        .body(Bytes::new())?;
    client.exchange(request).await
}

/// The image is not there for this account, as at registries that don't show what one may not see.
fn hide(request: &RequestParts, from: &str) -> Action {
    let shown = request.headers.get(header::AUTHORIZATION);
    if !request.path.contains("/manifests/") || shown.is_none_or(|shown| shown != from) {
        return Action::Forward;
    }
    answer(
        StatusCode::NOT_FOUND,
        r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#,
        None,
    )
}

/// The image is at another path of the same host.
fn redirect(request: &RequestParts) -> Action {
    if !request.path.contains("/manifests/") || request.query == MOVED {
        return Action::Forward;
    }
    let location = format!("{}?{MOVED}", request.path);
    answer(StatusCode::TEMPORARY_REDIRECT, "", Some(&location))
}

fn answer(status: StatusCode, body: &'static str, location: Option<&str>) -> Action {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    let location = location.and_then(|location| HeaderValue::from_str(location).ok());
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    } else {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    Action::Answer(response)
}

fn authorization(account: &Account) -> String {
    let pair = format!("{}:{}", account.name, account.password);
    format!("Basic {}", STANDARD.encode(pair))
}
