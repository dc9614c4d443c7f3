//! Redaction of everything that a run prints: the last defence, after the names that [`super::KnownSecrets::show_in`] hides.
//!
//! A program's own words must stay readable, so less counts as a part of a secret here than in a single name: eight letters
//! and digits with one of each, sixteen of any kind, or the whole secret.

use std::collections::BTreeSet;

use super::{embedded::percent_decoded, leak::KnownSecrets};

/// Printed in the place of a word.
const REDACTED: &str = "redacted";

/// Length of a part with letters and digits, and of any part, that identifies a secret.
const MIXED: usize = 8;
const ANY: usize = 16;

/// Shortest secret that is found as a whole without a digit, and with one.
const LETTERS: usize = 12;
const SHORTEST: usize = 4;

impl KnownSecrets {
    /// Replaces every word that contains a secret, or an identifying part of it: plain, in base64 or hexadecimal,
    /// percent-encoded.
    pub fn redact(&self, texts: Vec<&mut String>) {
        let words: BTreeSet<String> = texts
            .iter()
            .flat_map(|text| words(text))
            .map(|(_, word)| word.to_owned())
            .collect();
        let words: Vec<Word> = words.into_iter().map(Word::new).collect();
        let forms = self.forms();
        let hits = Hits::of(&words, &forms);
        let hidden: BTreeSet<&str> = words
            .iter()
            .filter(|word| hits.are_in(word))
            .map(|word| word.text.as_str())
            .collect();
        for text in texts {
            let mut replaced: Vec<(usize, usize)> = words_in(text, &hidden);
            while let Some((start, length)) = replaced.pop() {
                text.replace_range(start..start.saturating_add(length), REDACTED);
            }
        }
    }
}

/// Words of a text with their place: what stands between blanks, quotes, brackets and the like.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_end = |c: char| c.is_whitespace() || "\"'`()[]{}<>,;=".contains(c);
    let mut start = 0_usize;
    text.split_inclusive(is_end).filter_map(move |piece| {
        let at = start;
        start = start.saturating_add(piece.len());
        let word = piece.trim_end_matches(is_end).trim_end_matches(['.', ':']);
        (!word.is_empty()).then_some((at, word))
    })
}

/// Places of the hidden words.
fn words_in(text: &str, hidden: &BTreeSet<&str>) -> Vec<(usize, usize)> {
    words(text)
        .filter(|(_, word)| hidden.contains(word))
        .map(|(at, word)| (at, word.len()))
        .collect()
}

/// A word, and its letters and digits in lower case, percent-decoded too.
struct Word {
    text: String,
    compared: Vec<u8>,
    decoded: Vec<u8>,
}

impl Word {
    fn new(text: String) -> Self {
        let decoded = if text.contains('%') {
            compared(&percent_decoded(&text))
        } else {
            Vec::new()
        };
        Self {
            compared: compared(&text),
            decoded,
            text,
        }
    }

    /// Parts of this length.
    fn parts(&self, length: usize) -> impl Iterator<Item = &[u8]> {
        [&self.compared, &self.decoded]
            .into_iter()
            .flat_map(move |text| text.windows(length))
    }

    fn has_label(&self, label: &[u8]) -> bool {
        self.text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|part| part.as_bytes().eq_ignore_ascii_case(label))
    }
}

/// Letters and digits, in lower case.
pub(super) fn compared(text: &str) -> Vec<u8> {
    let text = text.bytes().filter(u8::is_ascii_alphanumeric);
    text.map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Letters and digits of a secret, in lower case.
pub(super) enum Form {
    /// Plain, in base64, percent-encoded.
    Text(Vec<u8>),
    /// In hexadecimal, like a digest or a UID: eight digits of them may be there by chance.
    Hexadecimal(Vec<u8>),
}

/// Parts of words that are parts of secrets, and short secrets.
#[derive(Default)]
struct Hits<'a> {
    parts: BTreeSet<&'a [u8]>,
    whole: Vec<&'a [u8]>,
}

impl<'a> Hits<'a> {
    fn of(words: &'a [Word], forms: &'a [Form]) -> Self {
        let [mixed, any] = [MIXED, ANY].map(|length| {
            let mut parts: Vec<&[u8]> = words.iter().flat_map(|word| word.parts(length)).collect();
            parts.sort_unstable();
            parts.dedup();
            parts
        });
        let mut hits = Self::default();
        for form in forms {
            let (Form::Text(digits) | Form::Hexadecimal(digits)) = form;
            let parts = digits.windows(ANY).filter(|part| any.binary_search(part).is_ok());
            hits.parts.extend(parts);
            if let Form::Text(digits) = form {
                let parts = digits.windows(MIXED).filter(|part| is_mixed(part));
                hits.parts
                    .extend(parts.filter(|part| mixed.binary_search(part).is_ok()));
                let is_short = (SHORTEST..MIXED).contains(&digits.len()) && is_mixed(digits);
                if is_short || (LETTERS..ANY).contains(&digits.len()) {
                    hits.whole.push(digits);
                }
            }
        }
        hits
    }

    fn are_in(&self, word: &Word) -> bool {
        let is_part = |length| word.parts(length).any(|part| self.parts.contains(part));
        is_part(MIXED)
            || is_part(ANY)
            || self.whole.iter().any(|whole| match whole.len() {
                0..MIXED => word.has_label(whole),
                length => word.parts(length).any(|part| part == *whole),
            })
    }
}

fn is_mixed(part: &[u8]) -> bool {
    part.iter().any(u8::is_ascii_digit) && part.iter().any(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests;
