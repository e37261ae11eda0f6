//! What every store does, run over each of them.

use super::{
    Batch, Detail, MemoryStore, Preview, Reader, SqliteReader, SqliteStore, Store, StoreError, StoredResult,
    StoredResults,
};
use crate::core::testing::{outcome, sweep_of};
use crate::core::{AttemptEnding, Event, KnownResult, Moment, Passed, Record, TrialEnd};
use gridsweep_common::confusion::Confusion;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Attempt, Digest, Fence, SweepId, Term, TrialId, WorkerId};
use gridsweep_common::metric::{Ending, Evaluation, HISTOGRAM_BINS, MatrixSummary, Outcome};
use gridsweep_common::trial::{Failure, FailureKind, KeptCheckpoint, TrialSpec};
use gridsweep_common::work::Work;
use std::sync::Arc;

/// A store together with the way others read it while it is open.
trait Subject {
    fn store(&mut self) -> &mut dyn Store;
    fn read(&self) -> Box<dyn Reader + '_>;
}

struct Memory(MemoryStore);

impl Subject for Memory {
    fn store(&mut self) -> &mut dyn Store {
        &mut self.0
    }
    fn read(&self) -> Box<dyn Reader + '_> {
        Box::new(&self.0)
    }
}

struct Sqlite {
    store: SqliteStore,
    folder: tempfile::TempDir,
}

impl Subject for Sqlite {
    fn store(&mut self) -> &mut dyn Store {
        &mut self.store
    }
    fn read(&self) -> Box<dyn Reader + '_> {
        Box::new(SqliteReader::open(self.folder.path()).unwrap())
    }
}

fn for_every_store(check: impl Fn(&mut dyn Subject)) {
    check(&mut Memory(MemoryStore::default()));
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    check(&mut Sqlite { store, folder });
}

fn spec() -> Arc<TrialSpec> {
    Arc::new(sweep_of("a", 3).trial(1).unwrap())
}

fn fence(attempt: u32) -> Fence {
    Fence { term: Term(1), trial: spec().id(), attempt: Attempt(attempt) }
}

fn leased(attempt: u32) -> Event {
    Event::AttemptLeased {
        fence: fence(attempt),
        spec: spec(),
        worker: WorkerId(1),
        worker_name: "worker".into(),
        expires: Moment(9),
    }
}

fn started(attempt: u32, epoch: u32, step: u32) -> Event {
    let trial = fence(attempt).trial;
    Event::AttemptStarted { trial, attempt: Attempt(attempt), at: Moment(3), epoch, step }
}

fn ended(attempt: u32, ending: AttemptEnding) -> Event {
    Event::AttemptEnded { trial: fence(attempt).trial, attempt: Attempt(attempt), ending }
}

fn success() -> Arc<Outcome> {
    let matrix = MatrixSummary {
        inputs: 2,
        units: 3,
        sparsity: 1.0 / 3.0,
        mean_absolute: 0.1 + 0.2,
        histogram: vec![u64::from(u32::MAX); HISTOGRAM_BINS],
    };
    let mut outcome = (*outcome(0.1)).clone();
    outcome.ending = Ending::Succeeded;
    outcome.evaluation = Some(Evaluation {
        validation_loss: 5e-324,
        test_loss: f64::MAX,
        test_accuracy: 0.1 + 0.7,
        confusion: Confusion::of_rows(2, vec![1, 2, 3, 4]).unwrap(),
        matrices: vec![matrix],
        weights_digest: Digest([9; 32]),
    });
    Arc::new(outcome)
}

fn finished(outcome: &Arc<Outcome>, attempt: u32) -> (Vec<Event>, Record) {
    let trial = fence(attempt).trial;
    let end = TrialEnd::from(outcome.ending);
    let events = vec![
        ended(attempt, AttemptEnding::Finished),
        Event::TrialFinished { trial, end, digest: outcome.digest(), epochs: outcome.epochs.len() as u32 },
    ];
    (events, Record { trial, attempt: Attempt(attempt), outcome: Arc::clone(outcome) })
}

