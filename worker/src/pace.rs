//! Whether help helps. Threads that share a step wait for one another twice: where something else takes a part of one of the
//! processors, a step together can take many times as long as one alone. So both ways are timed, and the faster one is taken.

use std::time::{Duration, Instant};

/// How many steps are timed at once: long enough that a few that were held up do not decide.
const STRETCH: u32 = 64;

/// How many stretches pass before the slower way is tried again; twice as many each time that it stays the slower one.
const PATIENCE_LEAST: u32 = 16;
const PATIENCE_MOST: u32 = 1024;

/// How much longer a stretch may take than one of the other way before it is cut short.
const SLOWER_MOST: u32 = 2;

/// A step on all threads that are offered, or on one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Together,
    Alone,
}

impl Way {
    fn other(self) -> Way {
        match self {
            Way::Together => Way::Alone,
            Way::Alone => Way::Together,
        }
    }
}

/// The pace of one training, step by step.
#[derive(Debug)]
pub(crate) struct Pace {
    /// On how many threads a step may be computed.
    offered: usize,
    way: Way,
    /// When the step began that is being timed, if it is.
    began: Option<Instant>,
    /// Steps of this stretch, and how long they took.
    steps: u32,
    took: Duration,
    /// How long a stretch of either way took when there was one last.
    together: Option<Duration>,
    alone: Option<Duration>,
    /// The faster way, once there was a stretch of either.
    chosen: Option<Way>,
    /// Stretches of it until the other one is tried again.
    left: u32,
    patience: u32,
}

impl Pace {
    /// Begins with a step on whatever is offered.
    pub(crate) fn new() -> Pace {
        Pace {
            offered: 1,
            way: Way::Together,
            began: None,
            steps: 0,
            took: Duration::ZERO,
            together: None,
            alone: None,
            chosen: None,
            left: PATIENCE_LEAST,
            patience: PATIENCE_LEAST,
        }
    }

    /// Is asked before each step, and returns on how many of the threads that are offered to compute it.
    pub(crate) fn threads(&mut self, offered: usize, now: Instant) -> usize {
        if offered != self.offered {
            *self = Pace { offered, ..Pace::new() };
        }
        if offered == 1 {
            return 1;
        }
        if let Some(began) = self.began.replace(now) {
            self.steps += 1;
            self.took += now.saturating_duration_since(began);
            self.end_stretch();
        }
        match self.way {
            Way::Together => offered,
            Way::Alone => 1,
        }
    }

    /// What happens until the next step is none: it is not timed.
    pub(crate) fn pause(&mut self) {
        self.began = None;
    }

    /// Decides about the stretch to come, if this one is at its end.
    fn end_stretch(&mut self) {
        let too_long = self.last(self.way.other()).is_some_and(|other| self.took > other * SLOWER_MOST);
        if self.steps < STRETCH && !too_long {
            return;
        }
        *self.last_mut(self.way) = Some(self.took);
        (self.steps, self.took) = (0, Duration::ZERO);
        let Some(faster) = self.faster() else {
            self.way = self.way.other();
            return;
        };
        if self.chosen != Some(faster) {
            (self.chosen, self.patience, self.left) = (Some(faster), PATIENCE_LEAST, PATIENCE_LEAST);
        }
        self.left -= u32::from(self.way == faster);
        self.way = faster;
        if self.left == 0 {
            self.patience = (2 * self.patience).min(PATIENCE_MOST);
            (self.left, self.way) = (self.patience, faster.other());
        }
    }

    /// Returns the way whose last stretch took less time; `None` before there was one of either.
    fn faster(&self) -> Option<Way> {
        Some(if self.together? <= self.alone? { Way::Together } else { Way::Alone })
    }

    fn last(&self, way: Way) -> Option<Duration> {
        match way {
            Way::Together => self.together,
            Way::Alone => self.alone,
        }
    }

    fn last_mut(&mut self, way: Way) -> &mut Option<Duration> {
        match way {
            Way::Together => &mut self.together,
            Way::Alone => &mut self.alone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A training whose steps take so long together and alone, in microseconds.
    struct Run {
        pace: Pace,
        now: Instant,
        threads: usize,
    }

    impl Run {
        fn new() -> Run {
            let (mut pace, now) = (Pace::new(), Instant::now());
            let threads = pace.threads(2, now);
            Run { pace, now, threads }
        }

        /// Takes steps, and returns how many of them were taken together.
        fn steps(&mut self, count: u32, together: u64, alone: u64) -> u32 {
            let mut shared = 0;
            for _ in 0..count {
                let is_shared = self.threads == 2;
                shared += u32::from(is_shared);
                self.now += Duration::from_micros(if is_shared { together } else { alone });
                self.threads = self.pace.threads(2, self.now);
            }
            shared
        }
    }

    #[test]
    fn nearly_all_steps_are_taken_together_where_that_is_faster() {
        let shared = Run::new().steps(20_000, 300, 500);
        assert!((19_000..20_000).contains(&shared), "{shared}");
    }

    #[test]
    fn nearly_all_steps_are_taken_alone_where_waiting_takes_longer() {
        let mut run = Run::new();
        let shared = run.steps(20_000, 3000, 500);
        // A stretch to begin with; later ones are cut short.
        assert!((STRETCH..STRETCH + 200).contains(&shared), "{shared}");
    }

    #[test]
    fn what_becomes_slow_is_left_and_what_becomes_fast_again_is_found() {
        let mut run = Run::new();
        run.steps(5000, 300, 500);
        let shared = run.steps(5000, 3000, 500);
        assert!(shared < 200, "something else has taken a processor: {shared}");
        let shared = run.steps(40_000, 300, 500);
        assert!(shared > 30_000, "it is gone: {shared}");
    }

    #[test]
    fn a_pause_is_not_timed() {
        let mut run = Run::new();
        for _ in 0..2000 {
            run.steps(1, 300, 500);
            // Held-back samples, a checkpoint: as long as a hundred steps.
            run.pace.pause();
            run.now += Duration::from_millis(30);
            run.threads = run.pace.threads(2, run.now);
        }
        let shared = run.steps(1000, 300, 500);
        assert!(shared > 800, "{shared}");
    }

    #[test]
    fn one_thread_is_never_more_and_another_offer_is_another_matter() {
        let mut run = Run::new();
        run.steps(1000, 3000, 500);
        assert_eq!(run.pace.threads(1, run.now), 1);
        assert_eq!(run.pace.threads(3, run.now), 3);
    }
}
