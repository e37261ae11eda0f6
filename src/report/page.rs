//! The report as one page that needs nothing else: no network, no other file. Its policy lets in the one style and the one
//! script that are in it, by their hashes, and pictures that are in it.

use super::{Published, Report, Section, command, figures::Picture, html_format, table};
use gridsweep_common::findings::{Agreement, Beside, Fitted, Row, Verdict};
use gridsweep_common::svg;
use gridsweep_common::svg::escaped;
use sha2::{Digest, Sha256};

/// What tables, texts and figures look like.
const PAGE_STYLE: &str = include_str!("style.css");
/// Sorts tables by the column that is clicked.
const SCRIPT: &str = include_str!("sort.js");

/// Writes the page.
pub(super) fn render(report: &Report) -> String {
    // Every figure has the style of figures in it; the page has it once.
    let style = format!("{PAGE_STYLE}{}", svg::STYLE);
    let mut out = head(report, &style);
    out += &format!("<h1>{}</h1>\n", escaped(&report.title));
    if let Some(incomplete) = &report.incomplete {
        out += &format!("<p class=\"incomplete-sweep\">{}</p>\n", escaped(incomplete));
    }
    out += &facts(report);
    out += &contents(report);
    out += &findings(report);
    out += &report.publication.as_ref().map_or(String::new(), publication);
    report.sections.iter().for_each(|section| out += &self::section(section));
    out += &format!("<script>{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

fn head(report: &Report, style: &str) -> String {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(SCRIPT)
    );
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{style}</style>\n</head>\n<body>\n",
        escaped(&report.title)
    )
}

fn facts(report: &Report) -> String {
    let fact = |(what, value): &(&str, String)| format!("<dt>{what}</dt><dd>{}</dd>\n", escaped(value));
    let facts: String = report.facts.iter().map(fact).collect();
    let command = escaped(&command(report));
    format!("<dl class=\"facts\">\n{facts}<dt>made again by</dt><dd><code>{command}</code></dd>\n</dl>\n")
}

fn contents(report: &Report) -> String {
    let entry = |id: &str, title: &str| format!("<li><a href=\"#{id}\">{}</a></li>\n", escaped(title));
    let mut entries = entry("findings", "Findings");
    if report.publication.is_some() {
        entries += &entry("published", "Published beside reproduced");
    }
    for section in &report.sections {
        entries += &entry(&id(section), &section.title);
    }
    format!("<nav>\n<ul>\n{entries}</ul>\n</nav>\n")
}

fn id(section: &Section) -> String {
    format!("study-{}", section.name)
}

fn findings(report: &Report) -> String {
    let finding = |finding: &super::Finding| {
        let section = &report.sections[finding.study];
        let title = escaped(&section.title);
        format!("<li><a href=\"#{}\">{title}</a>: {}</li>\n", id(section), escaped(&finding.text))
    };
    let list: String = report.findings.iter().map(finding).collect();
    let list = match list.is_empty() {
        true => "<p>No study has two cells with results to compare yet.</p>\n".to_owned(),
        false => format!("<ul class=\"findings\">\n{list}</ul>\n"),
    };
    let note = escaped(super::FINDINGS_NOTE);
    format!("<h2 id=\"findings\">Findings</h2>\n{list}<p class=\"remark\">{note}</p>\n")
}

fn publication(published: &Published) -> String {
    let mut out = format!(
        "<h2 id=\"published\">Published beside reproduced</h2>\n<p>{}</p>\n<ul class=\"claims\">\n",
        escaped(&published.source)
    );
    for (claim, answer) in &published.claims {
        let because = answer.because.iter();
        let because: String = because
            .map(|(verdict, because)| {
                format!("<li>{} – {}</li>\n", escaped(because), self::verdict(*verdict))
            })
            .collect();
        let verdict = verdict(answer.verdict);
        out += &format!("<li>“{}” – {verdict}\n<ul>\n{because}</ul></li>\n", escaped(claim));
    }
    out += "</ul>\n";
    published.fits.iter().for_each(|fitted| out += &self::fitted(fitted));
    out += "<figure class=\"sweep-table\">\n<table>\n<caption>Each printed number beside ours</caption>\n<thead>\n<tr>";
    for head in table::HEADS {
        out += &format!("<th scope=\"col\">{head}</th>");
    }
    out += "</tr>\n</thead>\n<tbody>\n";
    published.rows.iter().for_each(|row| out += &printed_row(row));
    out += "</tbody>\n</table>\n<ul class=\"notes\">\n";
    for note in &published.notes {
        out += &format!("<li>{}</li>\n", escaped(note));
    }
    out + "</ul>\n</figure>\n"
}

fn verdict(verdict: Verdict) -> String {
    let class = verdict.text().split(' ').next().unwrap_or("");
    format!("<span class=\"verdict {class}\">{}</span>", verdict.text())
}

