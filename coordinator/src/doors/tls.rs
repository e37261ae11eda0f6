//! The coordinator's certificate: given, or made here and kept in the state folder.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, version};

/// What the coordinator shows, and proves to be its own, in a TLS handshake.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint())
    }
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or is not PEM.
    #[error("cannot read a {what} from {path}")]
    Read {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The certificate cannot be kept.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificate cannot be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The two do not go together, or are of a kind that is not supported.
    #[error("the certificate and the private key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

impl Identity {
    /// Reads a certificate chain and its private key from PEM files.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
        let read = |what, path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::Read { what, path, source }
        };
        let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<_, _>>)
            .map_err(read("certificate", certificate))?;
        if chain.is_empty() {
            return Err(read("certificate", certificate)(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(read("private key", key))?;
        let identity = Identity { chain, key: Arc::new(key) };
        identity.config(&[])?;
        Ok(identity)
    }

    /// Reads the certificate that was made in this folder, or makes one for these names: its fingerprint stays the same as
    /// long as the folder does.
    pub fn self_signed(folder: &Path, names: &[String]) -> Result<Identity, TlsError> {
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
        if !(certificate.exists() && key.exists()) {
            let made = rcgen::generate_simple_self_signed(names)?;
            let write = |path: &Path, source| TlsError::Write { path: path.to_owned(), source };
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|error| write(folder, error))?;
            for (path, text) in [(&key, made.signing_key.serialize_pem()), (&certificate, made.cert.pem())] {
                replace(path, text.as_bytes()).map_err(|error| write(path, error))?;
            }
        }
        Identity::from_files(&certificate, &key)
    }

    /// Returns `SHA256:` and the hash of the certificate in hexadecimal digits: what workers and submitters pin.
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::digest(&self.chain[0]);
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("SHA256:{digits}")
    }

    /// Returns what makes TLS of a connection on which one of these protocols is spoken.
    pub(crate) fn acceptor(&self, protocols: &[&str]) -> Result<TlsAcceptor, TlsError> {
        Ok(TlsAcceptor::from(Arc::new(self.config(protocols)?)))
    }

    fn config(&self, protocols: &[&str]) -> Result<ServerConfig, TlsError> {
        // Named here, because a process-wide default could be set only once.
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(self.chain.clone(), self.key.clone_key())
            })
            .map_err(TlsError::Unusable)?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }
}

/// Writes a file that its owner alone can read, at once or not at all.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_certificate_made_for_a_folder_stays_and_its_key_is_its_owner_s() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tls");
        let names = ["a.example".to_owned()];
        let first = Identity::self_signed(&folder, &names).unwrap();
        let again = Identity::self_signed(&folder, &["b.example".to_owned()]).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert!(first.fingerprint().starts_with("SHA256:") && first.fingerprint().len() == 7 + 64);
        let mode = std::fs::metadata(folder.join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = Identity::self_signed(&folder.join("other"), &names).unwrap();
        assert_ne!(first.fingerprint(), other.fingerprint());
        assert_eq!(format!("{first:?}"), format!("Identity({})", first.fingerprint()));
    }

    #[test]
    fn files_that_do_not_go_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        for folder in [&a, &b] {
            Identity::self_signed(folder, &["x".to_owned()]).unwrap();
        }
        let error = |certificate: PathBuf, key: PathBuf| {
            Identity::from_files(&certificate, &key).unwrap_err().to_string()
        };
        assert!(error(a.join("certificate.pem"), b.join("key.pem")).contains("together"));
        assert!(error(a.join("key.pem"), a.join("key.pem")).contains("certificate"));
        assert!(error(a.join("certificate.pem"), a.join("certificate.pem")).contains("private key"));
        assert!(error(a.join("nowhere"), a.join("key.pem")).contains("nowhere"));
    }
}
