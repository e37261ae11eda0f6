//! Where `unsafe` stands, and that it says why it is sound.

use super::Problem;
use super::code::{Token, tokens};
use super::tree::Source;

/// How many lines may stand between a comment and the `unsafe` that it is about.
const DISTANCE_MAX: usize = 3;

/// Checks that `unsafe` stands under `folder` alone, each block, function and implementation after a `SAFETY` comment
/// (or, where it is declared, a `# Safety` section).
pub(crate) fn unsafety(source: &Source, folder: &str) -> Vec<Problem> {
    let all = tokens(&source.code);
    let mut problems = Vec::new();
    for at in (0..all.len()).filter(|at| all[*at].text == "unsafe") {
        let line = all[at].line;
        if !source.path.starts_with(folder) {
            problems.push(
                source
                    .problem(line, format!("unsafe outside {folder}: move it there, behind a safe function")),
            );
        } else if needs_reason(&all, at) && !has_reason(source, line) {
            let what = "unsafe without a reason: write // SAFETY: why it is sound, right before it";
            problems.push(source.problem(line, what));
        }
    }
    problems
}

/// A type such as `unsafe fn(u8)` and an attribute `#[unsafe(…)]` promise nothing by themselves.
fn needs_reason(all: &[Token<'_>], at: usize) -> bool {
    let next = |by: usize| all.get(at + by).map_or("", |token| token.text);
    next(1) != "(" && !(next(1) == "fn" && next(2) == "(")
}

fn has_reason(source: &Source, line: usize) -> bool {
    let codes: Vec<&str> = source.code.lines().collect();
    let comments: Vec<&str> = source.comments.lines().collect();
    let mut distance = 0;
    for at in (0..line).rev() {
        if ["SAFETY", "# Safety"].iter().any(|word| comments[at].contains(word)) {
            return true;
        }
        // The lines of a long comment do not count, so that it may be one.
        let is_before = at + 1 < line;
        let is_comment = codes[at].trim().is_empty() && !comments[at].trim().is_empty();
        distance += usize::from(is_before && !is_comment);
        let ends_another = is_before && codes[at].trim_end().ends_with('}');
        if distance > DISTANCE_MAX || ends_another {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        unsafety(&Source::new(path, text), "engine/src/kernel/").len()
    }

    #[test]
    fn unsafe_elsewhere_is_rejected_with_a_reason_too() {
        let text = "fn f() {\n    // SAFETY: the index was checked.\n    unsafe { g() }\n}";
        assert_eq!(found("engine/src/train.rs", text), 1);
        assert_eq!(found("engine/src/kernel/avx2.rs", text), 0);
        assert_eq!(
            found("engine/src/train.rs", "#![forbid(unsafe_code)]\n// unsafe { }\nfn f() { g(\"unsafe\") }"),
            0
        );
    }

    #[test]
    fn unsafe_without_a_reason_is_rejected() {
        for bad in [
            "fn f() { unsafe { g() } }",
            "unsafe impl Send for A {}",
            "/// Does it.\npub(super) unsafe fn f() {}",
            "// SAFETY: of another.\nfn f() {\n    a();\n    b();\n    c();\n    unsafe { g() }\n}",
            "fn f() { // SAFETY: of another.\n}\nfn h() { unsafe { g() } }",
            "fn f() { let a = \"// SAFETY: a text\"; unsafe { g() } }",
        ] {
            assert_eq!(found("engine/src/kernel/avx2.rs", bad), 1, "{bad}");
        }
    }

    #[test]
    fn a_reason_may_be_long_and_attributes_may_follow_it() {
        for good in [
            "fn f() { unsafe { g() } // SAFETY: checked above.\n}",
            "// SAFETY: one\n// two\n// three\n// four\n// five\nunsafe impl Send for A {}",
            "/// Does it.\n///\n/// # Safety\n/// The processor has AVX2.\n#[target_feature(enable = \"avx2\")]\nunsafe fn f() {}",
            "type F = unsafe fn(u8);\n#[unsafe(no_mangle)]\nfn f() {}",
        ] {
            assert_eq!(found("engine/src/kernel/avx2.rs", good), 0, "{good}");
        }
    }
}
