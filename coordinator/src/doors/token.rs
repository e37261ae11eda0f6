//! Tokens: who may do what. A token is kept as its hash, is compared in constant time, and is never written anywhere but
//! to the file that it comes from.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio_rustls::rustls::crypto::ring;

/// What the bearer of a token may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Run trials.
    Worker,
    /// Submit and cancel sweeps, and look.
    Submit,
    /// Look.
    Read,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 3] = [Role::Worker, Role::Submit, Role::Read];

    /// Returns its name: the file in which its tokens stand.
    pub fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Submit => "submit",
            Role::Read => "read",
        }
    }

    fn includes(self, other: Role) -> bool {
        self == other || (self, other) == (Role::Submit, Role::Read)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The bytes of chance in a token that is made here.
const TOKEN_BYTES: usize = 32;
/// The shortest token that is taken, in characters: below this one could be guessed.
const TOKEN_CHARACTERS_MIN: usize = 24;
/// The longest file of tokens, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The tokens that a coordinator knows.
#[derive(Clone, Default)]
pub struct Tokens {
    known: Vec<(Role, blake3::Hash)>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.known.len())
    }
}

/// Why tokens cannot be used. None of these says what is in a file.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file or folder cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others on this machine could read it.
    #[error("{path} can be read by others: run `chmod go-rwx` on it")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// A line is no token.
    #[error(
        "{path}:{line}: a token has {TOKEN_CHARACTERS_MIN} characters or more, none of them a space or special character"
    )]
    NoToken {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The folder holds no token.
    #[error("{path} holds no token: a file `worker`, `submit` or `read` with one a line is expected there")]
    None {
        /// The folder.
        path: PathBuf,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers to make a token of")]
    NoChance,
}

/// What a presented token is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It permits what is asked.
    Permits,
    /// It is known, and for something else.
    OtherRole(Role),
    /// It is not known.
    Unknown,
}

impl Tokens {
    /// Returns whether there is none: then nothing is asked of anyone.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Reads a folder with a file for each role, one token a line, `#` before a remark. Several tokens of a role let one
    /// replace another without a moment in which neither holds. A file must not be readable by others than its owner,
    /// and its group where `group_may_read`.
    pub fn read(folder: &Path, group_may_read: bool) -> Result<Tokens, TokenError> {
        let mut known = Vec::new();
        for role in Role::ALL {
            let path = folder.join(role.name());
            let Some(text) = read_file(&path, group_may_read)? else { continue };
            for (line, token) in (1..).zip(text.lines().map(str::trim)) {
                if token.is_empty() || token.starts_with('#') {
                    continue;
                }
                let is_plain = token.chars().all(|c| c.is_ascii_graphic());
                if !is_plain || token.len() < TOKEN_CHARACTERS_MIN {
                    return Err(TokenError::NoToken { path, line });
                }
                known.push((role, blake3::hash(token.as_bytes())));
            }
        }
        if known.is_empty() {
            return Err(TokenError::None { path: folder.to_owned() });
        }
        Ok(Tokens { known })
    }

    /// Makes a token for each role that has no file in the folder, readable by its owner alone.
    pub fn make(folder: &Path) -> Result<(), TokenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| TokenError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io(folder))?;
        for role in Role::ALL {
            let path = folder.join(role.name());
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let mut file = match file {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(io(&path)(error)),
            };
            let written =
                file.write_all(format!("{}\n", chance()?).as_bytes()).and_then(|()| file.sync_all());
            written.map_err(io(&path))?;
        }
        Ok(())
    }

    /// Judges a presented token. Every known one is compared, each in constant time, so that neither the time nor the order
    /// tells anything of them.
    pub(crate) fn judge(&self, presented: &[u8], needed: Role) -> Verdict {
        let presented = blake3::hash(presented);
        let mut verdict = Verdict::Unknown;
        for (role, known) in &self.known {
            // The equality of BLAKE3's hashes is documented to take constant time.
            let is_it = *known == presented;
            if is_it && role.includes(needed) {
                verdict = Verdict::Permits;
            } else if is_it && verdict == Verdict::Unknown {
                verdict = Verdict::OtherRole(*role);
            }
        }
        verdict
    }

    #[cfg(test)]
    pub(crate) fn with(tokens: &[(Role, &str)]) -> Tokens {
        Tokens { known: tokens.iter().map(|(role, token)| (*role, blake3::hash(token.as_bytes()))).collect() }
    }
}

