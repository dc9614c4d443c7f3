//! Markdown tables.

/// A table; the columns after the first `left` ones have numbers, aligned to the right.
pub fn table(heads: &[&str], left: usize, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let alignment: Vec<_> = (0..heads.len())
        .map(|column| if column < left { "---" } else { "---:" })
        .collect();
    let mut table = line(heads) + &line(&alignment);
    for row in rows {
        table += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let rows = [vec!["a".to_owned(), "1".to_owned()]];
        assert_eq!(
            table(&["", "x"], 1, rows),
            "|  | x |\n| --- | ---: |\n| a | 1 |\n"
        );
    }
}
