//! Names from outside, made fit for results, logs and terminals.

/// Shown in place of what was left out.
const ELLIPSIS: char = '…';

/// A name from outside, safe to paste into a shell, a terminal or YAML, and at most `max` characters long.
///
/// Characters other than `A-Za-z0-9._:/@-` become `_`. A longer name is shortened in its middle with `…`, because
/// its beginning (the host) and its end (tag, digest) are what tells one from another.
pub fn clip_name(name: &str, max: usize) -> String {
    let length = name.chars().count();
    if length <= max {
        return name.chars().map(safe).collect();
    }
    let kept = max.saturating_sub(1);
    let tail = kept / 2;
    let head = kept.saturating_sub(tail);
    let beginning = name.chars().take(head).map(safe);
    let end = name.chars().skip(length.saturating_sub(tail)).map(safe);
    beginning
        .chain((max > 0).then_some(ELLIPSIS))
        .chain(end)
        .collect()
}

/// One line of text: every run of control characters and line separators becomes one blank.
///
/// A guard for texts that are ours already: whatever slipped through can't move a terminal's cursor or start a line.
pub fn one_line(text: &str) -> String {
    text.split(breaks_lines)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A block to paste: its line ends stay, every other control character is dropped.
pub fn block(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || !breaks_lines(c)).collect()
}

/// Control characters, and what terminals or editors take for a line end or a change of direction
/// (Unicode Standard Annex 9 and 14).
fn breaks_lines(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn safe(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '@' | '-') {
        c
    } else {
        '_'
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_fits_and_is_safe_stays_as_it_is() {
        let name = "quay.io:443/team/app:v1@sha256:0a";
        assert_eq!(clip_name(name, name.len()), name);
    }

    #[test]
    fn what_a_shell_or_terminal_would_act_on_becomes_an_underscore() {
        assert_eq!(
            clip_name("a$(b)\u{1b}[31m\n`c` \"d\"é", 40),
            "a__b___31m__c___d__"
        );
    }

    #[test]
    fn a_long_name_loses_its_middle() {
        assert_eq!(clip_name("abcdefghij", 5), "ab…ij");
        assert_eq!(clip_name("abcdefghij", 4), "ab…j");
        assert_eq!(clip_name("abcdefghij", 1), "…");
        assert_eq!(clip_name("abcdefghij", 0), "");
    }

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        assert_eq!(one_line("a\r\n  b\u{2028}c\u{1b}[2Jd\n"), "a b c [2Jd");
    }

    #[test]
    fn a_block_keeps_its_line_ends_and_indentation_alone() {
        assert_eq!(block("a:\n  - b\u{1b}[2J\u{7}\n"), "a:\n  - b[2J\n");
    }

    proptest! {
        #[test]
        fn any_name_comes_out_short_and_safe(name in any::<String>(), max in 0_usize..80) {
            let clipped = clip_name(&name, max);
            prop_assert!(clipped.chars().count() <= max);
            prop_assert!(clipped.chars().all(|c| safe(c) == c || c == ELLIPSIS));
        }
    }
}