fn commit(subject: &mut dyn Subject, events: Vec<Event>, records: Vec<Record>) {
    let batch = Batch { term: Term(1), events, records, previews: vec![], at_ms: 7 };
    subject.store().commit(&batch).unwrap();
}

fn begin(subject: &mut dyn Subject) {
    assert_eq!(subject.store().begin_term().unwrap(), Term(1));
    let submitted = Event::SweepSubmitted { sweep: SweepId(1), open: sweep_of("a", 3), priority: 0 };
    commit(subject, vec![submitted, leased(1)], vec![]);
}

#[test]
fn what_is_committed_is_read_back_to_the_bit() {
    for_every_store(|subject| {
        begin(subject);
        let outcome = success();
        let (events, record) = finished(&outcome, 1);
        commit(subject, events, vec![record]);
        let reader = subject.read();
        let trials = reader.ended(0, 10).unwrap();
        assert_eq!(trials.len(), 1);
        assert_eq!((trials[0].id, &trials[0].spec), (spec().id(), &*spec()));
        assert_eq!(trials[0].end, TrialEnd::Succeeded);
        assert_eq!(trials[0].summary, Some(outcome.summary()));
        assert_eq!(trials[0].recorded_ms, Some(7));
        let recorded = StoredResult { attempt: Attempt(1), digest: outcome.digest(), recorded_ms: 7 };
        let ended = Some(trials[0].clone());
        let results = StoredResults { recorded: Some(recorded), conflicts: vec![], ended };
        assert_eq!(reader.results(spec().id()).unwrap(), results);
        assert_eq!(reader.epochs(spec().id()).unwrap(), outcome.epochs);
        assert_eq!(reader.sweeps().unwrap()[0].frozen, sweep_of("a", 3).frozen);
    });
}

#[test]
fn what_is_loaded_tells_the_same_story_and_of_a_result_only_what_matters() {
    for_every_store(|subject| {
        begin(subject);
        let lost = ended(1, AttemptEnding::Lost("gone".to_owned()));
        commit(subject, vec![lost, leased(2), leased(3)], vec![]);
        let story = |subject: &mut dyn Subject| {
            let events = subject.store().load().unwrap();
            let tell = |event: &Event| match event {
                Event::SweepSubmitted { sweep, open, .. } => format!("sweep {sweep} {}", open.sweep.name),
                Event::AttemptLeased { fence, .. } => format!("leased {} {}", fence.term, fence.attempt),
                Event::AttemptEnded { attempt, ending, .. } => format!("ended {attempt} {ending:?}"),
                Event::ResultsKnown { results } => format!("{results:?}"),
                other => panic!("not expected: {other:?}"),
            };
            events.iter().map(tell).collect::<Vec<_>>()
        };
        let open = ["sweep 1 a", "leased 1 1", "ended 1 Lost(\"gone\")", "leased 1 2", "leased 1 3"];
        assert_eq!(story(subject), open);
        let (mut events, record) = finished(&success(), 2);
        events.push(ended(3, AttemptEnding::Superseded));
        commit(subject, events, vec![record]);
        let (trial, digest) = (spec().id(), success().digest());
        let (end, epochs) = (TrialEnd::Succeeded, success().epochs.len() as u32);
        let known = KnownResult { trial, attempts: Attempt(3), end, digest, epochs };
        assert_eq!(story(subject), ["sweep 1 a".to_owned(), format!("{:?}", [known])]);
    });
}

/// Says that a sweep's cursor has come to the end of its grid, and has passed these trials.
fn advance(open: &OpenSweep, indices: &[u64]) -> Event {
    let passed = |&index: &u64| {
        let spec = open.trial(index).unwrap();
        Passed { index, trial: spec.id(), work: Work::of(&spec.choices) }
    };
    let passed = indices.iter().map(passed).collect();
    Event::CursorAdvanced { sweep: SweepId(1), cursor: open.trials(), ahead: Vec::new(), passed }
}

