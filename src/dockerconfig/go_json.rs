//! JSON objects as ordered lists of members with offsets into the text, and names and strings by the rules of Go's
//! `encoding/json` (kubelet, containers/image and crane use it).
//!
//! Values stay text: no number is parsed and nested values are not parsed, so any valid document is preserved.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Deepest nesting that Go accepts (`encoding/json/scanner.go`, `maxNestingDepth`).
const MAX_DEPTH: usize = 10_000;

/// Member of an object.
#[derive(Clone)]
pub(super) struct Member<'a> {
    /// Name with escapes resolved.
    pub(super) name: Cow<'a, str>,
    /// Offset of the name's opening quote, in bytes of the whole document.
    pub(super) start: usize,
    /// Offset of the value.
    pub(super) value_start: usize,
    /// Offset of the end of value and member.
    pub(super) end: usize,
    /// Text of the value, without surrounding white space.
    pub(super) value: &'a str,
}

/// Members of an object in order, with duplicates. They are read one by one: a document may have 100,000.
#[derive(Clone, Default)]
pub(super) struct Members<'a> {
    text: &'a str,
    base: usize,
    /// Where the next member is looked for in `text`.
    next: usize,
}

/// Members of `text`, which is valid JSON; `base` is its offset in the whole document. `None` if it is no object.
pub(super) fn members(text: &str, base: usize) -> Option<Members<'_>> {
    let brace = skip(text, 0, b" \t\r\n");
    text.get(brace..)?.starts_with('{').then(|| Members {
        text,
        base,
        next: brace.saturating_add(1),
    })
}

/// Members of the outermost object, as Go decodes it into a struct: `null` has none. `None` if Go reports an error.
pub(super) fn document_members(source: &str) -> Option<Members<'_>> {
    let value: &RawValue = serde_json::from_str(source).ok()?;
    if is_too_deep(source) {
        None
    } else if value.get() == "null" {
        Some(Members::default())
    } else {
        members(source, 0)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let start = skip(self.text, self.next, b" \t\r\n,");
        let name_end = value_end(self.text, start);
        let value_start = skip(self.text, name_end, b" \t\r\n:");
        let end = value_end(self.text, value_start);
        let name = string(self.text.get(start..name_end)?)?;
        self.next = end;
        Some(Member {
            name,
            start: self.base.saturating_add(start),
            value_start: self.base.saturating_add(value_start),
            end: self.base.saturating_add(end),
            value: self.text.get(value_start..end)?,
        })
    }
}

/// Offset of the first byte from `start` that isn't one of `skipped`.
fn skip(text: &str, start: usize, skipped: &[u8]) -> usize {
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let is_other = |byte: &u8| !skipped.contains(byte);
    start.saturating_add(rest.iter().position(is_other).unwrap_or(rest.len()))
}

/// Offset of the end of the value at `start`.
fn value_end(text: &str, start: usize) -> usize {
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let mut place = Place::default();
    let length = match rest.first() {
        Some(b'"' | b'{' | b'[') => {
            let last = rest.iter().position(|byte| place.after(*byte).is_outside());
            last.map_or(rest.len(), |last| last.saturating_add(1))
        }
        _ => {
            let end = rest.iter().position(|byte| b",]} \t\r\n".contains(byte));
            end.unwrap_or(rest.len())
        }
    };
    start.saturating_add(length)
}

/// Place in a JSON text.
#[derive(Default)]
struct Place {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Place {
    /// The place after this byte.
    fn after(&mut self, byte: u8) -> &Self {
        if self.escaped {
            self.escaped = false;
        } else if self.in_string {
            self.escaped = byte == b'\\';
            self.in_string = byte != b'"';
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self
    }

    const fn is_outside(&self) -> bool {
        self.depth == 0 && !self.in_string
    }
}

/// Text of the JSON string `raw`, which includes the quotes. `None` if it is no string. A lone surrogate
/// becomes U+FFFD (`encoding/json/decode.go`, `unquote`).
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
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
    Some(Cow::Owned(String::from_utf16_lossy(&units)))
}

/// Decodes a value into a Go field of type string: `null` leaves it unchanged. `None` if Go reports a type error.
pub(super) fn decode_string(field: &mut String, value: &str) -> Option<()> {
    if value != "null" {
        *field = string(value)?.into_owned();
    }
    Some(())
}

/// Folded member name, by which Go finds a field: case-insensitive, including U+017F (long s) and U+212A (Kelvin sign)
/// (`encoding/json/fold.go`). The relevant fields have ASCII names, so nothing else folds.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    let is_folded = |c: char| !c.is_ascii_uppercase() && !matches!(c, '\u{17f}' | '\u{212a}');
    if name.chars().all(is_folded) {
        return Cow::Borrowed(name);
    }
    let folded = name.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    Cow::Owned(folded.collect())
}

/// True if a JSON text is nested deeper than Go accepts.
pub(super) fn is_too_deep(json: &str) -> bool {
    let mut place = Place::default();
    json.bytes().any(|byte| place.after(byte).depth > MAX_DEPTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_order_duplicates_and_offsets() {
        let text = " { \"a\" : 1E+2 ,\t\"\\u0061\":[ {} ],\"\\ud800\":-0 } ";
        let members = members(text, 0).unwrap();
        let seen: Vec<_> = members.clone().map(|m| (m.name.into_owned(), m.value)).collect();
        let expected = [("a", "1E+2"), ("a", "[ {} ]"), ("\u{fffd}", "-0")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
        for member in members {
            assert_eq!(&text[member.value_start..member.end], member.value);
            assert!(text[member.start..].starts_with('"'));
        }
    }

    #[test]
    fn members_of_any_text_end() {
        for text in [
            "{",
            "{\"",
            "{\"a",
            "{\"a\":",
            "{\"a\":[",
            "{\"a\" 1}",
            "{{}}",
            "{,}",
            "{\"a\":\"\\",
        ] {
            assert!(
                members(text, 0).is_some_and(|members| members.count() <= 1),
                "{text}"
            );
        }
        for text in ["", "[]", "null", " ", "\u{a0}{}"] {
            assert!(members(text, 0).is_none(), "{text:?}");
        }
        let deep = r#"{"a":{"}":"]","b":[{"c":"\\"}]},"d":"\"}"}"#;
        let values: Vec<_> = members(deep, 0).unwrap().map(|member| member.value).collect();
        assert_eq!(values, [r#"{"}":"]","b":[{"c":"\\"}]}"#, r#""\"}""#]);
    }

    #[test]
    fn offsets_are_relative_to_the_whole_document() {
        assert_eq!(
            members(r#"{"a":1}"#, 100).unwrap().next().map(|m| m.start),
            Some(101)
        );
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
