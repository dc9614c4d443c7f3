//! Output of the demo: printed, and kept for the picture.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};

/// Columns of the terminal; longer text is wrapped.
pub const WIDTH: usize = 100;

/// Kind of a line, which selects its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Heading of a step.
    Heading,
    /// Explanation.
    Text,
    /// A command as a user types it.
    Command,
    /// Output of a program.
    Output,
    /// Output of a success.
    Good,
    /// Output of a failure.
    Bad,
}

/// One line, at most `WIDTH` columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its kind.
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
    /// Class in the style sheet of the picture.
    pub fn class(self) -> String {
        format!("{self:?}").to_lowercase()
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

    /// Indentation of the first line, and of the lines after it.
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
    /// An empty one. With `printed`, prints each line, in colours where standard output is a terminal with colours.
    pub fn new(printed: bool) -> Self {
        let lines = Vec::new();
        Self { lines, printed }
    }

    /// All lines so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Heading of the next step, after an empty line.
    pub fn heading(&mut self, text: &str) {
        self.line(Kind::Text, String::new());
        self.say(Kind::Heading, text);
    }

    /// Text of any length.
    pub fn say(&mut self, kind: Kind, text: &str) {
        let (first, next) = kind.indentation();
        for line in wrap(text, first, next) {
            self.line(kind, line);
        }
    }

    /// Names and values, in two columns.
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

/// Breaks `text` at its line ends, and between words where a line has more than `WIDTH` columns.
fn wrap(text: &str, first: &str, next: &str) -> Vec<String> {
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(next)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(text, options);
    lines.into_iter().map(Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_line_ends_and_between_words_only() {
        let (long, words) = ("x-".repeat(WIDTH), "word ".repeat(30));
        let text = format!("{words}|\n{long} end");
        let lines = wrap(&text, "$ ", "  ");
        let joined: Vec<_> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
        assert_eq!(joined[1..], text.split_whitespace().collect::<Vec<_>>());
        assert!(
            lines
                .iter()
                .all(|line| line.len() <= WIDTH || line.contains(&long))
        );
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(
            lines[0].starts_with("$ word") && lines[1].ends_with(" |"),
            "{lines:?}"
        );
    }

    #[test]
    fn values_of_a_table_are_aligned() {
        let mut transcript = Transcript::new(false);
        transcript.table(&[("A", "1"), ("LONGER", "2")]);
        let texts: Vec<&str> = transcript.lines().iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["     A       1", "     LONGER  2"]);
    }
}