fn leased_at(open: &OpenSweep, index: u64) -> Event {
    let spec = Arc::new(open.trial(index).unwrap());
    let (fence, worker_name) = (Fence { trial: spec.id(), ..fence(1) }, "worker".into());
    Event::AttemptLeased { fence, spec, worker: WorkerId(1), worker_name, expires: Moment(9) }
}

/// Returns the trials that the first sweep is known to have passed.
fn passed(subject: &mut dyn Subject) -> Option<Vec<TrialId>> {
    subject.store().load().unwrap().into_iter().find_map(|event| match event {
        Event::PrefixPassed { sweep: SweepId(1), trials } => Some(trials),
        _ => None,
    })
}

#[test]
fn a_cursor_is_where_it_was_until_its_sweep_begins_anew() {
    for_every_store(|subject| {
        begin(subject);
        let open = sweep_of("a", 3);
        let first = |n: u64| Some((0..n).map(|n| open.trial(n).unwrap().id()).collect::<Vec<_>>());
        assert_eq!(passed(subject), None);
        // Trial 1 got its number before trial 0: two runs.
        commit(subject, vec![leased_at(&open, 0), advance(&open, &[0, 1])], vec![]);
        assert_eq!(passed(subject), first(2));
        commit(subject, vec![advance(&open, &[1])], vec![]);
        assert_eq!(passed(subject), first(2), "what was passed is not passed again");
        commit(subject, vec![advance(&open, &[])], vec![]);
        assert_eq!(passed(subject), first(2), "what was looked at is not passed");
        commit(subject, vec![leased_at(&open, 2), advance(&open, &[2])], vec![]);
        assert_eq!(passed(subject), first(3));
        let sweep = SweepId(1);
        for begins_anew in [
            Event::SweepSubmitted { sweep, open: Arc::clone(&open), priority: 0 },
            Event::SweepReinstated { sweep },
        ] {
            commit(subject, vec![begins_anew], vec![]);
            assert_eq!(passed(subject), None);
            commit(subject, vec![advance(&open, &[0, 1, 2])], vec![]);
            assert_eq!(passed(subject), first(3));
        }
        let edited = Event::SweepSubmitted { sweep, open: sweep_of("b", 3), priority: 0 };
        commit(subject, vec![edited, advance(&open, &[1, 2])], vec![]);
        assert_eq!(passed(subject), None, "a way that does not begin at the beginning is not kept");
    });
}

#[test]
fn of_trials_passed_in_another_order_than_that_of_the_grid_those_behind_a_gap_are_not_kept() {
    for_every_store(|subject| {
        begin(subject);
        let open = sweep_of("a", 6);
        let first = |n: u64| Some((0..n).map(|n| open.trial(n).unwrap().id()).collect::<Vec<_>>());
        let mut events =
            vec![Event::SweepSubmitted { sweep: SweepId(1), open: Arc::clone(&open), priority: 0 }];
        events.extend([0, 2, 3, 4, 5].map(|index| leased_at(&open, index)));
        commit(subject, events, vec![]);
        commit(subject, vec![advance(&open, &[5, 3])], vec![]);
        assert_eq!(passed(subject), None, "the first three are not passed");
        commit(subject, vec![advance(&open, &[4, 1, 0])], vec![]);
        assert_eq!(passed(subject), first(2), "in the order of the grid, as far as there is no gap");
        commit(subject, vec![advance(&open, &[2])], vec![]);
        assert_eq!(passed(subject), first(3), "what was passed behind the gap was not kept");
        commit(subject, vec![advance(&open, &[5, 4, 2, 0, 3])], vec![]);
        assert_eq!(
            passed(subject),
            first(6),
            "it is passed again after a restart, with what was kept or without"
        );
    });
}

