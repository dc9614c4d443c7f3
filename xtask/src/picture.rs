//! docs/demo.svg: the output of the demo in a terminal.

use std::{fmt::Write as _, fs, path::PathBuf, process::ExitCode, sync::LazyLock};

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use test_cluster::control_plane::{Cluster, Options};

use crate::{
    demo::story,
    interrupt, project, static_binary,
    transcript::{Line, Transcript, WIDTH},
};

const PICTURE: &str = "docs/demo.svg";
/// Width of 100 characters and height of a line, in the units of the picture. A character of a monospace font has about
/// 0.6 of its height.
const CHARACTER: usize = 783;
const LINE: usize = 18;
const MARGIN: usize = 20;

/// Text that differs from run to run: times, digests, ports, durations.
static MASKED: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"\d+\.\d s\b", "SECONDS"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).expect("a valid pattern"), name))
});

/// Draws the picture from a run, or compares its lines with a run.
///
/// # Errors
/// When the demo fails, the picture can't be written, or a compared line differs.
pub fn picture(check: bool) -> Result<ExitCode> {
    let binary = static_binary::build()?;
    interrupt::run(run(binary, check))
}

async fn run(binary: PathBuf, check: bool) -> Result<ExitCode> {
    let cluster = Cluster::start(Options::new().registries()).await?;
    let lines = perform(&cluster, &binary).await?;
    if check {
        compare(&lines)?;
    } else {
        let path = project::file(PICTURE);
        fs::write(&path, svg(&lines)).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {PICTURE}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines of a run on an existing cluster, without the last one, which has the duration.
///
/// # Errors
/// When a step of the demo fails.
pub async fn perform(cluster: &Cluster, binary: &std::path::Path) -> Result<Vec<Line>> {
    let mut transcript = Transcript::new(false);
    story::introduce(&mut transcript);
    story::play(cluster.access(), binary, &mut transcript).await?;
    Ok(transcript.lines().to_vec())
}

/// Compares the lines of the picture with those of a run.
///
/// # Errors
/// When a line differs in more than what is masked.
pub fn compare(lines: &[Line]) -> Result<()> {
    let picture = fs::read_to_string(project::file(PICTURE)).context("cannot read the picture")?;
    let drawn: Vec<String> = texts(&picture).map(|line| mask(&line)).collect();
    let printed: Vec<String> = lines.iter().map(|line| mask(&line.text)).collect();
    let pairs = drawn.iter().zip(&printed);
    let same = pairs.take_while(|(drawn, printed)| drawn == printed).count();
    let line = |lines: &[String]| lines.get(same).map_or("(nothing)", String::as_str).to_owned();
    ensure!(
        drawn == printed,
        "line {} of {PICTURE} differs from the demo; `cargo xtask picture` draws it again\n  picture: {}\n  demo:    {}",
        same + 1,
        line(&drawn),
        line(&printed)
    );
    Ok(())
}

fn mask(line: &str) -> String {
    MASKED.iter().fold(line.to_owned(), |line, (pattern, name)| {
        pattern.replace_all(&line, *name).into_owned()
    })
}

/// The picture: one `<text>` for each line.
fn svg(lines: &[Line]) -> String {
    let height = lines.len() * LINE + 2 * MARGIN;
    let width = (WIDTH * CHARACTER).div_ceil(100) + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>cargo xtask demo</title>\n\
         <style>\n\
         text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; \
         white-space: pre }}\n\
         .heading {{ fill: #ffffff; font-weight: bold }} .text {{ fill: #c9d1d9 }} .command {{ fill: #79c0ff }}\n\
         .output {{ fill: #8b949e }} .good {{ fill: #7ee787 }} .bad {{ fill: #ff9492 }}\n\
         </style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        // Writing to a String can't fail.
        let _ = writeln!(
            svg,
            "<text class=\"{}\" x=\"{MARGIN}\" y=\"{}\" xml:space=\"preserve\">{}</text>",
            line.kind.class(),
            MARGIN + LINE * (index + 1) - 5,
            escaped(&line.text)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Texts in a picture that `svg` drew.
fn texts(svg: &str) -> impl Iterator<Item = String> {
    svg.lines().filter_map(|line| {
        let (_, text) = line
            .strip_prefix("<text ")?
            .strip_suffix("</text>")?
            .split_once('>')?;
        Some(
            text.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        )
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Kind;

    #[test]
    fn texts_of_a_drawn_picture_are_the_lines() {
        let texts_of = ["   $ a | b && c <d>", "", "&lt; stays what it is"];
        let lines = texts_of.map(|text| Line {
            kind: Kind::Text,
            text: text.to_owned(),
        });
        let read: Vec<String> = texts(&svg(&lines)).collect();
        assert_eq!(read, texts_of);
    }

    #[test]
    fn only_text_that_differs_from_run_to_run_is_masked() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(
            mask(&format!(
                "expires 2026-01-02T03:04:05Z, sha256:{digest}, 127.0.0.1:4711, in 1.5 s, exit 78"
            )),
            "expires TIME, DIGEST, ADDRESS, in SECONDS, exit 78"
        );
    }
}
