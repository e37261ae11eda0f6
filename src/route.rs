//! The way to a coordinator, from what was typed and what the environment says.

use crate::args::CredentialArgs;
use crate::error::CommandError;
use crate::settings::Environment;
use anyhow::{Context, anyhow};
use gridsweep_worker::connect::{Route, RouteError, Trust, fingerprint};
use std::io::Read;
use std::path::Path;

/// The longest file with a token, in bytes.
const TOKEN_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Returns the way to the coordinator at `HOST:PORT`.
pub(crate) fn route(
    address: &str,
    credentials: &CredentialArgs,
    environment: &Environment,
) -> Result<Route, CommandError> {
    let trust = match (&credentials.tls_fingerprint, &credentials.tls_ca) {
        (Some(text), _) => fingerprint(text).map_err(CommandError::usage)?,
        (None, Some(path)) => Trust::Authority(path.clone()),
        (None, None) => Trust::SameMachine,
    };
    let from_file = credentials.token_file.as_deref().map(read_token).transpose()?;
    let token = from_file.or_else(|| environment.token.as_ref().map(|secret| secret.0.clone()));
    Route::new(address, &trust, token.as_deref()).map_err(explain)
}

/// Returns the way to a coordinator on this machine that asks for nothing.
pub(crate) fn of_this_machine(address: &str) -> Result<Route, CommandError> {
    Route::new(address, &Trust::SameMachine, None).map_err(explain)
}

fn explain(error: RouteError) -> CommandError {
    let is_unguarded = matches!(error, RouteError::Unguarded(_));
    let error = CommandError::usage(error);
    if !is_unguarded {
        return error;
    }
    error.hint("without TLS only this machine is spoken to; an ssh tunnel to 127.0.0.1 is another way")
}

/// Reads the first token of a file: a line that is not empty and no remark.
fn read_token(path: &Path) -> Result<String, CommandError> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text))
        .with_context(|| format!("cannot read the token from {}", path.display()))
        .map_err(CommandError::usage)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let token = lines.next().map(str::to_owned);
    token.ok_or_else(|| CommandError::usage(anyhow!("there is no token in {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Secret;

    #[test]
    fn a_token_file_wins_over_the_environment_and_no_error_tells_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "# for workers\n\n  hush-hush \nother\n").unwrap();
        assert_eq!(read_token(&file).unwrap(), "hush-hush");
        std::fs::write(&file, "two words\n").unwrap();
        let credentials =
            CredentialArgs { tls_fingerprint: None, tls_ca: None, token_file: Some(file.clone()) };
        let environment = Environment { token: Some(Secret("fine".to_owned())), ..Environment::default() };
        let error = route("127.0.0.1:1", &credentials, &environment).unwrap_err();
        assert!(
            error.source.to_string().contains("characters") && !error.source.to_string().contains("words")
        );
        std::fs::write(&file, "# nothing yet\n").unwrap();
        assert!(read_token(&file).unwrap_err().source.to_string().contains("no token in"));
    }
}
