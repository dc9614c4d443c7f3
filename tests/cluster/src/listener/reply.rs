//! Replies of a scripted server, well-behaved or not.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// The answer to one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A proper response; Content-Length is set from the body unless the response has one, right or wrong.
    Respond(Response<Bytes>),
    /// These very bytes, HTTP or not, then an orderly close.
    Raw(Bytes),
    /// The response, of which only so many bytes (head included) are sent before the connection is closed.
    Truncate(Response<Bytes>, usize),
    /// The response in pieces of so many bytes, with a pause after each.
    Drip {
        /// Data to send.
        response: Response<Bytes>,
        /// Bytes in a piece.
        piece: usize,
        /// The pause after each piece.
        pause: Duration,
    },
    /// No byte ever, the connection stays open.
    Hang,
    /// No byte, an orderly close.
    Close,
    /// No byte, a reset.
    Reset,
}

impl Reply {
    /// A response with this status and no body.
    pub fn status(status: StatusCode) -> Self {
        Self::with_body(status, None, Bytes::new())
    }

    /// A JSON response.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::with_body(status, Some("application/json"), body.into())
    }

    /// 200 with an image's manifest.
    pub fn manifest() -> Self {
        Self::with_body(
            StatusCode::OK,
            Some("application/vnd.oci.image.manifest.v1+json"),
            Bytes::from_static(br#"{"schemaVersion":2,"layers":[]}"#),
        )
    }

    /// An HTML page, such as a proxy or a login page gives in place of an API's answer.
    pub fn html(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::with_body(status, Some("text/html; charset=utf-8"), body.into())
    }

    /// 401 with this `WWW-Authenticate`.
    pub fn challenge(challenge: &str) -> Self {
        Self::status(StatusCode::UNAUTHORIZED).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 307 to another place.
    pub fn redirect(location: &str) -> Self {
        Self::status(StatusCode::TEMPORARY_REDIRECT).with_header(header::LOCATION, location)
    }

    /// The same with one more header, if the reply is a response. Bytes that no header may have leave the reply
    /// unchanged: [`Reply::Raw`] can send those.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: &str) -> Self {
        if let (
            Self::Respond(response) | Self::Truncate(response, _) | Self::Drip { response, .. },
            Ok(value),
        ) = (&mut self, HeaderValue::from_str(value))
        {
            response.headers_mut().append(name, value);
        }
        self
    }

    fn with_body(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if let Some(content_type) = content_type {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        Self::Respond(response)
    }
}

/// The bytes of a response on the wire. A HEAD request is answered without the body, its length is said all the same.
pub(super) fn on_the_wire(response: &Response<Bytes>, to_head: bool) -> Vec<u8> {
    let status = response.status();
    let mut bytes = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or("Unnamed")
    )
    .into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    if !response.headers().contains_key(header::CONTENT_LENGTH) {
        bytes.extend_from_slice(format!("content-length: {}\r\n", response.body().len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if !to_head {
        bytes.extend_from_slice(response.body());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_response_has_the_length_of_the_omitted_body() {
        let Reply::Respond(response) = Reply::json(StatusCode::OK, "{}") else {
            unreachable!("json() makes a response");
        };
        let answer = String::from_utf8(on_the_wire(&response, true)).expect("text");
        assert!(answer.ends_with("content-length: 2\r\n\r\n"), "{answer}");
        let answer = String::from_utf8(on_the_wire(&response, false)).expect("text");
        assert!(answer.ends_with("content-length: 2\r\n\r\n{}"), "{answer}");
    }

    #[test]
    fn wrong_length_is_sent_as_configured() {
        let Reply::Respond(response) =
            Reply::json(StatusCode::OK, "{}").with_header(header::CONTENT_LENGTH, "99")
        else {
            unreachable!("json() makes a response");
        };
        let answer = String::from_utf8(on_the_wire(&response, false)).expect("text");
        assert!(answer.contains("content-length: 99\r\n") && !answer.contains("content-length: 2\r\n"));
    }
}