#[test]
fn a_cursor_over_other_trials_than_the_grid_has_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut subject = Sqlite { store: SqliteStore::open(folder.path()).unwrap(), folder };
    begin(&mut subject);
    let (open, trial) = (sweep_of("a", 3), spec().id());
    let wrong = vec![Passed { index: 0, trial, work: Work::of(&spec().choices) }];
    let advanced = Event::CursorAdvanced { sweep: SweepId(1), cursor: 1, ahead: Vec::new(), passed: wrong };
    commit(&mut subject, vec![advanced], vec![]);
    assert_eq!(passed(&mut subject), None, "its trial 0 is another one");
    commit(&mut subject, vec![leased_at(&open, 0), advance(&open, &[0])], vec![]);
    assert_eq!(passed(&mut subject), Some(vec![open.trial(0).unwrap().id()]));
}

#[test]
fn one_pass_over_a_sweep_tells_what_the_pages_do_and_nothing_of_other_sweeps() {
    for_every_store(|subject| {
        begin(subject);
        let open = sweep_of("a", 3);
        let other = Arc::new(sweep_of("other", 3).trial(0).unwrap());
        let [other, failed] = [other, Arc::new(open.trial(2).unwrap())].map(|spec| {
            let fence = Fence { term: Term(1), trial: spec.id(), attempt: Attempt(1) };
            let (worker, worker_name) = (WorkerId(1), "worker".into());
            (spec.id(), Event::AttemptLeased { fence, spec, worker, worker_name, expires: Moment(9) })
        });
        let failure = Failure { kind: FailureKind::Panic, detail: "index out of bounds".to_owned() };
        let fails = |trial| Event::TrialFailed { trial, failure: failure.clone() };
        let (mut events, record) = finished(&success(), 1);
        let is_other_s =
            other.0 != spec().id() && open.index_of(&sweep_of("other", 3).trial(0).unwrap()).is_none();
        events.extend([other.1, fails(other.0), failed.1, fails(failed.0)]);
        commit(subject, events, vec![record]);
        for detail in [Detail::End, Detail::Measures] {
            let mut seen = std::collections::BTreeMap::new();
            let mut take = |index, trial| assert_eq!(seen.insert(index, trial), None, "each once");
            subject.read().for_each_ended(&open, detail, &mut take).unwrap();
            let paged = subject.read().ended(0, 10).unwrap();
            let expected =
                paged.into_iter().filter_map(|of| Some((open.index_of(&of.spec)?, of.cut(detail))));
            assert_eq!(seen, expected.collect());
            assert_eq!(seen.len(), if is_other_s { 2 } else { 3 });
            let summary = seen[&1].summary.as_ref();
            assert_eq!(summary.is_some(), detail == Detail::Measures);
            let matrices = summary.and_then(|of| Some(of.evaluation.as_ref()?.matrices.clone()));
            assert!(matrices.is_none_or(|of| of[0].sparsity == 1.0 / 3.0 && of[0].histogram.is_empty()));
        }
    });
}

#[test]
fn a_trial_given_up_keeps_its_reason() {
    for_every_store(|subject| {
        begin(subject);
        let failure = Failure { kind: FailureKind::Panic, detail: "index out of bounds".to_owned() };
        let events = vec![
            ended(1, AttemptEnding::Failed(failure.clone())),
            Event::TrialFailed { trial: spec().id(), failure: failure.clone() },
        ];
        commit(subject, events, vec![]);
        let trials = subject.read().ended(0, 10).unwrap();
        assert_eq!((trials[0].end, &trials[0].failure), (TrialEnd::Failed, &Some(failure)));
        assert_eq!(trials[0].summary, None);
        assert!(matches!(subject.store().load().unwrap().last(), Some(Event::TrialFailed { .. })));
    });
}

