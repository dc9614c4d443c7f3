//! Which answers are transient (DESIGN decision 8).

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

/// 429 and every 5xx but "not implemented".
pub fn can_be_tried_again(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

/// `Retry-After` in seconds; its other form, a date, is not sent by what we talk to and counts as absent.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_seconds_and_anything_else_is_none() {
        let given = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            retry_after(&headers)
        };
        assert_eq!(given("3"), Some(Duration::from_secs(3)));
        assert_eq!(given("18446744073709551615"), Some(Duration::from_secs(u64::MAX)));
        for value in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(given(value), None, "{value}");
        }
    }
}
