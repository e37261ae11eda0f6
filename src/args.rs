//! What was typed.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Runs hyperparameter sweeps of multi-layer perceptrons: one file, one command, the same bytes everywhere.
#[derive(Parser, Debug)]
#[command(name = "gridsweep", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

const AFTER_HELP: &str = "Exit codes: 0 every trial succeeded or diverged, 1 unexpected error, 2 usage or sweep file \
wrong, 3 finished with failed or cancelled trials, or results that differ, 4 no worker, coordinator or store within reach, 130 interrupted (the same \
command goes on).";

impl Args {
    /// Reads the command line; what it does not say, the environment may.
    pub(crate) fn read() -> Args {
        Args::from(&Args::command().get_matches()).unwrap_or_else(|error| error.exit())
    }

    fn from(matches: &ArgMatches) -> Result<Args, clap::Error> {
        let mut args = Args::from_arg_matches(matches)?;
        args.global.typed = Typed::of(matches);
        Ok(args)
    }
}

/// Which of the two places of sweeps was typed: what is typed wins over the environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Typed {
    /// `--state`
    pub(crate) state: bool,
    /// `--server`
    pub(crate) server: bool,
}

impl Typed {
    fn of(matches: &ArgMatches) -> Typed {
        let Some((_, of_command)) = matches.subcommand() else { return Typed::default() };
        let is_typed = |name: &str| {
            // The command may have no such option.
            of_command.ids().any(|id| id == name)
                && of_command.value_source(name) == Some(ValueSource::CommandLine)
        };
        Typed { state: is_typed("state"), server: is_typed("server") }
    }
}

