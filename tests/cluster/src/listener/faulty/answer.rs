//! The bytes of a response: where they are cut, and the faults injected into them.

use bytes::Bytes;
use http::{Response, header};
use serde_json::Value;

use super::fault::Place;
use crate::listener::reply::on_the_wire;

/// An answer on the wire.
pub(super) struct Wire {
    /// The whole response.
    pub(super) bytes: Vec<u8>,
    head: usize,
}

impl Wire {
    /// `to_head`: the request was HEAD, and no body is sent.
    pub(super) fn new(response: &Response<Bytes>, to_head: bool) -> Self {
        let bytes = on_the_wire(response, to_head);
        let body = if to_head { 0 } else { response.body().len() };
        Self {
            head: bytes.len() - body,
            bytes,
        }
    }

    /// The part that is sent if it is cut at `place`: never the whole.
    pub(super) fn up_to(&self, place: Place) -> &[u8] {
        let (head, all) = (self.head, self.bytes.len());
        let length = match place {
            Place::Start => 0,
            Place::FirstByte => 1,
            Place::StatusLine => "HTTP/1.1 ".len(),
            Place::Headers => self
                .bytes
                .windows(2)
                .position(|pair| pair == b"\r\n")
                .map_or(0, |end| end + 2),
            Place::Header => head / 2,
            Place::EmptyLine => head - 2,
            Place::Body => head,
            Place::BodyFirst => head + 1,
            Place::BodyMiddle => head + (all - head) / 2,
            Place::LastByte => all - 1,
            Place::Thousandths(thousandths) => all * usize::from(thousandths) / 1000,
        };
        self.bytes.get(..length.min(all - 1)).unwrap_or_default()
    }
}

/// The response with every member of its object twice: first null, then unchanged. A response that is no object is
/// unchanged.
pub(super) fn with_duplicate_members(response: Response<Bytes>) -> Response<Bytes> {
    let Ok(Value::Object(members)) = serde_json::from_slice(response.body()) else {
        return response;
    };
    let twice: Vec<String> = members
        .iter()
        .flat_map(|(name, value)| {
            let name = Value::from(name.as_str());
            [format!("{name}:null"), format!("{name}:{value}")]
        })
        .collect();
    let mut response = response.map(|_| Bytes::from(format!("{{{}}}", twice.join(","))));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}