/// Writes which candidates fit printed rows: in sentences, and each beside each row.
fn fitted(fitted: &Fitted) -> String {
    let sentences: String =
        fitted.sentences.iter().map(|sentence| format!("<li>{}</li>\n", escaped(sentence))).collect();
    let head = |row: &String| format!("<th scope=\"col\">{}</th>", escaped(row));
    let heads: String = fitted.rows.iter().map(head).collect();
    let cell = |agreement: &Option<Agreement>| match agreement {
        None => "<td class=\"absent\">–</td>".to_owned(),
        Some(of) => {
            let class = match of.agreeing {
                None => "incomplete",
                Some(_) if of.is_whole() => "agrees",
                Some(_) => "differs",
            };
            let key = of.agreeing.map_or(String::new(), |agreeing| format!(" data-sort=\"{agreeing}\""));
            format!("<td class=\"{class}\"{key}>{}</td>", of.text())
        }
    };
    let row = |(name, rows): &(String, Vec<Option<Agreement>>)| {
        let (name, cells) = (escaped(name), rows.iter().map(cell).collect::<String>());
        format!("<tr><th scope=\"row\" data-sort=\"{name}\">{name}</th>{cells}</tr>\n")
    };
    let rows: String = fitted.candidates.iter().map(row).collect();
    format!(
        "<h3>{}</h3>\n<ul class=\"findings\">\n{sentences}</ul>\n<figure class=\"sweep-table\">\n<table>\n\
         <caption>{}</caption>\n<thead>\n<tr><th scope=\"col\">candidate</th>{heads}</tr>\n</thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</figure>\n",
        escaped(&fitted.text),
        super::FIT_CAPTION
    )
}

fn printed_row(row: &Row) -> String {
    let [cell, metric, printed, ours, replicates, beside] = table::texts(row).map(|text| escaped(&text));
    let class = match row.beside {
        Beside::Agrees => "agrees",
        Beside::Above | Beside::Below => "differs",
        Beside::Unknown => "incomplete",
    };
    let breakable = metric.replace('_', "_<wbr>");
    let mean = row.mean.map_or(String::new(), |mean| format!(" data-sort=\"{mean}\""));
    format!(
        "<tr><th scope=\"row\" data-sort=\"{cell}\">{cell}</th><td class=\"text\" data-sort=\"{metric}\">{breakable}</td>\
         <td data-sort=\"{printed}\">{printed}</td><td{mean}>{ours}</td><td data-sort=\"{}\">{replicates}</td>\
         <td class=\"text {class}\" data-sort=\"{beside}\">{beside}</td></tr>\n",
        row.replicates.0
    )
}

fn section(section: &Section) -> String {
    let mut out = format!("<h2 id=\"{}\">{}</h2>\n", id(section), escaped(&section.title));
    if let Some(question) = &section.question {
        out += &format!("<p class=\"question\">{}</p>\n", escaped(question));
    }
    out += &format!("<p class=\"grid\">{}.</p>\n", escaped(&section.grid));
    let format = html_format();
    for table in &section.tables {
        out += &table.shown.render(format);
    }
    section.figures.iter().for_each(|of| out += &picture(of));
    out
}

fn picture(picture: &Picture) -> String {
    let mut out = String::new();
    if let Some(drawing) = &picture.drawing {
        let inline = drawing.svg.replace(&format!("<style>{}</style>\n", svg::STYLE), "");
        out += &format!(
            "<figure class=\"picture\" id=\"figure-{}\">\n{inline}</figure>\n",
            escaped(&picture.stem)
        );
    }
    if !picture.notes.is_empty() {
        let notes: String =
            picture.notes.iter().map(|note| format!("<li>{}</li>\n", escaped(note))).collect();
        out += &format!("<ul class=\"notes\">\n{notes}</ul>\n");
    }
    out
}

/// Returns what a policy calls a text that it lets in.
fn hash(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

/// Writes bytes as Base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, encoded) in cases {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn the_page_lets_in_its_own_style_and_script_and_nothing_from_elsewhere() {
        let report = Report {
            name: "x".to_owned(),
            title: "<script>alert(1)</script> & \"more\"".to_owned(),
            facts: vec![],
            incomplete: None,
            findings: vec![],
            publication: None,
            sections: vec![],
        };
        let page = render(&report);
        let between = |from: &str, to: &str| {
            let start = page.find(from).expect("it is there") + from.len();
            page[start..].split(to).next().unwrap_or("").to_owned()
        };
        assert!(page.contains(&format!("style-src '{}'", hash(&between("<style>", "</style>")))));
        assert!(page.contains(&format!("script-src '{}'", hash(&between("<script>", "</script>")))));
        assert!(page.contains("default-src 'none'") && !page.contains("http:") && !page.contains("https:"));
        assert!(!page.contains("alert(1)</script>") && page.contains("&lt;script&gt;alert(1)"));
    }
}
