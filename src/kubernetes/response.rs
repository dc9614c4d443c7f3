//! Conversion of an API server's answer for `kube::Client`.

use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Map, Value};

use crate::transport::Answer;

/// kube treats every status but 4xx and 5xx as success, a redirect too. The body of a status that is neither 2xx nor an
/// error is removed, so that kube can't parse it.
pub fn response(answer: Answer) -> Response<Full<Bytes>> {
    let status = answer.status;
    let body = if status.is_success() {
        answer.body
    } else if status.is_client_error() || status.is_server_error() {
        error_body(status, &answer.body)
    } else {
        Bytes::new()
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = answer.headers;
    response
}

/// kube takes the code of an error from the body: it is set to the status of the answer. A body that is no JSON object is
/// removed: kube sets the code itself then.
fn error_body(status: StatusCode, body: &[u8]) -> Bytes {
    let with_code = |mut object: Map<String, Value>| {
        object.insert("code".to_owned(), status.as_u16().into());
        Bytes::from(Value::Object(object).to_string())
    };
    serde_json::from_slice(body).map(with_code).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http_body_util::BodyExt as _;

    use super::*;

    async fn body(status: u16, body: &'static [u8]) -> String {
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body),
        };
        let response = response(answer);
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(body.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn only_a_success_and_an_error_have_a_body_that_counts() {
        for (status, expected) in [
            (101, ""),
            (200, "{}"),
            (201, "{}"),
            (302, ""),
            (304, ""),
            (404, r#"{"code":404}"#),
            (503, r#"{"code":503}"#),
            (600, ""),
        ] {
            assert_eq!(body(status, b"{}").await, expected, "{status}");
        }
    }

    #[tokio::test]
    async fn o14_the_code_of_an_error_is_the_status_of_the_answer() {
        for (text, expected) in [
            (
                &br#"{"code":200,"reason":"x"}"#[..],
                r#"{"code":404,"reason":"x"}"#,
            ),
            (br#"{"code":"404"}"#, r#"{"code":404}"#),
            (b"", ""),
            (b"404 page not found", ""),
            (b"[]", ""),
            (b"\xff", ""),
        ] {
            assert_eq!(body(404, text).await, expected, "{text:?}");
        }
    }
}
