//! How long functions and files are.

use super::Problem;
use super::code::{Token, closing, tokens};
use super::tree::Source;

/// The most lines of code in a function, its signature among them; blank lines, comments and the insides of texts
/// are not counted.
const FUNCTION_LINES_MAX: usize = 70;
/// The most lines of a file outside tests.
const FILE_LINES_MAX: usize = 600;

/// Checks that no function is long without an `#[expect]` that says why.
pub(crate) fn functions(source: &Source) -> Vec<Problem> {
    let all = tokens(&source.code);
    let lines: Vec<&str> = source.code.lines().collect();
    let mut problems = Vec::new();
    for at in (0..all.len()).filter(|at| all[*at].text == "fn") {
        let Some(end) = body_end(&all, at) else { continue };
        let (first, last) = (all[at].line, all[end].line);
        let count =
            lines[first - 1..last].iter().filter(|line| line.chars().any(|c| !" \t\"".contains(c))).count();
        if count > FUNCTION_LINES_MAX && !is_expected(&all, at) {
            let name = all[at + 1].text;
            let what = format!(
                "{name} has {count} lines, {FUNCTION_LINES_MAX} at most: split it, or say why not with \
                 #[expect(clippy::too_many_lines, reason = \"…\")]"
            );
            problems.push(source.problem(first, what));
        }
    }
    problems
}

/// Returns the index of the brace that ends the function whose `fn` is at `start`; `None` where it has no body.
fn body_end(all: &[Token<'_>], start: usize) -> Option<usize> {
    let name = all.get(start + 1)?.text;
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return None;
    }
    let mut at = start + 1;
    loop {
        match all.get(at)?.text {
            "{" => return Some(closing(all, at)),
            "(" | "[" => at = closing(all, at),
            ";" => return None,
            _ => {}
        }
        at += 1;
    }
}

/// Returns whether the attributes of a function expect it to be long and say why.
fn is_expected(all: &[Token<'_>], start: usize) -> bool {
    let is_end = |token: &&Token<'_>| ![";", "{", "}"].contains(&token.text);
    let words: Vec<&str> = all[..start].iter().rev().take_while(is_end).map(|token| token.text).collect();
    ["expect", "too_many_lines", "reason"].iter().all(|word| words.contains(word))
}

/// Checks that a file is not long unless `excused` says why, and that nothing is excused without need.
pub(crate) fn file(source: &Source, excused: &[(&str, &str)]) -> Vec<Problem> {
    let count =
        source.test_lines().iter().take(source.text.lines().count()).filter(|is_test| !**is_test).count();
    let reason = excused.iter().find(|(path, _)| *path == source.path).map(|(_, reason)| reason.trim());
    let what = match reason {
        None if count > FILE_LINES_MAX => {
            format!("{count} lines outside tests, {FILE_LINES_MAX} at most: one idea a file, so split it")
        }
        Some("") => "LONG_FILES of tests/tidy.rs excuses it without a reason: give one".to_owned(),
        Some(_) if count <= FILE_LINES_MAX => {
            "LONG_FILES of tests/tidy.rs excuses it, and it is not long: take it out there".to_owned()
        }
        _ => return Vec::new(),
    };
    vec![source.problem(1, what)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(head: &str, lines: usize, line: &str) -> Vec<Problem> {
        let body = format!("{line}\n").repeat(lines);
        functions(&Source::new("common/src/a.rs", &format!("fn b() {{}}\n{head} {{\n{body}}}\n")))
    }

    #[test]
    fn a_long_function_is_rejected() {
        assert!(function("fn a()", 68, "b();").is_empty());
        let problems = function("pub(crate) fn a(x: [u8; 4]) -> u8", 69, "b();");
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].line, 2);
        assert!(problems[0].what.starts_with("a has 71 lines"));
    }

    #[test]
    fn comments_blank_lines_and_texts_do_not_make_it_long() {
        assert!(function("fn a()", 200, "// why {").is_empty());
        assert!(function("fn a()", 200, "").is_empty());
        let text = format!("let a = \"{}\";", "{ x\n".repeat(200));
        assert!(function("fn a()", 1, &text).is_empty());
        assert_eq!(function("fn a()", 80, "b(); // why").len(), 1);
    }

    #[test]
    fn only_a_reason_of_its_own_excuses_it() {
        let expected = "#[expect(clippy::too_many_lines, reason = \"one table\")]\n/// Does it.\npub fn a()";
        assert!(function(expected, 80, "b();").is_empty());
        assert_eq!(function("#[expect(clippy::too_many_lines)]\nfn a()", 80, "b();").len(), 1);
        let of_another = "#[expect(clippy::too_many_lines, reason = \"one table\")]\nfn c() {}\nfn a()";
        assert_eq!(function(of_another, 80, "b();").len(), 1);
    }

    #[test]
    fn a_function_type_and_a_declaration_have_no_body() {
        assert!(function("trait T { fn f(); }\nconst F: fn(u8) = g;\nmod m", 200, "b();").is_empty());
    }

    #[test]
    fn a_long_file_is_rejected_and_an_idle_excuse_too() {
        let long = Source::new("common/src/a.rs", &"b();\n".repeat(601));
        let short = Source::new("common/src/a.rs", &"b();\n".repeat(600));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "b();\n".repeat(601));
        let tested = Source::new("common/src/a.rs", &tests);
        let excuse = [("common/src/a.rs", "a table")];
        assert_eq!(file(&long, &[]).len(), 1);
        assert!(file(&long, &excuse).is_empty());
        assert_eq!(file(&long, &[("common/src/a.rs", " ")]).len(), 1);
        assert!(file(&short, &[]).is_empty());
        assert!(file(&tested, &[]).is_empty());
        assert_eq!(file(&short, &excuse).len(), 1);
    }
}
