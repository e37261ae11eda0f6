//! What was typed, resolved against the machine and the environment. Pure: a table of cases tests it.

use crate::args::{RunArgs, Typed};
use crate::error::CommandError;
use anyhow::anyhow;
use std::fmt;
use std::path::{Path, PathBuf};

/// What the environment says that matters here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `GRIDSWEEP_DATA`: where data sets are looked for first.
    pub(crate) data: Option<PathBuf>,
    /// `GRIDSWEEP_KERNEL`: which kernel is to compute.
    pub(crate) kernel: Option<String>,
    /// `GRIDSWEEP_TOKEN`: what opens a coordinator.
    pub(crate) token: Option<Secret>,
    /// The cores that this process may use.
    pub(crate) cores: usize,
}

impl Environment {
    /// Reads the real one.
    pub(crate) fn read() -> Environment {
        let text = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Environment {
            data: text("GRIDSWEEP_DATA").map(PathBuf::from),
            kernel: text("GRIDSWEEP_KERNEL").map(|value| value.to_string_lossy().into_owned()),
            token: text("GRIDSWEEP_TOKEN").map(|value| Secret(value.to_string_lossy().into_owned())),
            cores: gridsweep_worker::cores(),
        }
    }
}

/// What must not be seen.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How many worker processes `run` starts, and how many slots each has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crew {
    pub(crate) workers: usize,
    pub(crate) threads: usize,
}

/// Divides the cores among the workers, unless the command line says otherwise.
pub(crate) fn crew(args: &RunArgs, environment: &Environment) -> Crew {
    let workers = usize::from(args.workers);
    let share = (environment.cores / workers).max(1);
    Crew { workers, threads: args.threads.map_or(share, usize::from) }
}

/// Returns the coordinator that is to be asked; `None` says that the state folder is looked at. What was typed wins over the
/// environment, and both cannot be meant.
pub(crate) fn asked_server(server: Option<&str>, typed: Typed) -> Result<Option<&str>, CommandError> {
    match typed {
        Typed { state: true, server: true } => Err(CommandError::usage(anyhow!(
            "--state and --server are two places: give the folder or the coordinator, not both"
        ))),
        Typed { state: true, server: false } => Ok(None),
        Typed { state: false, .. } => Ok(server),
    }
}

/// Returns where data sets are looked for, best first.
pub(crate) fn data_places(sweep_file: &Path, environment: &Environment) -> Vec<PathBuf> {
    let beside = sweep_file.parent().unwrap_or(Path::new("")).join("data");
    let mut places: Vec<PathBuf> = environment.data.iter().cloned().collect();
    for place in [beside, PathBuf::from("sweeps/data")] {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn crew_of(typed: &[&str], cores: usize) -> Crew {
        let typed = ["gridsweep", "run", "x.toml"].iter().chain(typed);
        let Command::Run(args) = Args::try_parse_from(typed).unwrap().command else { panic!("not run") };
        crew(&args, &Environment { cores, ..Environment::default() })
    }

    #[test]
    fn cores_are_divided_among_the_workers() {
        let cases: [(&[&str], usize, (usize, usize)); 5] = [
            (&[], 8, (1, 8)),
            (&["--workers", "2"], 8, (2, 4)),
            (&["--workers", "3"], 2, (3, 1)),
            (&["--workers", "2", "--threads", "5"], 8, (2, 5)),
            (&["--threads", "1"], 8, (1, 1)),
        ];
        for (typed, cores, (workers, threads)) in cases {
            assert_eq!(crew_of(typed, cores), Crew { workers, threads }, "{typed:?} on {cores} cores");
        }
    }

    #[test]
    fn what_is_typed_wins_over_the_environment_and_two_places_are_no_place() {
        let typed = |state, server| Typed { state, server };
        let cases = [
            (None, typed(false, false), Some(None)),
            (None, typed(true, false), Some(None)),
            // Of the environment.
            (Some("h:1"), typed(false, false), Some(Some("h:1"))),
            (Some("h:1"), typed(true, false), Some(None)),
            (Some("h:1"), typed(false, true), Some(Some("h:1"))),
            (Some("h:1"), typed(true, true), None),
        ];
        for (server, typed, expected) in cases {
            let asked = asked_server(server, typed);
            assert_eq!(asked.as_ref().ok().copied(), expected, "{server:?} {typed:?}");
        }
        let error = asked_server(Some("h:1"), typed(true, true)).unwrap_err();
        assert_eq!(error.kind, crate::error::Kind::Usage);
    }

    #[test]
    fn what_the_environment_says_can_be_printed_without_its_token() {
        let environment = Environment { token: Some(Secret("hush".to_owned())), ..Environment::default() };
        assert!(!format!("{environment:?}").contains("hush"));
    }

    #[test]
    fn data_is_looked_for_where_the_environment_says_first() {
        let environment = Environment { data: Some("/d".into()), ..Environment::default() };
        let places = data_places(Path::new("a/x.toml"), &environment);
        assert_eq!(places, ["/d", "a/data", "sweeps/data"].map(PathBuf::from));
        let places = data_places(Path::new("sweeps/x.toml"), &Environment::default());
        assert_eq!(places, ["sweeps/data"].map(PathBuf::from));
    }
}