#[test]
fn who_has_read_up_to_a_trial_reads_on_from_there() {
    for_every_store(|subject| {
        begin(subject);
        let failure = Failure { kind: FailureKind::Panic, detail: String::new() };
        commit(subject, vec![Event::TrialFailed { trial: spec().id(), failure }], vec![]);
        let first = subject.read().ended(0, 10).unwrap();
        assert_eq!((first.len(), first[0].end), (1, TrialEnd::Failed));
        assert!(subject.read().ended(first[0].sequence, 10).unwrap().is_empty());
        let (events, record) = finished(&success(), 1);
        commit(subject, events, vec![record]);
        let next = subject.read().ended(first[0].sequence, 10).unwrap();
        assert_eq!((next.len(), next[0].end), (1, TrialEnd::Succeeded), "a late result is read anew");
        assert_eq!(subject.read().ended(0, 10).unwrap().len(), 1, "and stands there once");
    });
}

#[test]
fn a_batch_of_an_earlier_term_is_refused_and_leaves_nothing() {
    for_every_store(|subject| {
        begin(subject);
        assert_eq!(subject.store().begin_term().unwrap(), Term(2));
        let (events, record) = finished(&success(), 1);
        let batch = Batch { term: Term(1), events, records: vec![record], previews: vec![], at_ms: 7 };
        let refused = subject.store().commit(&batch);
        assert!(matches!(refused, Err(StoreError::Superseded { current: Term(2), own: Term(1) })));
        assert!(subject.read().ended(0, 10).unwrap().is_empty());
    });
}

#[test]
fn previews_are_shown_until_the_result_replaces_them() {
    for_every_store(|subject| {
        begin(subject);
        let metrics = outcome(0.7).epochs[0];
        let preview = Preview { trial: spec().id(), attempt: Attempt(1), metrics };
        let stranger = Preview { trial: TrialId([0; 16]), ..preview };
        let batch = |previews| Batch { term: Term(1), previews, ..Batch::default() };
        commit(subject, vec![started(1, 0, 0)], vec![]);
        subject.store().commit(&batch(vec![preview, preview, stranger])).unwrap();
        assert_eq!(subject.read().epochs(spec().id()).unwrap(), vec![metrics]);
        assert_eq!(subject.read().running().unwrap()[0].last_epoch, Some(metrics));
        let (events, record) = finished(&success(), 1);
        commit(subject, events, vec![record]);
        subject.store().commit(&batch(vec![preview])).unwrap();
        assert_eq!(subject.read().epochs(spec().id()).unwrap(), success().epochs);
        assert!(subject.read().running().unwrap().is_empty());
    });
}

#[test]
fn attempts_are_kept_with_their_reasons() {
    for_every_store(|subject| {
        begin(subject);
        let lost = ended(1, AttemptEnding::Lost("the lease ran out".to_owned()));
        let resumed = started(2, 4, 5);
        let abandoned = ended(3, AttemptEnding::Abandoned("its worker went away".to_owned()));
        let released = ended(2, AttemptEnding::Released);
        let returned = ended(4, AttemptEnding::Returned);
        let events =
            vec![lost, leased(2), resumed, released, leased(3), abandoned, leased(4), returned, leased(5)];
        commit(subject, events, vec![]);
        assert!(subject.read().running().unwrap().is_empty(), "an attempt without a slot does not run");
        commit(subject, vec![started(5, 0, 0), leased(6)], vec![]);
        let attempts = subject.read().attempts(spec().id()).unwrap();
        let states: Vec<_> =
            attempts.iter().map(|a| (a.attempt.0, a.state.as_str(), a.detail.as_deref())).collect();
        assert_eq!(
            states,
            [
                (1, "lost", Some("the lease ran out")),
                (2, "released", None),
                (3, "abandoned", Some("its worker went away")),
                (4, "returned", None),
                (5, "running", None),
                (6, "offered", None)
            ]
        );
        let read_back = subject.store().load().unwrap();
        let blamed = read_back
            .iter()
            .filter(|event| matches!(event, Event::AttemptEnded { ending: AttemptEnding::Lost(_), .. }));
        assert_eq!((read_back.len(), blamed.count()), (1 + 6 + 4, 1));
        assert_eq!(attempts[0].ended_ms, Some(7));
        assert_eq!((attempts[1].from_epoch, attempts[1].from_step), (4, 5));
        assert_eq!(subject.read().attempted(None, 10).unwrap().len(), 1);
        assert!(subject.read().attempted(Some(spec().id()), 10).unwrap().is_empty());
    });
}

