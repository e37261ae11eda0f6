//! What people see beside the results: errors, notes, logs. Everything here goes to standard error.

use crate::args::LogFormat;
use crate::error::CommandError;
use console::style;
use std::io::Write;

/// Starts logging to standard error: warnings and what a worker does, or what `GRIDSWEEP_LOG` asks for.
pub(crate) fn start_logging(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GRIDSWEEP_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("warn,gridsweep_worker=info,simplecss=error,tiny_skia=error")
    });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log that cannot be written must not end what it speaks of.
        .log_internal_errors(false);
    match format {
        LogFormat::Json => subscriber.json().init(),
        LogFormat::Text => subscriber.with_ansi(console::colors_enabled_stderr()).init(),
    }
}

/// Prints an error with its causes and hints.
pub(crate) fn print_error(error: &CommandError) {
    let mut text = format!("{} {}", style("error:").red().bold().for_stderr(), error.source);
    for cause in error.source.chain().skip(1) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    for hint in &error.hints {
        text.push_str(&format!("\n  {} {hint}", style("hint:").cyan().for_stderr()));
    }
    print_line(&text);
}

/// Prints a line for people, unless they asked for quiet.
pub(crate) fn note(is_quiet: bool, text: &str) {
    if !is_quiet {
        print_line(text);
    }
}

/// Writes to standard error; when that is closed there is nobody left to tell.
fn print_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a result to standard output. A reader that has gone away (`| head`) ends the printing without a fuss.
pub(crate) fn print_result(text: &str) -> Result<(), CommandError> {
    print_bytes(text.as_bytes())
}

/// Prints a result that may be no text.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other
            .map_err(|error| CommandError::unexpected(anyhow::anyhow!("cannot write the result: {error}"))),
    }
}

/// Returns the width of the terminal that results go to, if they go to one.
pub(crate) fn result_width() -> Option<usize> {
    let out = console::Term::stdout();
    out.is_term().then(|| usize::from(out.size().1))
}

/// Writes a duration as people say it: `45 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} days", whole / 86_400),
    }
}

/// Writes a count with its noun: `1 trial`, `2 trials`, with thousands set apart.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// Writes a whole number with its thousands set apart by commas.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_read_as_people_write_them() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "trial"), "1 trial");
        assert_eq!(counted(1000, "trial"), "1,000 trials");
        assert_eq!(duration(59.4), "59 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7500.0), "2 h 5 min");
    }
}
