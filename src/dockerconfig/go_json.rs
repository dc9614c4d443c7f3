//! JSON objects as ordered lists of members with offsets into the text, and names and strings by the rules of Go's
//! `encoding/json` (kubelet, containers/image and crane use it).
//!
//! Values stay text: no number is parsed and nested values are not parsed, so any valid document is preserved.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting that Go accepts (`encoding/json/scanner.go`, `maxNestingDepth`).
const MAX_DEPTH: usize = 10_000;

/// Member of an object.
#[derive(Clone)]
pub(super) struct Member<'a> {
    /// Name with escapes resolved.
    pub(super) name: String,
    /// Offset of the name's opening quote, in bytes of the whole document.
    pub(super) start: usize,
    /// Offset of the value.
    pub(super) value_start: usize,
    /// Offset of the end of value and member.
    pub(super) end: usize,
    /// Text of the value, without surrounding white space.
    pub(super) value: &'a str,
}

/// Members of the object `text`, in order, with duplicates; `base` is the offset of `text` in the whole document. `None`
/// if `text` is no JSON object.
pub(super) fn members(text: &str, base: usize) -> Option<Vec<Member<'_>>> {
    let raw: RawMembers<'_> = serde_json::from_str(text).ok()?;
    let offset = |slice: &str| {
        slice
            .as_ptr()
            .addr()
            .checked_sub(text.as_ptr().addr())?
            .checked_add(base)
    };
    raw.0
        .into_iter()
        .map(|(name, value)| {
            let (name, value) = (name.get(), value.get());
            let value_start = offset(value)?;
            Some(Member {
                name: string(name)?,
                start: offset(name)?,
                value_start,
                end: value_start.checked_add(value.len())?,
                value,
            })
        })
        .collect()
}

/// Members of the outermost object, as Go decodes it into a struct: `null` has none. `None` if Go reports an error.
pub(super) fn document_members(source: &str) -> Option<Vec<Member<'_>>> {
    if is_too_deep(source) {
        return None;
    }
    if serde_json::from_str::<()>(source).is_ok() {
        Some(Vec::new())
    } else {
        members(source, 0)
    }
}

struct RawMembers<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawMembers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}

/// Text of the JSON string `raw`, which includes the quotes. `None` if it is no string. A lone surrogate
/// becomes U+FFFD (`encoding/json/decode.go`, `unquote`).
pub(super) fn string(raw: &str) -> Option<String> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(inner.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        let unescaped = match c {
            '\\' => match rest.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let (digits, tail) = rest.as_str().split_at_checked(4)?;
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    rest = tail.chars();
                    continue;
                }
                other => other,
            },
            other => other,
        };
        units.extend_from_slice(unescaped.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

/// Decodes a value into a Go field of type string: `null` leaves it unchanged. `None` if Go reports a type error.
pub(super) fn decode_string(field: &mut String, value: &str) -> Option<()> {
    if value != "null" {
        *field = string(value)?;
    }
    Some(())
}

/// Folded member name, by which Go finds a field: case-insensitive, including U+017F (long s) and U+212A (Kelvin sign)
/// (`encoding/json/fold.go`). The relevant fields have ASCII names, so nothing else folds.
pub(super) fn fold(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// True if a JSON text is nested deeper than Go accepts.
pub(super) fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    json.bytes().any(|byte| {
        if escaped {
            escaped = false;
        } else if in_string {
            escaped = byte == b'\\';
            in_string = byte != b'"';
        } else {
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' => depth = depth.saturating_add(1),
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        depth > MAX_DEPTH
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_order_duplicates_and_offsets() {
        let text = " { \"a\" : 1E+2 ,\t\"\\u0061\":[ {} ],\"\\ud800\":-0 } ";
        let members = members(text, 0).unwrap();
        let seen: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.value)).collect();
        assert_eq!(seen, [("a", "1E+2"), ("a", "[ {} ]"), ("\u{fffd}", "-0")]);
        for member in members {
            assert_eq!(&text[member.value_start..member.end], member.value);
            assert!(text[member.start..].starts_with('"'));
        }
    }

    #[test]
    fn offsets_are_relative_to_the_whole_document() {
        assert_eq!(members(r#"{"a":1}"#, 100).unwrap()[0].start, 101);
    }

    #[test]
    fn strings_are_unescaped_as_in_go() {
        for (raw, text) in [
            (r#""""#, ""),
            (r#""plain""#, "plain"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u00e9\u00E9""#, "\u{e9}\u{e9}"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ude00""#, "\u{fffd}"),
        ] {
            assert_eq!(string(raw).as_deref(), Some(text), "{raw}");
        }
        for raw in ["5", "null", "{}", "true"] {
            assert_eq!(string(raw), None, "{raw}");
        }
    }

    #[test]
    fn names_fold_as_in_go() {
        for name in ["Auths", "AUTHS", "auth\u{17f}"] {
            assert_eq!(fold(name), "auths");
        }
        assert_eq!(fold("identityto\u{212a}en"), "identitytoken");
        assert_ne!(fold("\u{fc}"), fold("u"));
    }

    #[test]
    fn depth_is_counted_only_outside_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_too_deep(&nested(10_000)));
        assert!(is_too_deep(&nested(10_001)));
        assert!(!is_too_deep(&format!(r#"["\"{}"]"#, "[".repeat(20_000))));
        assert!(!is_too_deep(&"[],".repeat(20_000)));
    }
}
