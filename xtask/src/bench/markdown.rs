//! The page's tables and figures.

use std::time::Duration;

use super::samples::Samples;

/// Median and lower quartile, in milliseconds.
pub fn times(samples: &Samples) -> String {
    format!(
        "{} ({})",
        milliseconds(samples.median()),
        milliseconds(samples.lower_quartile())
    )
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// An amount of bytes, in the unit of the goals.
pub fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// Whether a goal is reached.
pub fn yes_or_no(reached: bool) -> String {
    if reached { "yes" } else { "**no**" }.to_owned()
}

/// A table with a line for each row.
pub fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rules = vec!["---".to_owned(); heads.len()];
    rows.into_iter()
        .fold(line(&heads) + &line(&rules), |text, row| text + &line(&row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let rows = [vec!["a".to_owned(), "1".to_owned()]];
        assert_eq!(table(&["", "x"], rows), "|  | x |\n| --- | --- |\n| a | 1 |\n");
    }
}