/// Options of every command.
#[derive(ClapArgs, Debug, Clone)]
pub(crate) struct Global {
    /// The folder in which sweeps and their results are kept
    #[arg(long, global = true, value_name = "DIR", env = "GRIDSWEEP_STATE", default_value = ".gridsweep")]
    pub(crate) state: PathBuf,
    /// Print results and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// How logs are written to standard error
    #[arg(long, global = true, value_enum, env = "GRIDSWEEP_LOG_FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Which of the places of sweeps the command line names itself.
    #[arg(skip)]
    pub(crate) typed: Typed,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// How to be let in by a coordinator on another machine. A token itself is never an argument: everyone on the machine
/// could see it.
#[derive(ClapArgs, Debug)]
pub(crate) struct CredentialArgs {
    /// The coordinator's certificate by its hash, as `gridsweep serve` prints it
    #[arg(long, value_name = "SHA256:HASH", env = "GRIDSWEEP_TLS_FINGERPRINT", conflicts_with = "tls_ca")]
    pub(crate) tls_fingerprint: Option<String>,
    /// Certificates (PEM), one of which vouches for the coordinator's
    #[arg(long, value_name = "FILE", env = "GRIDSWEEP_TLS_CA")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// A file that holds the token; or the environment's GRIDSWEEP_TOKEN is the token
    #[arg(long, value_name = "FILE", env = "GRIDSWEEP_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// Where the sweeps are, where that is not the state folder.
#[derive(ClapArgs, Debug)]
pub(crate) struct ServerArgs {
    /// Ask the coordinator that listens there, and leave the state folder alone. A typed --state wins over the environment
    #[arg(long, value_name = "HOST:PORT", env = "GRIDSWEEP_SERVER")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Check a sweep file without running anything
    Check(SweepFileArgs),
    /// Say what a sweep file would run: studies, cells, trials, FLOPs; writes nothing
    Plan(PlanArgs),
    /// Run a sweep on this machine; run it again to go on where it stopped
    Run(RunArgs),
    /// Run a coordinator for workers and sweeps from other processes
    Serve(ServeArgs),
    /// Run a worker for a coordinator
    Worker(WorkerArgs),
    /// Give a sweep to a coordinator that serves
    Submit(SubmitArgs),
    /// Say how sweeps stand
    Status(StatusArgs),
    /// Say everything about one trial: choices, attempts with reasons, curves, metrics
    Show(ShowArgs),
    /// Stop a sweep: what runs is revoked, what has ended stays; the same file again takes it back
    Cancel(SweepArgs),
    /// Give the failed and quarantined trials of a sweep new attempts; a cancelled sweep goes on
    Retry(SweepArgs),
    /// Print the tables of a sweep, also while it runs
    Table(TableArgs),
    /// Write the report of a sweep: a page with tables, figures and findings, also while it runs
    Report(ReportArgs),
    /// Draw a figure of a study as SVG or PNG, also while the sweep runs
    Figure(FigureArgs),
    /// Print results as data
    Export(ExportArgs),
    /// Run a sample of recorded trials again here and compare the results to the bit
    Verify(VerifyArgs),
    /// List every setting, family, data set and metric
    Catalog(CatalogArgs),
    /// Print a script that lets a shell complete what is typed
    Completions(CompletionsArgs),
}

/// A sweep file and what is changed in it.
#[derive(ClapArgs, Debug)]
pub(crate) struct SweepFileArgs {
    /// The sweep file (TOML)
    pub(crate) file: PathBuf,
    /// Change a setting of the file, as `replicates.count=1`; counts as an edit of the file
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) sweep: SweepFileArgs,
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Table)]
    pub(crate) format: PlanFormat,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum PlanFormat {
    /// For people
    Table,
    /// One JSON object
    Json,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) sweep: SweepFileArgs,
    /// Worker processes on this machine
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: u16,
    /// Trials that each worker runs at once [default: the cores, divided among the workers]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) threads: Option<u16>,
    /// Where the report goes [default: reports/NAME in the state folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// How often a running trial leaves a checkpoint
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = crate::duration::parse)]
    pub(crate) checkpoint_every: std::time::Duration,
    /// How long to go on without any worker before giving up
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = crate::duration::parse)]
    pub(crate) wait_for_workers: std::time::Duration,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct ServeArgs {
    /// How long a worker that is not heard of keeps its trials before others may have them for good
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::duration::parse)]
    pub(crate) lease: std::time::Duration,
    /// Where to listen; an address that other machines reach needs TLS and tokens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7433")]
    pub(crate) listen: SocketAddr,
    /// Speak TLS with a certificate that is made here and kept in the state folder
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub(crate) tls_self_signed: bool,
    /// Speak TLS with this certificate (PEM, the whole chain)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A folder with the files `worker`, `submit` and `read`, one token a line [default: `tokens` in the state folder, if
    /// it is there]
    #[arg(long, value_name = "DIR", env = "GRIDSWEEP_TOKENS")]
    pub(crate) tokens: Option<PathBuf>,
    /// Make a token for each role that has none in the state folder
    #[arg(long, conflicts_with = "tokens")]
    pub(crate) make_tokens: bool,
    /// Where to answer for health and metrics (HTTP; HTTPS where TLS is spoken)
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct WorkerArgs {
    /// Where the coordinator listens
    #[arg(long, value_name = "HOST:PORT", env = "GRIDSWEEP_SERVER", default_value = "127.0.0.1:7433")]
    pub(crate) connect: String,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    /// Trials to run at once [default: the cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) threads: Option<u16>,
    /// What people call this worker [default: host and process]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where to leave checkpoints [default: beside the worker's data]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// How often a running trial leaves a checkpoint
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = crate::duration::parse)]
    pub(crate) checkpoint_every: std::time::Duration,
    /// How long it may take to leave checkpoints and hand everything back when it is asked to end
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = crate::duration::parse)]
    pub(crate) grace: std::time::Duration,
    /// End when standard input does: how `run` takes its workers with it, however it ends
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) sweep: SweepFileArgs,
    /// Where the coordinator listens
    #[arg(long, value_name = "HOST:PORT", env = "GRIDSWEEP_SERVER", default_value = "127.0.0.1:7433")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    /// Free slots go to the sweeps with the highest number first and are shared among equals [default: as it was, 0 for a
    /// new sweep]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) priority: Option<i32>,
    /// Wait until every trial has ended, also through restarts of the coordinator
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait without any worker, or without a coordinator, before giving up
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = crate::duration::parse)]
    pub(crate) wait_for_workers: std::time::Duration,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct SweepArgs {
    /// A sweep's name or number, or `last`
    pub(crate) sweep: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Table)]
    pub(crate) format: PlanFormat,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct ShowArgs {
    /// The beginning of a trial's id, or `last`: the one that ended last
    pub(crate) trial: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Table)]
    pub(crate) format: PlanFormat,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct VerifyArgs {
    /// A sweep's name or number, or `last`
    pub(crate) sweep: String,
    /// How much of the recorded trials to run again: a share as `5%`, at least one, or a number
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = crate::commands::sample)]
    pub(crate) sample: crate::commands::Sample,
    /// Which ones: the same number picks the same trials of the same results
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Trials to run at once [default: the cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) threads: Option<u16>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Table)]
    pub(crate) format: PlanFormat,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct StatusArgs {
    /// A sweep's name or number, or `last` [default: all]
    pub(crate) sweep: Option<String>,
    /// Say it again whenever it changes, until everything has ended
    #[arg(long)]
    pub(crate) watch: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Table)]
    pub(crate) format: PlanFormat,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct TableArgs {
    /// A sweep's name or number, or `last`
    pub(crate) sweep: String,
    /// A study of the sweep [default: all]
    pub(crate) study: Option<String>,
    /// Axes whose values stand in the rows; those that neither these nor --columns name are added [default: as in the file]
    #[arg(long, value_name = "AXES", value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Axes over whose values the columns are spread
    #[arg(long, value_name = "AXES", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Metrics in the cells; `sparsity` is a column for each weight matrix. `gridsweep catalog` lists them
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub(crate) cells: Vec<String>,
    /// Compare every cell, replicate by replicate, with the one that has this and else the same choices, as
    /// `regularizer=none`; may be given again for another setting
    #[arg(long, value_name = "SETTING=VALUE")]
    pub(crate) baseline: Vec<String>,
    /// Tell what share of the variance each axis has, and their interactions
    #[arg(long)]
    pub(crate) effects: bool,
    /// How to print it
    #[arg(long, default_value = "table", value_parser = clap::builder::PossibleValuesParser::new(table_formats()))]
    pub(crate) format: String,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct FigureArgs {
    /// A sweep's name or number, or `last`
    pub(crate) sweep: String,
    /// A study of the sweep, where it has several
    pub(crate) study: Option<String>,
    /// What to draw; the options below are the keys of `[[study.figure]]`, and each kind has some of them
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(figure_kinds()))]
    pub(crate) kind: String,
    /// What runs along the horizontal axis: an axis of the study, or of the shape of its networks `depth`, `max_width`,
    /// `max_width_per_depth` or `parameters`
    #[arg(long, value_name = "AXIS")]
    pub(crate) x: Option<String>,
    /// Metrics to draw; of a heat map the vertical axis
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub(crate) y: Vec<String>,
    /// Metrics in the cells of a heat map
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub(crate) cells: Vec<String>,
    /// The axis whose levels get a panel each
    #[arg(long, value_name = "AXIS")]
    pub(crate) panels: Option<String>,
    /// Show only cells with this value; given again, those with either value or both settings
    #[arg(long = "where", value_name = "SETTING=VALUE")]
    pub(crate) only: Vec<String>,
    /// `best` shows one cell, `all` every one
    #[arg(long, value_name = "WHICH")]
    pub(crate) cell: Option<String>,
    /// The metric that the best cell is picked by [default: test_accuracy]
    #[arg(long, value_name = "METRIC")]
    pub(crate) by: Option<String>,
    /// Show this replicate, counted from 0
    #[arg(long, value_name = "NUMBER")]
    pub(crate) replicate: Option<u32>,
    /// `linear` or `log` [default: as the values suggest]
    #[arg(long, value_name = "SCALE")]
    pub(crate) x_scale: Option<String>,
    /// `linear` or `log` [default: as the values suggest]
    #[arg(long, value_name = "SCALE")]
    pub(crate) y_scale: Option<String>,
    /// What stands above the figure
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Where to write it, FILE.svg or FILE.png; further drawings go to FILE-2 and so on [default: SVG to stdout]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