#[test]
fn a_trial_has_two_live_attempts_until_one_of_them_ends() {
    for_every_store(|subject| {
        begin(subject);
        commit(subject, vec![started(1, 0, 0), leased(2), started(2, 0, 0)], vec![]);
        assert_eq!(subject.read().running().unwrap().len(), 2);
        commit(subject, vec![ended(1, AttemptEnding::Lost("gone".to_owned()))], vec![]);
        let running = subject.read().running().unwrap();
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].attempt.attempt, Attempt(2));
    });
}

#[test]
fn a_quarantined_trial_stays_so_until_a_result_comes_after_all() {
    for_every_store(|subject| {
        begin(subject);
        let failure = Failure { kind: FailureKind::WorkerLost, detail: "three workers".to_owned() };
        let events = vec![
            ended(1, AttemptEnding::Lost("gone".to_owned())),
            Event::TrialQuarantined { trial: spec().id(), failure: failure.clone() },
        ];
        commit(subject, events, vec![]);
        let trials = subject.read().ended(0, 10).unwrap();
        assert_eq!((trials[0].end, &trials[0].failure), (TrialEnd::Quarantined, &Some(failure)));
        assert!(matches!(subject.store().load().unwrap().last(), Some(Event::TrialQuarantined { .. })));
        let (events, record) = finished(&success(), 1);
        commit(subject, events, vec![record]);
        let trials = subject.read().ended(0, 10).unwrap();
        assert_eq!((trials.len(), trials[0].end, &trials[0].failure), (1, TrialEnd::Succeeded, &None));
    });
}

#[test]
fn the_newest_checkpoint_is_kept_until_its_trial_starts_over_or_ends() {
    let kept = |epoch| KeptCheckpoint { digest: Digest([epoch as u8; 32]), length: 1 << 30, epoch, step: 7 };
    let keep =
        |epoch| Event::CheckpointKept { trial: spec().id(), attempt: Attempt(1), checkpoint: kept(epoch) };
    let failed = |kind| AttemptEnding::Failed(Failure { kind, detail: String::new() });
    let found = |subject: &mut dyn Subject| {
        let events = subject.store().load().unwrap();
        events.into_iter().find_map(|event| match event {
            Event::CheckpointKept { trial, attempt: Attempt(1), checkpoint } if trial == spec().id() => {
                Some(checkpoint)
            }
            _ => None,
        })
    };
    for_every_store(|subject| {
        begin(subject);
        assert_eq!(found(subject), None);
        commit(subject, vec![keep(1), keep(2)], vec![]);
        assert_eq!(found(subject), Some(kept(2)));
        commit(subject, vec![ended(1, failed(FailureKind::Timeout)), leased(2)], vec![]);
        assert_eq!(found(subject), Some(kept(2)), "it was not to blame");
        commit(subject, vec![ended(2, failed(FailureKind::Panic)), leased(3)], vec![]);
        assert_eq!(found(subject), None, "it may be to blame");
        commit(subject, vec![keep(3)], vec![]);
        let (events, record) = finished(&success(), 3);
        commit(subject, events, vec![record]);
        assert_eq!(found(subject), None, "a result needs none");
    });
}

