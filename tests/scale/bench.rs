//! The rows of the scale table, measured: a coordinator of its own process (`gridsweep serve`, TLS, tokens, SQLite on disk), and
//! here a load that speaks the real protocol through the real connections.
//!
//! `cargo bench --bench scale` measures every row; `cargo bench --bench scale -- throughput growth` some of them.
//! `GRIDSWEEP_SCALE_DIR` says where the state folders go: on the disk that is to be measured.

#![allow(clippy::unwrap_used, reason = "a measurement that goes wrong ends")]

mod fleet;
mod gaps;
mod history;
mod server;
mod sweep;

use fleet::{Fleet, Load};
use server::Server;
use std::time::{Duration, Instant};
use sweep::Grid;

/// A row: its name, and what measures it.
type Row = (&'static str, fn(&Runtime) -> Vec<String>);
type Runtime = tokio::runtime::Runtime;

const ROWS: [Row; 8] = [
    ("throughput", throughput),
    ("growth", growth),
    ("epochs", epochs),
    ("workers", workers),
    ("submit", submit),
    ("restart", restart),
    ("table", table),
    ("latency", latency),
];

fn main() {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let unknown = asked.iter().find(|name| ROWS.iter().all(|(row, _)| row != name));
    assert!(unknown.is_none(), "there is no row {unknown:?}: {:?}", ROWS.map(|(name, _)| name));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (name, measure) in
        ROWS.iter().filter(|(row, _)| asked.is_empty() || asked.iter().any(|name| name == row))
    {
        for line in measure(&runtime) {
            println!("{name:10} {line}");
        }
    }
}

/// Durable no-op trials a second, end to end, and what each costs the coordinator.
fn throughput(runtime: &Runtime) -> Vec<String> {
    const TRIALS: u64 = 30_000;
    runtime.block_on(async {
        let server = Server::start();
        server.submit(&Grid::of("noop", TRIALS)).await;
        let (began, cpu) = (Instant::now(), server.cpu());
        let fleet = Fleet::start(&server, 4, Load { slots: 64, epochs: 1 }).await;
        fleet.until(TRIALS).await;
        let (took, cpu) = (began.elapsed(), server.cpu() - cpu);
        vec![format!(
            "{:.0} durable no-op trials/s; coordinator {:.0} µs CPU a trial ({TRIALS} trials, 4 workers of 64 slots)",
            TRIALS as f64 / took.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / TRIALS as f64
        )]
    })
}

/// What a trial costs after 10⁵ others, beside what it cost after 10³.
fn growth(runtime: &Runtime) -> Vec<String> {
    const WINDOW: u64 = 5_000;
    const STARTS: [u64; 2] = [1_000, 100_000];
    runtime.block_on(async {
        let server = Server::start();
        let all = STARTS[1] + WINDOW + 1_000;
        server.submit(&Grid::of("growth", all)).await;
        let fleet = Fleet::start(&server, 4, Load { slots: 64, epochs: 1 }).await;
        let mut costs = Vec::new();
        for start in STARTS {
            let before = fleet.until(start).await;
            let cpu = server.cpu();
            let after = fleet.until(before + WINDOW).await;
            costs.push((server.cpu() - cpu).as_secs_f64() * 1e6 / (after - before) as f64);
        }
        vec![format!(
            "{:.2} × per trial at 10⁵ over 10³ ({:.0} and {:.0} µs CPU, windows of {WINDOW})",
            costs[1] / costs[0],
            costs[1],
            costs[0]
        )]
    })
}

/// Epochs a second that are on disk when they are acknowledged: those of results.
fn epochs(runtime: &Runtime) -> Vec<String> {
    const TRIALS: u64 = 4_000;
    const EPOCHS: u32 = 100;
    runtime.block_on(async {
        let server = Server::start();
        server.submit(&Grid::of("epochs", TRIALS)).await;
        let (began, cpu) = (Instant::now(), server.cpu());
        let fleet = Fleet::start(&server, 4, Load { slots: 64, epochs: EPOCHS }).await;
        fleet.until(TRIALS).await;
        let (epochs, took) = (TRIALS * u64::from(EPOCHS), began.elapsed().as_secs_f64());
        let cpu = (server.cpu() - cpu).as_secs_f64() * 1e6 / epochs as f64;
        vec![format!(
            "{:.0} epochs/s acknowledged; {cpu:.1} µs CPU an epoch ({EPOCHS} a trial)",
            epochs as f64 / took
        )]
    })
}

/// Workers that are connected and idle but for their heartbeats.
fn workers(runtime: &Runtime) -> Vec<String> {
    const WATCHED: Duration = Duration::from_secs(15);
    runtime.block_on(async {
        let server = Server::start();
        let (mut fleets, mut lines, mut connected) = (Vec::new(), Vec::new(), 0);
        lines.push(format!("{:4} workers: {} MiB", 0, server.resident_mib()));
        for count in [1_000, 4_000] {
            let began = Instant::now();
            fleets.push(Fleet::start(&server, count, Load { slots: 1, epochs: 1 }).await);
            let took = began.elapsed();
            connected += count;
            tokio::time::sleep(Duration::from_secs(6)).await;
            let cpu = server.cpu();
            tokio::time::sleep(WATCHED).await;
            let share = (server.cpu() - cpu).as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
            let lost = fleets.iter().map(Fleet::lost).sum::<u64>();
            lines.push(format!(
                "{connected:4} workers: {} MiB, {share:.0} % of a core for heartbeats, {lost} lost, the last {count} joined in {:.1} s",
                server.resident_mib(),
                took.as_secs_f64()
            ));
        }
        lines
    })
}

/// Submissions of large grids.
fn submit(runtime: &Runtime) -> Vec<String> {
    runtime.block_on(async {
        let server = Server::start();
        server.submit(&Grid::of("first", 1)).await;
        let mut lines = Vec::new();
        for (trials, name, batch_sizes) in [("10⁶", "million", 1), ("10⁹", "milliard", 1_000)] {
            let grid = Grid { replicates: 1_000, epochs: 1_000, batch_sizes, ..Grid::of(name, 1) };
            let (before, began) = (server.resident_mib(), Instant::now());
            server.submit(&grid).await;
            let took = began.elapsed();
            lines.push(format!(
                "{trials} trials in {} ms, {} MiB more",
                took.as_millis(),
                server.resident_mib() - before
            ));
        }
        lines
    })
}

/// A start over a store with 10⁶ recorded trials.
fn restart(runtime: &Runtime) -> Vec<String> {
    const RECORDED: u64 = 1_000_000;
    runtime.block_on(async {
        let server = Server::start();
        let grid = Grid::of("restart", RECORDED + 1_000);
        server.submit(&grid).await;
        let state = server.stop();
        history::record(&state, &grid, RECORDED);
        let began = Instant::now();
        let server = Server::start_in(state);
        let ready = began.elapsed();
        let fleet = Fleet::start(&server, 1, Load { slots: 1, epochs: 1 }).await;
        fleet.until(1).await;
        vec![format!(
            "{:.1} s to the first trial done with 10⁶ recorded ({:.1} s until it listens), {} MiB",
            began.elapsed().as_secs_f64(),
            ready.as_secs_f64(),
            server.resident_mib()
        )]
    })
}

/// A table over 10,000 recorded trials, by the command.
fn table(runtime: &Runtime) -> Vec<String> {
    const RECORDED: u64 = 10_000;
    const TIMES: usize = 9;
    runtime.block_on(async {
        let server = Server::start();
        let grid = Grid { replicates: 10, epochs: 1_000, ..Grid::of("table", 1) };
        server.submit(&grid).await;
        let state = server.stop();
        history::record(&state, &grid, RECORDED);
        let mut took: Vec<Duration> = (0..TIMES).map(|_| server::time_table(&state, "table")).collect();
        took.sort();
        vec![format!(
            "{} ms over 10,000 trials of 1,000 cells (median of {TIMES} runs of the command)",
            took[TIMES / 2].as_millis()
        )]
    })
}

/// How long a slot is without a trial, with trials of 20 ms.
fn latency(runtime: &Runtime) -> Vec<String> {
    const TRIALS: usize = 4_000;
    runtime.block_on(async {
        let server = Server::start();
        server.submit(&Grid::of("latency", 2 * TRIALS as u64)).await;
        let mut gaps = gaps::measure(&server, TRIALS, Duration::from_millis(20)).await;
        gaps.sort();
        let at = |share: f64| gaps[(gaps.len() as f64 * share) as usize].as_secs_f64() * 1e3;
        vec![format!(
            "free slot to next trial started: p50 {:.3} ms, p99 {:.3} ms, worst {:.1} ms ({} gaps; 2 workers of 2 slots, trials of 20 ms)",
            at(0.50), at(0.99), gaps[gaps.len() - 1].as_secs_f64() * 1e3, gaps.len()
        )]
    })
}