/// Reads a file that only those may read who are meant to; `None` where there is none.
fn read_file(path: &Path, group_may_read: bool) -> Result<Option<String>, TokenError> {
    let io = |source| TokenError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mode = file.metadata().map_err(io)?.permissions().mode();
    if mode & if group_may_read { 0o007 } else { 0o077 } != 0 {
        return Err(TokenError::Exposed { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    Ok(Some(text))
}

/// Returns a new token in hexadecimal digits.
fn chance() -> Result<String, TokenError> {
    let mut bytes = [0; TOKEN_BYTES];
    ring::default_provider().secure_random.fill(&mut bytes).map_err(|_| TokenError::NoChance)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str, mode: u32) {
        std::fs::write(folder.join(name), text).unwrap();
        std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn tokens_that_are_made_are_for_their_role_and_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tokens");
        Tokens::make(&folder).unwrap();
        let made = Role::ALL.map(|role| std::fs::read_to_string(folder.join(role.name())).unwrap());
        Tokens::make(&folder).unwrap();
        let again = Role::ALL.map(|role| std::fs::read_to_string(folder.join(role.name())).unwrap());
        assert_eq!(made, again, "those that are there stay");
        let tokens = Tokens::read(&folder, false).unwrap();
        for (own, text) in Role::ALL.into_iter().zip(&made) {
            let mode = std::fs::metadata(folder.join(own.name())).unwrap().permissions().mode();
            assert_eq!((mode & 0o777, text.trim().len()), (0o600, 2 * TOKEN_BYTES));
            for needed in Role::ALL {
                let permits = own == needed || (own, needed) == (Role::Submit, Role::Read);
                let expected = if permits { Verdict::Permits } else { Verdict::OtherRole(own) };
                assert_eq!(tokens.judge(text.trim().as_bytes(), needed), expected, "{own} for {needed}");
            }
        }
        assert_eq!(tokens.judge(b"", Role::Read), Verdict::Unknown);
        assert_eq!(tokens.judge(&made[0].trim().as_bytes()[1..], Role::Worker), Verdict::Unknown);
    }

    #[test]
    fn a_file_that_others_can_read_or_that_holds_no_token_is_refused_and_its_content_is_not_told() {
        let secret = "correct-horse-battery-staple";
        let cases: [(&str, u32, bool, &str); 6] = [
            (secret, 0o640, false, "chmod"),
            (secret, 0o604, false, "chmod"),
            (secret, 0o644, true, "chmod"),
            ("short-and-secret", 0o600, false, "worker:1:"),
            ("# remark\n\nwith a space in it and still long", 0o600, false, "worker:3:"),
            ("# nothing yet\n", 0o600, false, "holds no token"),
        ];
        for (text, mode, group_may_read, says) in cases {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), "worker", text, mode);
            let error = Tokens::read(folder.path(), group_may_read).unwrap_err();
            assert!(error.to_string().contains(says), "{text} {mode:o}: {error}");
            assert!(
                !format!("{error} {error:?}").contains("secret") && !format!("{error:?}").contains(secret)
            );
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "worker", &format!("# old\n{secret}\n {secret}-2 \n"), 0o640);
        let tokens = Tokens::read(folder.path(), true).unwrap();
        assert_eq!(tokens.judge(b"correct-horse-battery-staple-2", Role::Worker), Verdict::Permits);
        assert_eq!(format!("{tokens:?}"), "Tokens(2)");
    }
}