#[test]
fn a_sweep_keeps_its_priority_and_whether_it_is_cancelled_until_another_file_takes_its_place() {
    for_every_store(|subject| {
        begin(subject);
        let sweep = SweepId(1);
        let stored = |subject: &mut dyn Subject| {
            let sweep = subject.read().sweeps().unwrap().remove(0);
            (sweep.priority, sweep.is_cancelled)
        };
        assert_eq!(stored(subject), (0, false));
        commit(subject, vec![Event::SweepPrioritized { sweep, priority: -4 }], vec![]);
        commit(subject, vec![Event::SweepCancelled { sweep }], vec![]);
        assert_eq!(stored(subject), (-4, true));
        let is_cancelled = |event: &Event| matches!(event, Event::SweepCancelled { .. });
        assert!(subject.store().load().unwrap().iter().any(is_cancelled));
        commit(subject, vec![Event::SweepReinstated { sweep }], vec![]);
        assert_eq!(stored(subject), (-4, false));
        commit(subject, vec![Event::SweepCancelled { sweep }], vec![]);
        let edited = Event::SweepSubmitted { sweep, open: sweep_of("a", 2), priority: 9 };
        commit(subject, vec![edited], vec![]);
        assert_eq!(stored(subject), (9, false));
        assert!(!subject.store().load().unwrap().iter().any(is_cancelled));
    });
}

#[test]
fn a_trial_that_is_opened_again_has_not_ended_and_what_went_wrong_before_is_marked() {
    for_every_store(|subject| {
        begin(subject);
        let trial = spec().id();
        let failure = Failure { kind: FailureKind::Panic, detail: String::new() };
        let failed = |attempt| ended(attempt, AttemptEnding::Failed(failure.clone()));
        let events = vec![failed(1), Event::TrialFailed { trial, failure: failure.clone() }];
        commit(subject, events, vec![]);
        commit(subject, vec![Event::TrialReopened { trial }], vec![]);
        assert!(subject.read().ended(0, 10).unwrap().is_empty());
        commit(subject, vec![leased(2), failed(2)], vec![]);
        let story: Vec<_> = subject.store().load().unwrap().iter().map(kind_of).collect();
        assert_eq!(story, ["sweep", "leased", "ended", "reopened", "leased", "ended"]);
        commit(subject, vec![Event::TrialCancelled { trial }], vec![]);
        let trials = subject.read().ended(0, 10).unwrap();
        assert_eq!((trials[0].end, &trials[0].failure), (TrialEnd::Cancelled, &None));
        assert_eq!(subject.store().load().unwrap().last().map(kind_of), Some("cancelled"));
        let (events, record) = finished(&success(), 2);
        commit(subject, events, vec![record]);
        commit(subject, vec![Event::TrialReopened { trial }], vec![]);
        assert_eq!(subject.read().ended(0, 10).unwrap().len(), 1, "a result stays");
    });
}

fn kind_of(event: &Event) -> &'static str {
    match event {
        Event::SweepSubmitted { .. } => "sweep",
        Event::AttemptLeased { .. } => "leased",
        Event::AttemptEnded { .. } => "ended",
        Event::TrialReopened { .. } => "reopened",
        Event::TrialCancelled { .. } => "cancelled",
        other => panic!("not expected: {other:?}"),
    }
}

