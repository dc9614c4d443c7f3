//! What the demo says: printed as it happens, and kept for the picture.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

/// Columns of the terminal that is drawn; longer text is wrapped.
pub const WIDTH: usize = 100;

/// What a line is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The heading of a step.
    Heading,
    /// The narrator.
    Text,
    /// A command as somebody would type it.
    Command,
    /// What a program put out.
    Output,
    /// The same, where it is good news.
    Good,
    /// The same, where it is bad news.
    Bad,
}

/// One line, at most `WIDTH` columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: Kind,
    /// Its text, indentation included.
    pub text: String,
}

/// The lines so far.
#[derive(Debug)]
pub struct Transcript {
    lines: Vec<Line>,
    printed: bool,
}

impl Kind {
    /// Its name in the picture's style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Heading => "heading",
            Self::Text => "text",
            Self::Command => "command",
            Self::Output => "output",
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Heading => Style::new().bold(),
            Self::Text => Style::new(),
            Self::Command => AnsiColor::Cyan.on_default(),
            Self::Output => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
        }
    }

    /// What stands before the first line and before those it is continued on.
    const fn indentation(self) -> (&'static str, &'static str) {
        match self {
            Self::Heading => ("", "   "),
            Self::Text => ("   ", "   "),
            Self::Command => ("   $ ", "       "),
            Self::Output | Self::Good | Self::Bad => ("     ", "     "),
        }
    }
}

impl Transcript {
    /// Prints each line as it comes: in colours where standard output is a terminal that has them.
    pub fn printed() -> Self {
        Self {
            lines: Vec::new(),
            printed: true,
        }
    }

    /// Keeps the lines to itself.
    pub fn silent() -> Self {
        Self {
            lines: Vec::new(),
            printed: false,
        }
    }

    /// Everything said so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The heading of the next step, after an empty line.
    pub fn heading(&mut self, text: &str) {
        self.line(Kind::Text, String::new());
        self.say(Kind::Heading, text);
    }

    /// A text of any length.
    pub fn say(&mut self, kind: Kind, text: &str) {
        let (first, next) = kind.indentation();
        for line in wrap(text, first, next) {
            self.line(kind, line);
        }
    }

    /// Names and values, one beneath the other.
    pub fn table(&mut self, rows: &[(&str, &str)]) {
        let widest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in rows {
            let (first, _) = Kind::Output.indentation();
            let first = format!("{first}{name:<widest$}  ");
            let next = " ".repeat(first.len());
            for line in wrap(value, &first, &next) {
                self.line(Kind::Output, line);
            }
        }
    }

    fn line(&mut self, kind: Kind, text: String) {
        if self.printed {
            let style = kind.style();
            anstream::println!("{style}{text}{style:#}");
        }
        self.lines.push(Line { kind, text });
    }
}

/// Breaks `text` at its line ends, and between words so that no line has more than `WIDTH` columns, if its words allow it.
fn wrap(text: &str, first: &str, next: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_inclusive([' ', '\n']) {
        let (word, ends) = word
            .strip_suffix('\n')
            .map_or((word.trim_end(), false), |word| (word, true));
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, next.to_owned()));
            empty = true;
        }
        // Writing to a String can't fail.
        let _ = write!(line, "{}{word}", if empty { "" } else { " " });
        empty = ends;
        if ends {
            lines.push(std::mem::replace(&mut line, next.to_owned()));
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_wrapped_between_words_and_keeps_all_of_them() {
        let text = "word ".repeat(60);
        let lines = wrap(text.trim_end(), "  $ ", "      ");
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(lines[0].starts_with("  $ word") && lines[1].starts_with("      word"));
        assert_eq!(lines.join(" ").matches("word").count(), 60);
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        let word = "x".repeat(2 * WIDTH);
        assert_eq!(wrap(&format!("a {word}"), "", ""), ["a".to_owned(), word]);
    }

    #[test]
    fn a_line_end_stays_one() {
        assert_eq!(wrap("one |\ntwo three", "$ ", "  "), ["$ one |", "  two three"]);
    }

    #[test]
    fn values_of_a_table_stand_beneath_each_other() {
        let mut transcript = Transcript::silent();
        transcript.table(&[("A", "1"), ("LONGER", "2")]);
        let texts: Vec<&str> = transcript.lines().iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["     A       1", "     LONGER  2"]);
    }
}
