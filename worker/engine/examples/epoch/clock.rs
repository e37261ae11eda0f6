//! What watches a training and takes the time of its epochs.

use gridsweep_common::metric::EpochMetrics;
use gridsweep_engine::Observer;
use std::fmt;
use std::io::BufRead;
use std::time::Instant;

/// Times every epoch but the first, which touches its memory for the first time.
pub(crate) struct Clock {
    mode: Mode,
    /// Epochs until there is nothing more to do, or until the next request.
    left: u32,
    is_first: bool,
    since: Moment,
    times: Vec<Elapsed>,
    threads: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Silent,
    Printing,
    Served,
}

/// A point of time, and how long this thread has had a processor.
#[derive(Clone, Copy)]
struct Moment {
    wall: Instant,
    processor_ms: Option<f64>,
}

/// How long an epoch took.
#[derive(Clone, Copy)]
struct Elapsed {
    wall_ms: f64,
    /// How much of it this thread had a processor, where the system tells.
    processor_ms: Option<f64>,
}

impl Clock {
    /// Times this many epochs.
    pub(crate) fn silent(epochs: u32) -> Clock {
        let since = Moment::now();
        Clock { mode: Mode::Silent, left: epochs, is_first: true, since, times: Vec::new(), threads: 1 }
    }

    /// Times this many epochs and prints each.
    pub(crate) fn printing(epochs: u32) -> Clock {
        Clock { mode: Mode::Printing, ..Clock::silent(epochs) }
    }

    /// Times as many epochs as stdin asks for, a line of JSON each, until it ends.
    pub(crate) fn served() -> Clock {
        Clock { mode: Mode::Served, ..Clock::silent(0) }
    }

    /// Has each step computed on so many threads.
    pub(crate) fn on_threads(self, threads: usize) -> Clock {
        Clock { threads, ..self }
    }

    /// Returns on how many threads each step is computed.
    pub(crate) fn thread_count(&self) -> usize {
        self.threads
    }

    fn print(&self, elapsed: Elapsed, metrics: &EpochMetrics) {
        let Elapsed { wall_ms, processor_ms } = elapsed;
        let (objective, validation_loss) = (metrics.training_objective, metrics.validation_loss);
        match self.mode {
            Mode::Silent => {}
            Mode::Printing => println!(
                "epoch {}: {wall_ms:.1} ms, {} of it on a processor, objective {objective:.4}, validation loss {validation_loss:.4}",
                metrics.epoch,
                elapsed.share()
            ),
            Mode::Served => println!(
                "{{\"wall_ms\": {wall_ms}, \"cpu_ms\": {}, \"objective\": {objective}, \"validation_loss\": {validation_loss}}}",
                processor_ms.map_or("null".to_owned(), |ms| ms.to_string())
            ),
        }
    }

    /// Waits for the next request; when there is none, nothing is left to do.
    fn wait(&mut self) {
        let mut line = String::new();
        let length =
            std::io::stdin().lock().read_line(&mut line).unwrap_or_else(|error| panic!("stdin: {error}"));
        if length > 0 {
            self.left = line.trim().parse().unwrap_or_else(|_| panic!("not a number of epochs: {line:?}"));
        }
    }
}

impl Observer for Clock {
    fn epoch(&mut self, metrics: &EpochMetrics) {
        let now = Moment::now();
        if self.is_first {
            self.is_first = false;
            if self.mode == Mode::Served {
                println!("ready");
            }
        } else {
            let elapsed = now.since(self.since);
            self.print(elapsed, metrics);
            self.times.push(elapsed);
            self.left -= 1;
        }
        if self.left == 0 && self.mode == Mode::Served {
            self.wait();
        }
        self.since = Moment::now();
    }

    fn is_interrupted(&mut self) -> bool {
        !self.is_first && self.left == 0
    }

    fn threads(&mut self) -> usize {
        self.threads
    }
}

impl Moment {
    fn now() -> Moment {
        Moment { wall: Instant::now(), processor_ms: processor_ms() }
    }

    fn since(self, before: Moment) -> Elapsed {
        let wall_ms = (self.wall - before.wall).as_secs_f64() * 1e3;
        let processor_ms = self.processor_ms.zip(before.processor_ms).map(|(to, from)| to - from);
        Elapsed { wall_ms, processor_ms }
    }
}

/// Returns how long this thread has had a processor; Linux alone tells.
fn processor_ms() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

impl Elapsed {
    fn share(self) -> String {
        let percent = |ms: f64| format!("{:.0} %", 100.0 * ms / self.wall_ms);
        self.processor_ms.map_or("an unknown share".to_owned(), percent)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.times.clone();
        times.sort_by(|a, b| a.wall_ms.total_cmp(&b.wall_ms));
        let median = times[times.len() / 2];
        let (least, share) = (times[0].wall_ms, median.share());
        write!(f, "least {least:6.1} ms  median {:6.1} ms, {share} on a processor", median.wall_ms)
    }
}
