//! Rust code without a parser: comments and strings blanked, tokens, and the paths that code names.

/// A word, a `::`, or a single character, with its line counted from 1.
#[derive(Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// A path such as `std::fs::read`; a macro's last segment ends in `!`.
pub(crate) struct Named<'a> {
    pub(crate) segments: Vec<&'a str>,
    pub(crate) macro_call: bool,
    pub(crate) line: usize,
}

/// Rust text in two views; in both every line keeps its number and its length.
pub(crate) struct Views {
    /// Comments and the insides of strings and characters are spaces.
    pub(crate) code: String,
    /// All but comments is spaces.
    pub(crate) comments: String,
}

/// Tells code from comments and strings.
pub(crate) fn views(text: &str) -> Views {
    let bytes = text.as_bytes();
    let (mut code, mut comments) = (bytes.to_vec(), bytes.to_vec());
    let mut at = 0;
    while at < bytes.len() {
        let comment = comment_end(bytes, at);
        let end = comment.or_else(|| literal_end(text, at)).unwrap_or(at + 1);
        if comment.is_some() {
            blank(&mut code[at..end], b'\n');
        } else {
            blank(&mut comments[at..end], b'\n');
        }
        if comment.is_none() && end > at + 1 {
            blank(&mut code[at..end], b'"');
        }
        at = end;
    }
    let view =
        |bytes| String::from_utf8(bytes).unwrap_or_else(|error| panic!("blanking cut a character: {error}"));
    Views { code: view(code), comments: view(comments) }
}

/// Replaces by spaces all but `kept` and the ends of lines.
fn blank(bytes: &mut [u8], kept: u8) {
    for byte in bytes.iter_mut().filter(|byte| ![b'\n', kept].contains(byte)) {
        *byte = b' ';
    }
}

fn comment_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..at + 2) {
        Some(b"//") => Some(line_end(bytes, at)),
        Some(b"/*") => Some(block_comment_end(bytes, at)),
        _ => None,
    }
}

/// Returns the end of a string or a character that begins at `at`.
fn literal_end(text: &str, at: usize) -> Option<usize> {
    match text.as_bytes()[at] {
        b'r' => raw_string_end(text.as_bytes(), at),
        b'"' => Some(string_end(text.as_bytes(), at)),
        b'\'' => character_end(text, at),
        _ => None,
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// Returns the end of a raw string whose `r` is at `start`, or `None` where there is none.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let before: Vec<u8> = bytes[..start].iter().rev().take_while(|byte| is_word(byte)).copied().collect();
    if !matches!(before[..], [] | [b'b'] | [b'c']) {
        return None;
    }
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let inside = start + 1 + hashes;
    if bytes.get(inside) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let length = bytes[inside + 1..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| inside + 1 + length + close.len()))
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns the end of a character whose first quote is at `start`; `None` for a lifetime.
fn character_end(text: &str, start: usize) -> Option<usize> {
    let mut rest = text[start + 1..].char_indices();
    match (rest.next()?, rest.next()?) {
        ((_, '\\'), (escaped, c)) => {
            let from = start + 1 + escaped + c.len_utf8();
            text[from..].find('\'').map(|length| from + length + 1)
        }
        (_, (next, '\'')) => Some(start + 1 + next + 1),
        _ => None,
    }
}

/// Cuts blanked code into tokens.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut line, mut rest) = (Vec::new(), 1, code);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        if !first.is_whitespace() {
            found.push(Token { text: &rest[..length], line });
        }
        line += usize::from(first == '\n');
        rest = &rest[length..];
    }
    found
}

/// Returns the index of the bracket that closes the one at `open`.
pub(crate) fn closing(all: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in all.iter().enumerate().skip(open) {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    all.len() - 1
}

/// Returns every path that blanked code names; `use` trees are spelled out, and `super::` is written `crate::`.
pub(crate) fn paths(code: &str) -> Vec<Named<'_>> {
    let all = tokens(code);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < all.len() {
        let next = all.get(at + 1).map_or("", |token| token.text);
        at = if all[at].text == "use" && next != "<" {
            use_tree(&all, at + 1, &[], &mut found)
        } else if is_name(all[at].text) {
            plain_path(&all, at, &mut found)
        } else {
            at + 1
        };
    }
    for named in &mut found {
        let supers = named.segments.iter().take_while(|segment| **segment == "super").count();
        if supers > 0 {
            named.segments.splice(..supers, ["crate"]);
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn plain_path<'a>(all: &[Token<'a>], start: usize, found: &mut Vec<Named<'a>>) -> usize {
    let text = |at: usize| all.get(at).map_or("", |token| token.text);
    let (mut segments, mut at) = (vec![all[start].text], start + 1);
    while text(at) == "::" && is_name(text(at + 1)) {
        segments.push(text(at + 1));
        at += 2;
    }
    let macro_call = text(at) == "!" && text(at + 1) != "=";
    found.push(Named { segments, macro_call, line: all[start].line });
    at
}

fn use_tree<'a>(all: &[Token<'a>], start: usize, prefix: &[&'a str], found: &mut Vec<Named<'a>>) -> usize {
    let (mut segments, mut at) = (prefix.to_vec(), start);
    let mut is_group = false;
    while at < all.len() {
        match all[at].text {
            "{" => {
                is_group = true;
                at += 1;
                while at < all.len() && all[at].text != "}" {
                    at = use_tree(all, at, &segments, found);
                    at += usize::from(at < all.len() && all[at].text == ",");
                }
            }
            "as" => at += 1,
            ";" | "," | "}" => break,
            text if is_name(text) || text == "*" => segments.push(text),
            _ => {}
        }
        at += 1;
    }
    let line = all.get(start).map_or(0, |token| token.line);
    if !is_group {
        found.push(Named { segments, macro_call: false, line });
    }
    at
}

#[test]
fn comments_strings_and_characters_are_blanked_and_lifetimes_are_not() {
    let text = "a /* { /* b */ } */ \"x\\\"{\" r#\"y\"{\"# '{' '\\'' '\\u{7b}' 'é' &'a str // }\nz";
    let Views { code, comments } = views(text);
    assert_eq!(
        comments.trim(),
        "/* { /* b */ } */".to_owned() + &" ".repeat(comments.trim().len() - 21) + "// }"
    );
    assert_eq!(comments.len(), text.len());
    assert_eq!(code.len(), text.len());
    assert!(!code.contains(['{', '}', 'x', 'y', 'é']), "{code}");
    assert!(code.starts_with("a ") && code.contains("&'a str") && code.ends_with("\nz"), "{code}");
}

#[test]
fn use_trees_are_spelled_out() {
    let code =
        "use std::{fs, io::{self, Read as R}, collections::*};\nuse super::super::store;\nprintln!(a::b);";
    let named: Vec<(String, usize)> =
        paths(code).iter().map(|named| (named.segments.join("::"), named.line)).collect();
    let names: Vec<&str> = named.iter().map(|(name, _)| &**name).collect();
    let expected = [
        "std::fs",
        "std::io::self",
        "std::io::Read",
        "std::collections::*",
        "crate::store",
        "println",
        "a::b",
    ];
    assert_eq!(names, expected);
    assert_eq!(named[4].1, 2);
}
