//! Answers that are none of the server's that was asked: each was found by the fault matrix (tests/faults).

use anyhow::Result;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Bytes;
use serde_json::json;
use test_cluster::{
    listener::{Action, RequestParts},
    registry::OPENSHIFT,
};

use crate::{
    interception::{before_api_server, through},
    silent_registries::{Silence, Silent},
    world::World,
};

fn is_review(request: &RequestParts) -> bool {
    request.path.ends_with("/selfsubjectreviews")
}

fn is_access_review(request: &RequestParts) -> bool {
    request.path.ends_with("/selfsubjectaccessreviews")
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Action {
    answer(status, "application/json", body.to_string())
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Action {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Action::Answer(response)
}

#[tokio::test]
async fn an_object_without_a_verdict_is_no_review_and_a_401_does_not_forbid_the_pull() -> Result<()> {
    let cases: [(&str, fn(&RequestParts) -> bool, StatusCode); 3] = [
        ("review", is_review, StatusCode::CREATED),
        ("access review", is_access_review, StatusCode::CREATED),
        // The review before it accepted the credential.
        (
            "access review refused",
            is_access_review,
            StatusCode::UNAUTHORIZED,
        ),
    ];
    for (name, is_asked, status) in cases {
        let world = World::new("no-verdict").await?;
        let image = world.push("app:v1")?;
        let proxy = before_api_server(&world, move |request| {
            if is_asked(request) {
                json_answer(status, &json!({}))
            } else {
                Action::Forward
            }
        })?;
        let silent = Silent::start(&world, OPENSHIFT, Silence::Untrusted)?;
        let program = silent.instead_of(OPENSHIFT, &through(&world, &proxy));
        let outcome = program.env("PULL_SECRET_IMAGE", &image).run().await?;
        outcome
            .expect("ERROR", "created", "api-unavailable", 75)
            .expect_verified("none");
        assert_eq!(
            world.document().await?,
            b"{\"auths\":{}}",
            "{name}: nobody vouched for it"
        );
    }
    Ok(())
}
