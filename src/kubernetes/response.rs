//! Conversion of an API server's answer for `kube::Client`.

use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;

use crate::transport::Answer;

/// kube treats every status but 4xx and 5xx as success, a redirect too. The body of a status that is neither 2xx nor an
/// error is removed, so that kube can't parse it.
pub fn response(answer: Answer) -> Response<Full<Bytes>> {
    let status = answer.status;
    let counts = status.is_success() || status.is_client_error() || status.is_server_error();
    let body = if counts { answer.body } else { Bytes::new() };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = answer.headers;
    response
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use hyper::body::Body as _;

    use super::*;

    #[test]
    fn only_a_success_and_an_error_have_a_body_that_counts() {
        for (status, counts) in [
            (101, false),
            (200, true),
            (201, true),
            (302, false),
            (304, false),
            (404, true),
            (503, true),
            (600, false),
        ] {
            let response = response(Answer {
                status: StatusCode::from_u16(status).expect("a status"),
                headers: HeaderMap::new(),
                body: Bytes::from_static(b"{}"),
            });
            assert_eq!(response.status(), status);
            assert_eq!(!response.body().is_end_stream(), counts, "{status}");
        }
    }
}
