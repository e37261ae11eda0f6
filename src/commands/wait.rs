//! Waiting for the end of a sweep at a coordinator, through restarts of it.

use super::worker::asked_to_end;
use crate::client::Client;
use crate::error::{CommandError, Kind};
use crate::output::{duration, note};
use crate::progress::{Glance, Progress};
use anyhow::anyhow;
use gridsweep_coordinator::core::Counts;
use gridsweep_proto::v1;
use gridsweep_worker::connect::Route;
use std::time::{Duration, Instant};
use tonic::{Code, Streaming};

/// How often it is looked at how long there has been no worker.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long it is waited before a coordinator that went away is tried again.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// How the waiting ended.
pub(super) enum Waited {
    /// Every trial has ended, or the sweep was cancelled.
    Ended { last: Glance, seconds: f64 },
    /// The user waits no longer.
    Interrupted,
}

/// Waits, showing how the sweep stands, for as long as there has been a worker within `patience`.
pub(super) async fn until_the_end(
    client: Client,
    route: &Route,
    sweep: u64,
    patience: Duration,
    is_quiet: bool,
) -> Result<Waited, CommandError> {
    let mut wait = Wait {
        display: Progress::new(is_quiet),
        began: Instant::now(),
        hope: Instant::now(),
        has_workers: false,
        is_away: false,
        patience,
        is_quiet,
    };
    let waited = tokio::select! {
        waited = wait.through_restarts(client, route, sweep) => waited,
        () = asked_to_end() => Ok(Waited::Interrupted),
    };
    wait.display.clear();
    waited
}

struct Wait {
    display: Progress,
    began: Instant,
    /// When there was a worker last.
    hope: Instant,
    has_workers: bool,
    /// The coordinator does not answer.
    is_away: bool,
    patience: Duration,
    is_quiet: bool,
}

impl Wait {
    async fn through_restarts(
        &mut self,
        client: Client,
        route: &Route,
        sweep: u64,
    ) -> Result<Waited, CommandError> {
        let mut client = Some(client);
        loop {
            if let Some(mut connected) = client.take()
                && let Some(stream) = self.tolerate(connected.watch(sweep).await)?
            {
                self.is_away = false;
                if let Some(last) = self.follow(&connected, stream).await? {
                    return Ok(Waited::Ended { last, seconds: self.began.elapsed().as_secs_f64() });
                }
            }
            if !self.is_away {
                self.is_away = true;
                self.display.clear();
                note(
                    self.is_quiet,
                    &format!("the coordinator at {route} does not answer; waiting for it to come back"),
                );
                self.display = Progress::new(self.is_quiet);
            }
            self.has_workers = false;
            self.check_hope(route)?;
            tokio::time::sleep(RECONNECT_AFTER).await;
            client = self.tolerate(Client::connect(route).await)?;
        }
    }

    /// Lets an error pass that a coordinator's return mends.
    fn tolerate<T>(&self, result: Result<T, CommandError>) -> Result<Option<T>, CommandError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind == Kind::Infrastructure => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Follows the sweep to its end; `None` where the connection ended before.
    async fn follow(
        &mut self,
        client: &Client,
        mut stream: Streaming<v1::SweepProgress>,
    ) -> Result<Option<Glance>, CommandError> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                progress = stream.message() => match progress {
                    Ok(Some(progress)) => {
                        let glance = glance(&progress);
                        self.has_workers = progress.workers > 0;
                        self.display.show(&glance);
                        if progress.ended {
                            return Ok(Some(glance));
                        }
                    }
                    Ok(None) => return Ok(None),
                    Err(status) if status.code() == Code::NotFound => return Err(client.error(&status)),
                    Err(_) => return Ok(None),
                },
                _ = look.tick() => self.check_hope(client)?,
            }
        }
    }

    fn check_hope(&mut self, coordinator: &dyn std::fmt::Display) -> Result<(), CommandError> {
        if self.has_workers {
            self.hope = Instant::now();
        }
        if self.hope.elapsed() < self.patience {
            return Ok(());
        }
        let patience = duration(self.patience.as_secs_f64());
        let what = match self.is_away {
            true => anyhow!("the coordinator at {coordinator} has not answered for {patience}"),
            false => anyhow!("there has been no worker at {coordinator} for {patience}"),
        };
        Err(CommandError::infrastructure(what).hint(
            "the sweep is stored: it goes on with the next worker, and the same command waits for it again",
        ))
    }
}

/// Makes what is shown of what the coordinator says; it knows nothing of cells.
fn glance(progress: &v1::SweepProgress) -> Glance {
    let &v1::SweepProgress { trials, succeeded, diverged, failed, cancelled, quarantined, workers, .. } =
        progress;
    let ended = Counts { succeeded, diverged, failed, cancelled, quarantined };
    let share_done = ended.total() as f64 / trials.max(1) as f64;
    let trouble = (!progress.trouble.is_empty()).then(|| progress.trouble.clone());
    Glance { trials, ended, share_done, workers, trouble, ..Glance::default() }
}
