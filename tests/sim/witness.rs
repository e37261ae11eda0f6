//! What was seen to happen, from what the program and the network log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// What was seen of one simulation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Messages that the network took, dropped, and held back.
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    pub(crate) held: u64,
    /// Hosts that crashed while they were at work.
    pub(crate) crashed: u64,
    /// How often a worker was without its coordinator.
    pub(crate) cut_off: u64,
    /// Attempts, by trial, of whose results or failures the coordinator said that they are on disk.
    pub(crate) acknowledged: BTreeMap<String, BTreeSet<u32>>,
    /// The trials of those acknowledgements that nobody has looked into yet.
    pub(crate) fresh: Vec<String>,
    /// Results and failures acknowledged, however often.
    pub(crate) acknowledgements: u64,
}

/// Takes note.
#[derive(Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<Seen>>);

impl Witness {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Witness {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        matches!(
            metadata.target(),
            "turmoil" | "gridsweep_worker::session" | "gridsweep_worker::session::converse"
        )
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut seen = self.seen();
        match fields.message.as_str() {
            "Send" => seen.sent += 1,
            "Drop" => seen.dropped += 1,
            "Hold" => seen.held += 1,
            "no connection to the coordinator; trying again" => seen.cut_off += 1,
            "acknowledged" => {
                seen.acknowledgements += 1;
                seen.fresh.push(fields.trial.clone());
                let attempt = fields.attempt.parse().expect("attempts are numbers");
                seen.acknowledged.entry(fields.trial).or_default().insert(attempt);
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    trial: String,
    attempt: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            "trial" => self.trial = text,
            "attempt" => self.attempt = text,
            _ => {}
        }
    }
}
