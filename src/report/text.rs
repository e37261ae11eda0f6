//! The report as Markdown.

use super::{Published, Report, Section, command, table};
use gridsweep_common::findings::{Agreement, Fitted};
use gridsweep_common::report;

/// Writes the report as Markdown, which names the files of its figures.
pub(super) fn render(report: &Report) -> String {
    let mut out = format!("# {}\n\n", line(&report.title));
    for (what, value) in &report.facts {
        out += &format!("- {what}: {}\n", line(value));
    }
    out += &format!("- made again by: `{}`\n", command(report));
    if let Some(incomplete) = &report.incomplete {
        out += &format!("\n**{incomplete}**\n");
    }
    out += "\n## Findings\n";
    for finding in &report.findings {
        out += &format!("\n- **{}**: {}", line(&report.sections[finding.study].title), line(&finding.text));
    }
    if report.findings.is_empty() {
        out += "\nNo study has two cells with results to compare yet.";
    }
    out += &format!("\n\n{}\n", super::FINDINGS_NOTE);
    if let Some(published) = &report.publication {
        out += &publication(published);
    }
    report.sections.iter().for_each(|section| out += &self::section(section));
    out
}

fn publication(published: &Published) -> String {
    let mut out = format!("\n## Published beside reproduced\n\n{}\n", line(&published.source));
    for (claim, answer) in &published.claims {
        out += &format!("\n- “{}” – **{}**\n", line(claim), answer.verdict.text());
        for (verdict, because) in &answer.because {
            out += &format!("  - {} – {}\n", line(because), verdict.text());
        }
    }
    for fitted in &published.fits {
        out += &format!("\n{}\n\n", line(&fitted.text));
        fitted.sentences.iter().for_each(|sentence| out += &format!("- {}\n", line(sentence)));
        out += &self::fitted(fitted);
    }
    out + "\n" + &table::markdown(published)
}

/// Writes each candidate beside each printed row.
fn fitted(fitted: &Fitted) -> String {
    let row = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| line(cell).replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let text = |of: &Option<Agreement>| of.map_or_else(|| "–".to_owned(), Agreement::text);
    let heads = std::iter::once("candidate".to_owned()).chain(fitted.rows.iter().cloned()).collect();
    let rule = format!("|---|{}\n", "---|".repeat(fitted.rows.len()));
    let rows = fitted
        .candidates
        .iter()
        .map(|(name, rows)| row(std::iter::once(name.clone()).chain(rows.iter().map(text)).collect()));
    let rows: String = rows.collect();
    format!("\n{}:\n\n{}{rule}{rows}", super::FIT_CAPTION, row(heads))
}

fn section(section: &Section) -> String {
    let mut out = format!("\n## {}\n", line(&section.title));
    if let Some(question) = &section.question {
        out += &format!("\n*{}*\n", line(question));
    }
    out += &format!("\n{}.\n", line(&section.grid));
    let markdown = report::by_name("md");
    for table in &section.tables {
        if let Some(format) = markdown {
            out += &format!("\n{}", table.shown.render(format));
        }
    }
    for picture in &section.figures {
        if let Some(drawing) = &picture.drawing {
            out += &format!("\n![{}](figures/{}.svg)\n", line(&drawing.title), picture.stem);
        }
        picture.notes.iter().for_each(|note| out += &format!("\n- {}\n", line(note)));
    }
    out
}

/// Keeps a text from the sweep file on its line and from being taken for markup.
pub(super) fn line(text: &str) -> String {
    let one = |c: char| match c {
        '*' | '<' | '[' | ']' | '`' | '\\' => format!("\\{c}"),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}
