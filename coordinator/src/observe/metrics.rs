//! Prometheus' text format, version 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! No name of a sweep, a worker or a machine is a label: there may be many of them, and they are nobody else's business.

use super::meter::{COMMIT_BOUNDS_US, Meter};
use crate::core::{Snapshot, SweepStanding};
use gridsweep_proto::PROTOCOL_MAJOR;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes the page. Trials that several sweeps share are counted in each.
pub(super) fn text(snapshot: &Snapshot, meter: &Meter, connections: usize, numerics: u32) -> String {
    let mut page = Page::default();
    let labels = format!(
        "version=\"{}\",protocol=\"{PROTOCOL_MAJOR}\",numerics=\"{numerics}\"",
        env!("CARGO_PKG_VERSION")
    );
    page.family("gridsweep_build_info", "gauge", "What runs.", &[(&labels, 1)]);
    page.family("gridsweep_sweeps", "gauge", "Sweeps by state.", &sweeps(snapshot));
    page.family("gridsweep_trials", "gauge", "Trials of all sweeps by state.", &trials(snapshot));
    let pending: u64 = snapshot.sweeps.iter().map(pending).sum();
    let of = |page: &mut Page, name: &str, kind: &str, help: &str, value: u64| {
        page.family(name, kind, help, &[("", value)]);
    };
    let queue = "Trials that wait for a slot: what to scale workers by.";
    of(&mut page, "gridsweep_queue_depth", "gauge", queue, pending);
    of(&mut page, "gridsweep_workers", "gauge", "Workers connected.", snapshot.workers.into());
    let away = "Workers that were cut off and may be at work.";
    of(&mut page, "gridsweep_workers_away", "gauge", away, snapshot.workers_away.into());
    let passed_over = "Workers on which everything fails: they get nothing while there is another.";
    let quarantined = snapshot.workers_quarantined.len() as u64;
    of(&mut page, "gridsweep_workers_quarantined", "gauge", passed_over, quarantined);
    of(&mut page, "gridsweep_slots", "gauge", "Slots of the workers connected.", snapshot.slots.into());
    let leases = snapshot.sweeps.iter().map(|sweep| sweep.running.len() as u64).sum();
    of(&mut page, "gridsweep_leases", "gauge", "Leases held by workers.", leases);
    let disagreed = "Results that disagreed with the recorded one: broken hardware or a bug.";
    of(&mut page, "gridsweep_conflicts", "gauge", disagreed, snapshot.conflicts);
    of(
        &mut page,
        "gridsweep_connections",
        "gauge",
        "Connections of workers and commands.",
        connections as u64,
    );
    let counters = [
        ("gridsweep_results_total", "Results recorded.", &meter.results),
        ("gridsweep_leases_total", "Leases given.", &meter.leases),
        ("gridsweep_previews_total", "Epochs of running trials stored.", &meter.previews),
        ("gridsweep_commit_failures_total", "Commits that failed.", &meter.failed_commits),
    ];
    for (name, help, value) in counters {
        of(&mut page, name, "counter", help, get(value));
    }
    let is_faulty = u64::from(meter.fault().is_some());
    of(&mut page, "gridsweep_store_fault", "gauge", "1 while the store cannot be written.", is_faulty);
    page.commits(meter);
    page.0
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn pending(sweep: &SweepStanding) -> u64 {
    sweep.trials.saturating_sub(sweep.ended.total()).saturating_sub(running(sweep))
}

/// Counts trials: one may run twice, and one that is leased may wait for a slot.
fn running(sweep: &SweepStanding) -> u64 {
    let have_slots = sweep.running.iter().filter(|running| running.has_slot);
    have_slots.map(|running| running.trial).collect::<BTreeSet<_>>().len() as u64
}

fn sweeps(snapshot: &Snapshot) -> [(&'static str, u64); 3] {
    let count = |is_it: fn(&SweepStanding) -> bool| {
        snapshot.sweeps.iter().filter(|sweep| is_it(sweep)).count() as u64
    };
    [
        ("state=\"ended\"", count(|sweep| sweep.has_ended)),
        ("state=\"running\"", count(|sweep| !sweep.has_ended && running(sweep) > 0)),
        ("state=\"waiting\"", count(|sweep| !sweep.has_ended && running(sweep) == 0)),
    ]
}

fn trials(snapshot: &Snapshot) -> [(&'static str, u64); 7] {
    let sum = |of: fn(&SweepStanding) -> u64| snapshot.sweeps.iter().map(of).sum();
    [
        ("state=\"succeeded\"", sum(|sweep| sweep.ended.succeeded)),
        ("state=\"diverged\"", sum(|sweep| sweep.ended.diverged)),
        ("state=\"failed\"", sum(|sweep| sweep.ended.failed)),
        ("state=\"cancelled\"", sum(|sweep| sweep.ended.cancelled)),
        ("state=\"quarantined\"", sum(|sweep| sweep.ended.quarantined)),
        ("state=\"running\"", sum(running)),
        ("state=\"pending\"", sum(pending)),
    ]
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str, values: &[(&str, u64)]) {
        self.head(name, kind, help);
        for (labels, value) in values {
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            self.line(format_args!("{name}{labels} {value}"));
        }
    }

    fn commits(&mut self, meter: &Meter) {
        const NAME: &str = "gridsweep_commit_seconds";
        self.head(NAME, "histogram", "How long commits took, fsync and all.");
        let mut so_far = 0;
        for (count, bound) in meter.commits.iter().zip(COMMIT_BOUNDS_US.map(Some).into_iter().chain([None])) {
            so_far += get(count);
            match bound {
                Some(us) => self.line(format_args!("{NAME}_bucket{{le=\"{}\"}} {so_far}", us as f64 / 1e6)),
                None => self.line(format_args!("{NAME}_bucket{{le=\"+Inf\"}} {so_far}")),
            }
        }
        self.line(format_args!("{NAME}_sum {}", get(&meter.commit_us) as f64 / 1e6));
        self.line(format_args!("{NAME}_count {so_far}"));
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Counts;
    use crate::core::Running;
    use crate::core::testing::sweep_of;
    use gridsweep_common::id::{Attempt, SweepId};
    use std::sync::Arc;

    fn sweep(number: u64, trials: u64, succeeded: u64, has_ended: bool) -> SweepStanding {
        let ended = Counts { succeeded, ..Counts::default() };
        SweepStanding {
            sweep: SweepId(number),
            trials,
            ended,
            has_ended,
            is_cancelled: false,
            priority: 0,
            running: Vec::new(),
        }
    }

    /// One trial runs twice, another waits for a slot.
    fn busy() -> SweepStanding {
        let open = sweep_of("a", 3);
        let lease = |place: u64, attempt, has_slot| {
            let spec = Arc::new(open.trial(place).unwrap());
            Running { trial: spec.id(), attempt: Attempt(attempt), worker: "w".to_owned(), has_slot, spec }
        };
        let running = vec![lease(0, 1, true), lease(0, 2, true), lease(1, 1, false)];
        SweepStanding { running, ..sweep(3, 3, 0, false) }
    }

    fn page() -> String {
        let meter = Meter::default();
        meter.commits[0].store(2, Ordering::Relaxed);
        meter.commits[12].store(1, Ordering::Relaxed);
        meter.commit_us.store(5_000_000, Ordering::Relaxed);
        let snapshot = Snapshot {
            sweeps: vec![sweep(1, 10, 10, true), sweep(2, 1_000_000_000, 4, false), busy()],
            workers: 3,
            workers_away: 2,
            workers_quarantined: vec!["w".to_owned()],
            slots: 12,
            ..Snapshot::default()
        };
        text(&snapshot, &meter, 7, 1)
    }

    #[test]
    fn numbers_are_what_the_core_says() {
        let page = page();
        for line in [
            "gridsweep_sweeps{state=\"ended\"} 1",
            "gridsweep_sweeps{state=\"waiting\"} 1",
            "gridsweep_trials{state=\"succeeded\"} 14",
            "gridsweep_sweeps{state=\"running\"} 1",
            "gridsweep_trials{state=\"running\"} 1",
            "gridsweep_trials{state=\"quarantined\"} 0",
            "gridsweep_trials{state=\"pending\"} 999999998",
            "gridsweep_queue_depth 999999998",
            "gridsweep_leases 3",
            "gridsweep_workers 3",
            "gridsweep_workers_away 2",
            "gridsweep_workers_quarantined 1",
            "gridsweep_slots 12",
            "gridsweep_connections 7",
            "gridsweep_commit_seconds_bucket{le=\"0.0005\"} 2",
            "gridsweep_commit_seconds_bucket{le=\"4\"} 2",
            "gridsweep_commit_seconds_bucket{le=\"+Inf\"} 3",
            "gridsweep_commit_seconds_sum 5",
            "gridsweep_commit_seconds_count 3",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn every_line_reads_as_the_format_asks() {
        let page = page();
        let mut declared = BTreeSet::new();
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(declared.insert(rest.split(' ').next().unwrap()), "{line} comes twice");
            } else if !line.starts_with("# HELP ") {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let name = name.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                assert!(
                    declared.contains(name) || family.is_some_and(|family| declared.contains(family)),
                    "{line}"
                );
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(page.ends_with('\n') && declared.len() > 10);
    }
}