fn figure_kinds() -> impl Iterator<Item = clap::builder::PossibleValue> {
    gridsweep_common::figure::ALL
        .iter()
        .map(|kind| clap::builder::PossibleValue::new(kind.name()).help(kind.about()))
}

fn table_formats() -> impl Iterator<Item = &'static str> {
    gridsweep_common::report::ALL.iter().map(|format| format.name())
}

#[derive(ClapArgs, Debug)]
pub(crate) struct ReportArgs {
    /// A sweep's name or number, or `last`
    pub(crate) sweep: String,
    /// Where it goes [default: reports/NAME in the state folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(ClapArgs, Debug)]
#[command(after_help = EXPORT_HELP)]
pub(crate) struct ExportArgs {
    /// A sweep's name or number, or `last`
    pub(crate) sweep: String,
    /// What to print
    #[arg(long, value_enum)]
    pub(crate) what: What,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    pub(crate) format: ExportFormat,
    /// Write it to this file, once it is complete, instead of printing it; with --what weights, the folder for the files
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const EXPORT_HELP: &str = "\
Columns of csv and parquet (optional ones: nothing where jsonl has null). Those of jsonl have the same names, nested.
  trials    trial, studies, replicate, state, failure_kind, failure_detail, epochs, the metrics by their names,
            sparsity_1 … and mean_absolute_1 … (one a weight matrix), confusion (JSON), weights_digest, numerics, choices.*
  epochs    trial, epoch, learning_rate, training_objective, training_loss, training_accuracy, validation_loss,
            validation_accuracy
  cells     studies, n_planned, n_done, n_diverged, n_failed, n_pending, for each metric and sparsity_1 … NAME_n, NAME_mean,
            NAME_sd, NAME_half_width (of the 95 % interval), choices.*
  attempts  trial, replicate, attempt, term, worker, state, failure, detail, from_epoch, from_step, started_ms, ended_ms,
            choices.*
choices.* is a column for every setting that any of them has, by its dotted name; lists are texts such as 128-64.
Whole numbers are INT64 in parquet, other numbers DOUBLE, texts UTF-8, switches BOOLEAN.";

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// One row a trial that has ended
    Trials,
    /// One row an epoch of such a trial
    Epochs,
    /// One row a cell of which any trial has ended: means over its replicates, with intervals
    Cells,
    /// One row an attempt, with times, workers and reasons
    Attempts,
    /// One safetensors file a trial that left its weights, in the folder --out
    Weights,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ExportFormat {
    /// One JSON object a line
    Jsonl,
    /// A line of names, then one line a row
    Csv,
    /// Apache Parquet, for pandas, polars, DuckDB and others
    Parquet,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct CatalogArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Table)]
    pub(crate) format: PlanFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_was_typed_is_known_wherever_it_was() {
        let cases: [(&[&str], [bool; 2]); 6] = [
            (&["status"], [false, false]),
            (&["--state", "x", "status"], [true, false]),
            (&["status", "--state", "x"], [true, false]),
            (&["status", "--server", "h:1"], [false, true]),
            (&["--state=x", "export", "s", "--what", "trials", "--server=h:1"], [true, true]),
            (&["check", "x.toml"], [false, false]),
        ];
        for (typed, [state, server]) in cases {
            let typed_all = ["gridsweep"].iter().chain(typed);
            let args = Args::from(&Args::command().get_matches_from(typed_all)).unwrap();
            assert_eq!(args.global.typed, Typed { state, server }, "{typed:?}");
        }
    }
}
