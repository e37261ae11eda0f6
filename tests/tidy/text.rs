//! Words that must not stay, and comments that must be there.

use super::Problem;
use super::tree::Source;

/// What marks unfinished work, written so that this file does not have it.
const LEFTOVERS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("dbg", "!"),
];

/// Checks that a file has no mark of unfinished work.
pub(crate) fn leftovers(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(source.text.lines()) {
        for word in LEFTOVERS.iter().filter(|word| has_word(line, word)) {
            problems
                .push(source.problem(number, format!("{word} is left over: finish it, or say what is so")));
        }
    }
    problems
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part)
            && (word.ends_with('!') || !line[at + word.len()..].starts_with(is_part))
    })
}

/// Checks that every message, service and call of a protocol has a comment before it.
pub(crate) fn protocol(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut before = "";
    for (number, line) in (1..).zip(source.text.lines().map(str::trim)) {
        let what = line.split_whitespace().next().unwrap_or_default();
        if ["message", "service", "rpc"].contains(&what)
            && !before.starts_with("//")
            && !before.ends_with("*/")
        {
            let name = line.split([' ', '(', '{']).nth(1).unwrap_or_default();
            let what = format!("{what} {name} has no comment: say on the line before what it is for");
            problems.push(source.problem(number, what));
        }
        before = line;
    }
    problems
}

/// Checks that a sweep begins with a comment that asks a question and says how long the answer takes.
pub(crate) fn sweep(source: &Source) -> Vec<Problem> {
    let comment: Vec<&str> = source.text.lines().take_while(|line| line.starts_with('#')).collect();
    let comment = comment.join(" ");
    let units = ["second", "minute", "hour", "day", "s", "min", "h"];
    let words: Vec<&str> = comment.split(|c: char| !c.is_alphanumeric()).collect();
    let is_time = |pair: &[&str]| {
        let ends = pair[0].ends_with(|c: char| c.is_ascii_digit());
        ends && units.iter().any(|unit| pair[1] == *unit || pair[1].strip_suffix('s') == Some(unit))
    };
    let what = if comment.is_empty() {
        "does not begin with a comment: say which question it answers and how long that takes"
    } else if !comment.contains('?') {
        "asks no question in its first comment: say which one it answers"
    } else if !words.windows(2).any(is_time) {
        "does not say in its first comment how long it takes, such as: about 20 seconds on 2 cores"
    } else {
        return Vec::new();
    };
    vec![source.problem(1, what)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leftover_is_rejected_and_only_as_a_word() {
        for word in LEFTOVERS {
            let text = format!("a\n// {word}: later ({word})\n");
            assert_eq!(leftovers(&Source::new("common/src/a.rs", &text))[0].line, 2, "{word}");
            let part = format!("my{word}\n");
            assert!(leftovers(&Source::new("common/src/a.rs", &part)).is_empty(), "{part}");
        }
        assert!(leftovers(&Source::new("Cargo.toml", "dbg_macro = \"warn\"\ntodo = \"warn\"")).is_empty());
    }

    #[test]
    fn a_message_service_or_call_without_a_comment_is_rejected() {
        let good = "// A.\nmessage A {\n  // B.\n  message B {}\n}\n// C.\nservice C {\n  /* D. */\n  rpc D(A) returns (A);\n}";
        assert!(protocol(&Source::new("proto/a.proto", good)).is_empty());
        let bad = good.lines().filter(|line| !line.contains('.')).collect::<Vec<_>>().join("\n");
        let lines: Vec<usize> =
            protocol(&Source::new("proto/a.proto", &bad)).iter().map(|found| found.line).collect();
        assert_eq!(lines, [1, 2, 4, 5]);
        assert_eq!(protocol(&Source::new("proto/a.proto", "// A.\n\nmessage A {}")).len(), 1);
    }

    #[test]
    fn a_sweep_without_its_question_or_its_time_is_rejected() {
        let found = |text: &str| sweep(&Source::new("sweeps/a.toml", text)).len();
        assert_eq!(found("# Which one is better? 12 trials, about 20 s on 2 cores.\nschema = 1"), 0);
        assert_eq!(found("# Which one is better?\n# 4 to 5 hours.\nschema = 1"), 0);
        assert_eq!(found("schema = 1\n# Which one is better? About 20 s."), 1);
        assert_eq!(found("# Which one is better? 12 trials.\nschema = 1"), 1);
        assert_eq!(found("# The better one, in 20 s.\nschema = 1"), 1);
        assert_eq!(found(""), 1);
    }
}
