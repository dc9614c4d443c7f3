//! Shell that is shipped or shown: an external value never becomes a part of a document.

use regex::Regex;

use super::super::collect::Text;

/// No here-document expands anything: a quotation mark or a line end in the value would add YAML of its own. `<<'END'`
/// expands nothing.
pub fn no_value_is_expanded_into_a_document(texts: &[Text]) -> Vec<String> {
    let begin = Regex::new(r#"(?:^|[^<])<<-?[ \t]*([A-Za-z_][A-Za-z_0-9]*)"#).expect("a valid pattern");
    let mut problems = Vec::new();
    for Text { path, text } in texts {
        let mut ends_with: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            if let Some(word) = &ends_with {
                if line.trim() == word {
                    ends_with = None;
                } else if line.contains(['$', '`']) {
                    problems.push(format!(
                        "{path}:{}: a here-document expands a value: quote its delimiter, <<'{word}'",
                        index + 1
                    ));
                }
            } else if let Some(word) = begin.captures(line).and_then(|found| found.get(1)) {
                ends_with = Some(word.as_str().to_owned());
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(text: &str) -> Vec<String> {
        no_value_is_expanded_into_a_document(&[Text {
            path: "a.sh".to_owned(),
            text: text.to_owned(),
        }])
    }

    #[test]
    fn s9_a_here_document_that_expands_a_value_is_refused() {
        for wrong in [
            "kubectl create -f - <<YAML\na: \"$image\"\nYAML\n",
            "cat <<-END\n\ta: ${image}\n\tEND\n",
            "cat << END >file\na: $(hostname)\nEND\n",
            "cat <<END\na: `hostname`\nEND\n",
        ] {
            let problems = reported(wrong);
            assert!(
                problems.len() == 1 && problems[0].starts_with("a.sh:2: "),
                "{wrong}: {problems:?}"
            );
        }
        for right in [
            "cat <<'END'\na: $image\nEND\n",
            "cat <<\"END\"\na: $image\nEND\n",
            "cat <<END\na: b\nEND\necho $image\n",
            "cat <<<$image\n",
            "echo $((1 << 2)) $image\n",
        ] {
            assert_eq!(reported(right), [""; 0], "{right}");
        }
    }
}
