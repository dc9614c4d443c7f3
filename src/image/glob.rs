//! Shell patterns by the rules of Go's `filepath.Match`, which the kubelet uses to compare the parts of a host.

/// Term of a pattern.
enum Term {
    /// `*`: any characters but `/`.
    Star,
    /// `?`: one character but `/`.
    Any,
    /// `[a-z]`: one character in these ranges, or, negated, in none of them.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// A literal character.
    Literal(char),
}

impl Term {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Star | Self::Any => c != '/',
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
            Self::Literal(literal) => *literal == c,
        }
    }
}

/// True if the whole `name` matches `pattern`; a malformed pattern matches nothing
/// (Go `path/filepath/match.go`; the kubelet ignores the error).
pub(super) fn glob_matches(pattern: &str, name: &str) -> bool {
    let Some(terms) = parse(pattern) else {
        return false;
    };
    let name: Vec<char> = name.chars().collect();
    let (mut pattern, mut rest) = (terms.as_slice(), name.as_slice());
    // Only the last `*` is tried with longer texts, so a hostile key takes no exponential time.
    let mut last_star = None;
    loop {
        match (pattern, rest) {
            ([], []) => return true,
            ([Term::Star, after @ ..], _) => {
                last_star = Some((after, rest));
                pattern = after;
            }
            ([term, after @ ..], [c, tail @ ..]) if term.matches(*c) => (pattern, rest) = (after, tail),
            _ => match last_star {
                Some((after, [c, tail @ ..])) if Term::Star.matches(*c) => {
                    last_star = Some((after, tail));
                    (pattern, rest) = (after, tail);
                }
                _ => return false,
            },
        }
    }
}

/// Parses a pattern; `None` if Go returns `ErrBadPattern`.
fn parse(pattern: &str) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        terms.push(match c {
            '*' => Term::Star,
            '?' => Term::Any,
            '\\' => Term::Literal(rest.next()?),
            '[' => class(&mut rest)?,
            other => Term::Literal(other),
        });
    }
    Some(terms)
}

/// Parses the text after `[`, up to and including its `]`.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Term> {
    let negated = next_is(rest, '^');
    let mut ranges = Vec::new();
    while ranges.is_empty() || !next_is(rest, ']') {
        let low = class_character(rest)?;
        let high = if next_is(rest, '-') {
            class_character(rest)?
        } else {
            low
        };
        ranges.push((low, high));
    }
    Some(Term::Class { negated, ranges })
}

/// `getEsc`: one character of a class, maybe escaped, which must not end the pattern.
fn class_character(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let c = match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        other => Some(other),
    }?;
    (!rest.as_str().is_empty()).then_some(c)
}

fn next_is(rest: &mut std::str::Chars<'_>, expected: char) -> bool {
    match rest.as_str().strip_prefix(expected) {
        Some(tail) => {
            *rest = tail.chars();
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        // The cases of Go's path/filepath/match_test.go, except those that need bytes or a `/`.
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^b-d]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a\u{263a}b", true),
            ("a[^a]b", "a\u{263a}b", true),
            ("a???b", "a\u{263a}b", false),
            ("a[^a][^a][^a]b", "a\u{263a}b", false),
            ("[a-\u{3b6}]*", "\u{3b1}", true),
            ("*[a-\u{3b6}]", "A", false),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-]", "-", true),
            ("[x\\-]", "x", true),
            ("[x\\-]", "-", true),
            ("[x\\-]", "z", false),
            ("[\\-x]", "x", true),
            ("[\\-x]", "-", true),
            ("[\\-x]", "a", false),
            ("[]a]", "]", false),
            ("[-]", "-", false),
            ("[x-]", "x", false),
            ("[x-]", "-", false),
            ("[-x]", "x", false),
            ("\\", "a", false),
            ("[a-b-c]", "a", false),
            ("[", "a", false),
            ("[^", "a", false),
            ("[^bc", "a", false),
            ("a[", "a", false),
            ("a[", "ab", false),
            ("a[", "x", false),
            ("a/b[", "x", false),
            ("*x", "xxx", true),
            ("", "", true),
            ("", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(glob_matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn hostile_pattern_takes_no_exponential_time() {
        assert!(!glob_matches(&"*a".repeat(500), &"a".repeat(499)));
    }
}
