//! Redaction of everything that a run prints: the last defence, after the names that [`super::KnownSecrets::show_in`] hides.
//!
//! A program's own words must stay readable, so less counts as a part of a secret here than in a single name: eight letters
//! and digits with one of each, sixteen of any kind, or the whole secret.

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
        let forms = self.forms();
        let words: Vec<Vec<Word>> = texts.iter().map(|text| words(text)).collect();
        let hits = Hits::of(&words, &forms);
        for (text, words) in texts.into_iter().zip(&words) {
            // From the end, since a replacement moves what follows.
            for word in words.iter().rev().filter(|word| hits.are_in(word)) {
                text.replace_range(word.start..word.end, REDACTED);
            }
        }
    }
}

/// A word, and its letters and digits in lower case, percent-decoded too.
struct Word {
    start: usize,
    end: usize,
    /// Words between punctuation.
    labels: Vec<Vec<u8>>,
    compared: Vec<u8>,
    decoded: Vec<u8>,
}

/// Words of a text: what stands between blanks, quotes, brackets and the like.
fn words(text: &str) -> Vec<Word> {
    let is_end = |c: char| c.is_whitespace() || "\"'`()[]{}<>,;=".contains(c);
    let mut words = Vec::new();
    let mut start = 0_usize;
    for piece in text.split_inclusive(is_end) {
        let word = piece.trim_end_matches(is_end).trim_end_matches(['.', ':']);
        if !word.is_empty() {
            words.push(Word::new(start, word));
        }
        start = start.saturating_add(piece.len());
    }
    words
}

impl Word {
    fn new(start: usize, text: &str) -> Self {
        let decoded = if text.contains('%') {
            compared(&percent_decoded(text))
        } else {
            Vec::new()
        };
        Self {
            start,
            end: start.saturating_add(text.len()),
            labels: text
                .split(|c: char| !c.is_ascii_alphanumeric())
                .map(compared)
                .collect(),
            compared: compared(text),
            decoded,
        }
    }

    /// Parts of this length.
    fn parts(&self, length: usize) -> impl Iterator<Item = &[u8]> {
        self.compared.windows(length).chain(self.decoded.windows(length))
    }
}

/// Letters and digits, in lower case.
pub(super) fn compared(text: &str) -> Vec<u8> {
    let mut compared = text.as_bytes().to_ascii_lowercase();
    compared.retain(u8::is_ascii_alphanumeric);
    compared
}

/// Letters and digits of a secret, in lower case.
pub(super) enum Form {
    /// Plain, in base64, percent-encoded.
    Text(Vec<u8>),
    /// In hexadecimal, like a digest or a UID: eight digits of them may be there by chance.
    Hexadecimal(Vec<u8>),
}

/// Parts of words in their order, and whether each is a part of a secret.
struct Parts<'a> {
    all: Vec<&'a [u8]>,
    found: Vec<bool>,
}

impl<'a> Parts<'a> {
    fn of(words: &'a [Vec<Word>], length: usize) -> Self {
        let mut all = Vec::new();
        for word in words.iter().flatten() {
            all.extend(word.parts(length));
        }
        all.sort_unstable();
        all.dedup();
        let found = vec![false; all.len()];
        Self { all, found }
    }

    fn place(&self, part: &[u8]) -> Option<usize> {
        self.all.binary_search(&part).ok()
    }

    fn add(&mut self, part: &[u8]) {
        if let Some(found) = self.place(part).and_then(|place| self.found.get_mut(place)) {
            *found = true;
        }
    }

    fn has(&self, part: &[u8]) -> bool {
        self.place(part).and_then(|place| self.found.get(place)) == Some(&true)
    }
}

/// Parts of words that are parts of secrets, and short secrets.
struct Hits<'a> {
    mixed: Parts<'a>,
    any: Parts<'a>,
    whole: Vec<&'a [u8]>,
}

impl<'a> Hits<'a> {
    fn of(words: &'a [Vec<Word>], forms: &'a [Form]) -> Self {
        let mut hits = Self {
            mixed: Parts::of(words, MIXED),
            any: Parts::of(words, ANY),
            whole: Vec::new(),
        };
        for form in forms {
            let (Form::Text(digits) | Form::Hexadecimal(digits)) = form;
            digits.windows(ANY).for_each(|part| hits.any.add(part));
            if let Form::Text(digits) = form {
                let mixed = digits.windows(MIXED).filter(|part| is_mixed(part));
                mixed.for_each(|part| hits.mixed.add(part));
                let is_short = (SHORTEST..MIXED).contains(&digits.len()) && is_mixed(digits);
                if is_short || (LETTERS..ANY).contains(&digits.len()) {
                    hits.whole.push(digits);
                }
            }
        }
        hits
    }

    fn are_in(&self, word: &Word) -> bool {
        word.parts(MIXED).any(|part| self.mixed.has(part))
            || word.parts(ANY).any(|part| self.any.has(part))
            || self.whole.iter().any(|whole| match whole.len() {
                0..MIXED => word.labels.iter().any(|label| label == whole),
                length => word.parts(length).any(|part| part == *whole),
            })
    }
}

fn is_mixed(part: &[u8]) -> bool {
    part.iter().any(u8::is_ascii_digit) && part.iter().any(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests;