#[test]
fn conflicts_are_kept_with_their_results() {
    for_every_store(|subject| {
        begin(subject);
        let other = outcome(0.25);
        let (trial, digest) = (spec().id(), other.digest());
        let conflict = Event::ResultConflicted { trial, attempt: Attempt(1), digest, outcome: other };
        commit(subject, vec![conflict], vec![]);
        assert_eq!(subject.read().conflicts().unwrap(), 1);
        let results = subject.read().results(trial).unwrap();
        assert_eq!(results.recorded, None);
        assert_eq!((results.conflicts.len(), results.conflicts[0].digest), (1, digest));
        match subject.store().load().unwrap().pop() {
            Some(Event::ResultConflicted { trial: of, attempt: Attempt(1), digest: stored, outcome }) => {
                assert_eq!((of, stored), (trial, digest));
                assert_eq!(outcome.digest(), digest, "to the bit");
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_store_of_the_first_layout_is_brought_up_to_date_and_copied_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(super::migrations::ALL[0]).unwrap();
    let digest = Digest::of(super::migrations::ALL[0].as_bytes()).to_string();
    connection
        .execute_batch(&format!(
            "CREATE TABLE migration (number INTEGER PRIMARY KEY, digest TEXT NOT NULL) STRICT;
             INSERT INTO migration VALUES (1, '{digest}');
             INSERT INTO conflict VALUES ('{}', 1, '{digest}', 7);
             PRAGMA user_version = 1",
            spec().id()
        ))
        .unwrap();
    drop(connection);
    let conflicts = || SqliteReader::open(folder.path()).unwrap().conflicts().unwrap();
    assert_eq!(conflicts(), 1, "readers understand both layouts");
    let mut store = SqliteStore::open(folder.path()).unwrap();
    assert!(store.load().unwrap().is_empty(), "a result that was not kept is not made up");
    assert_eq!(conflicts(), 1);
    assert!(folder.path().join("store.before-layout-2.sqlite").exists());
}

#[test]
fn readers_understand_every_layout_that_there_was() {
    let every = super::migrations::ALL;
    for layout in 1..=every.len() {
        let folder = tempfile::tempdir().unwrap();
        let connection = rusqlite::Connection::open(folder.path().join("store.sqlite")).unwrap();
        every[..layout].iter().for_each(|text| connection.execute_batch(text).unwrap());
        connection.pragma_update(None, "user_version", layout as u32).unwrap();
        drop(connection);
        let reader = SqliteReader::open(folder.path()).unwrap();
        let trial = spec().id();
        assert!(reader.sweeps().is_ok_and(|sweeps| sweeps.is_empty()), "layout {layout}");
        assert!(reader.ended(0, 10).is_ok_and(|ended| ended.is_empty()), "layout {layout}");
        assert!(reader.results(trial).is_ok(), "layout {layout}");
        assert!(reader.attempts(trial).is_ok_and(|attempts| attempts.is_empty()), "layout {layout}");
        assert!(reader.running().is_ok_and(|running| running.is_empty()), "layout {layout}");
        assert!(reader.attempted(None, 10).is_ok_and(|attempted| attempted.is_empty()), "layout {layout}");
        assert!(reader.conflicts().is_ok_and(|conflicts| conflicts == 0), "layout {layout}");
    }
}

#[test]
fn a_store_in_which_a_trial_has_lost_its_id_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let mut subject = Sqlite { store: SqliteStore::open(folder.path()).unwrap(), folder };
    begin(&mut subject);
    let (events, record) = finished(&success(), 1);
    commit(&mut subject, events, vec![record]);
    assert!(subject.store.load().is_ok());
    let path = subject.folder.path().join("store.sqlite");
    rusqlite::Connection::open(path).unwrap().execute("DELETE FROM recent", []).unwrap();
    assert!(matches!(subject.store.load(), Err(StoreError::Damaged { .. })));
}

#[test]
fn one_process_writes_and_the_next_says_who_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(SqliteReader::open(folder.path()), Err(StoreError::Absent { .. })));
    let store = SqliteStore::open(folder.path()).unwrap();
    assert!(SqliteStore::is_in_use(folder.path()));
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::InUse { .. })));
    drop(store);
    assert!(!SqliteStore::is_in_use(folder.path()));
    assert!(SqliteStore::open(folder.path()).is_ok());
}

#[test]
fn a_file_that_is_no_store_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("store.sqlite"),
        "this is no database, whatever its name says".repeat(100),
    )
    .unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Damaged { .. })));
    assert!(matches!(SqliteReader::open(folder.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let connection = rusqlite::Connection::open(folder.path().join("store.sqlite")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let refused = SqliteStore::open(folder.path());
    assert!(matches!(refused, Err(StoreError::TooNew { found: 99, .. })));
    assert!(matches!(SqliteReader::open(folder.path()), Err(StoreError::TooNew { found: 99, .. })));
}
