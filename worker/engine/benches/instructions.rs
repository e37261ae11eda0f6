//! Counts the instructions of the pieces of a step under callgrind: what they are does not depend on what else the machine
//! does. `cargo bench -p gridsweep-engine --bench instructions [-- --record]`; needs valgrind, which knows no AVX-512.
//!
//! Prints each count beside the recorded one of `instructions.txt` and fails where it is more than 2 % above. `--record`
//! writes them there; a compiler of another version makes other code.

#[path = "../examples/epoch/data.rs"]
#[expect(dead_code, reason = "shared with the example, which reads files too")]
mod data;
mod piece;

use gridsweep_engine::Kernel;
use gridsweep_engine::measure::Pieces;
use piece::PIECES;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const KERNEL: &str = "avx2";
const MORE_AT_MOST: f64 = 1.02;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // What this program asks of itself, under callgrind.
        ["--piece", piece, kind] => {
            run(piece, kind);
            ExitCode::SUCCESS
        }
        ["--record"] => {
            let text =
                counts().into_iter().map(|(name, count)| format!("{name}: {count}\n")).collect::<String>();
            std::fs::write(recorded_at(), text).unwrap_or_else(|error| panic!("{error}"));
            ExitCode::SUCCESS
        }
        [] => compare(),
        _ => panic!("unknown arguments {words:?}: --record is known"),
    }
}

/// Prints counts beside the recorded ones.
fn compare() -> ExitCode {
    let recorded = recorded();
    let mut is_more = false;
    for (name, count) in counts() {
        let before = recorded.get(&name).copied();
        let change = before.map_or("not recorded".to_owned(), |before| {
            format!("{:+.2} %", 100.0 * (count as f64 / before as f64 - 1.0))
        });
        println!("{name:<28} {count:>12} {change:>12}");
        is_more |= before.is_some_and(|before| count as f64 > before as f64 * MORE_AT_MOST);
    }
    if is_more { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn recorded_at() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt"))
}

fn recorded() -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(recorded_at()).unwrap_or_default();
    let entry = |line: &str| line.split_once(": ").map(|(name, count)| (name.to_owned(), count.parse().ok()));
    text.lines().filter_map(entry).filter_map(|(name, count)| Some((name, count?))).collect()
}

/// Counts the instructions of every piece on every kind of data.
fn counts() -> BTreeMap<String, u64> {
    let all = piece::KINDS.iter().flat_map(|(kind, _)| PIECES.iter().map(move |(name, _)| (*name, *kind)));
    let all = all.filter(|(name, kind)| piece::is_of(name, kind));
    all.map(|(name, kind)| (format!("{name} {kind}"), count(name, kind))).collect()
}

fn count(name: &str, kind: &str) -> u64 {
    let program = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted*"])
        .arg(program)
        .args(["--piece", name, kind])
        .output()
        .unwrap_or_else(|error| panic!("valgrind: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    let count = collected.and_then(|count| count.trim().parse().ok());
    count.filter(|&count| count > 0).unwrap_or_else(|| panic!("valgrind counted nothing:\n{text}"))
}

/// Runs one piece twice, and has the second time counted.
fn run(name: &str, kind: &str) {
    let (_, density) =
        piece::KINDS.into_iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("{kind}?"));
    let (_, piece) =
        PIECES.into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name}?"));
    let (recipe, data) = (piece::recipe(), data::synthetic(256, density));
    let kernel = Kernel::by_name(KERNEL).unwrap_or_else(|error| panic!("{error}"));
    let mut pieces = Pieces::new(&recipe, &data, piece::UNITS, kernel);
    piece(&mut pieces);
    counted(piece, &mut pieces);
}

/// What callgrind counts. It looks for the name.
#[inline(never)]
fn counted(piece: fn(&mut Pieces<'_>), pieces: &mut Pieces<'_>) {
    piece(pieces);
    // Else the call would be the last thing done, and this function left before it.
    std::hint::black_box(pieces);
}
