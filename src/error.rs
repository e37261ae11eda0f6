//! What a command ends with, and the documented exit codes.

use std::fmt;
use std::process::ExitCode;

/// How a command that did its work ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// All is well; of a sweep: every trial succeeded or diverged.
    Done,
    /// The sweep ended, and some trials have no result; or results are not what they should be.
    FailedTrials,
    /// Stopped by the user; the same command goes on.
    Interrupted,
}

impl Ending {
    /// Returns 0, 3 or 130.
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Ending::Done => 0,
            Ending::FailedTrials => 3,
            Ending::Interrupted => 130,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) kind: Kind,
    pub(crate) source: anyhow::Error,
    /// What the user could do about it.
    pub(crate) hints: Vec<String>,
}

/// What kind of error it is: decides the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Nobody's fault that could be named.
    Unexpected,
    /// The command line or the sweep file is wrong.
    Usage,
    /// No worker, no coordinator, or no store within reach.
    Infrastructure,
}

impl CommandError {
    pub(crate) fn usage(source: impl Into<anyhow::Error>) -> CommandError {
        CommandError { kind: Kind::Usage, source: source.into(), hints: Vec::new() }
    }

    pub(crate) fn infrastructure(source: impl Into<anyhow::Error>) -> CommandError {
        CommandError { kind: Kind::Infrastructure, source: source.into(), hints: Vec::new() }
    }

    pub(crate) fn unexpected(source: impl Into<anyhow::Error>) -> CommandError {
        CommandError { kind: Kind::Unexpected, source: source.into(), hints: Vec::new() }
    }

    /// Adds what the user could do.
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> CommandError {
        self.hints.push(hint.to_string());
        self
    }

    /// Returns 1, 2 or 4.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Unexpected => 1,
            Kind::Usage => 2,
            Kind::Infrastructure => 4,
        })
    }
}

impl From<gridsweep_coordinator::store::StoreError> for CommandError {
    fn from(error: gridsweep_coordinator::store::StoreError) -> CommandError {
        use gridsweep_coordinator::store::StoreError;
        match &error {
            StoreError::Absent { .. } => CommandError::usage(error)
                .hint("give the folder that `gridsweep run` wrote to with --state, or run a sweep first"),
            StoreError::Full { .. } => CommandError::infrastructure(error)
                .hint("nothing recorded is lost: make room and run the same command again"),
            _ => CommandError::infrastructure(error),
        }
    }
}
