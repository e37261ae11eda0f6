//! Whom to believe in a TLS handshake.

use super::{ConnectError, RouteError, Trust};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    version,
};

/// Returns how to make TLS, if it is to be made.
pub(super) fn config(trust: &Trust) -> Result<Option<ClientConfig>, RouteError> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::SameMachine => return Ok(None),
        Trust::Fingerprint(expected) => {
            Arc::new(Pinned { expected: *expected, provider: Arc::clone(&provider) })
        }
        Trust::Authority(path) => authority(path, &provider)?,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .expect("ring has the cipher suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Some(config))
}

fn authority(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, RouteError> {
    let error = |reason: String| RouteError::Authority { path: path.to_owned(), reason };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|source| error(source.to_string()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(error("there is no certificate in it".to_owned()));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    verifier.build().map(|verifier| verifier as _).map_err(|source| error(source.to_string()))
}

/// Believes the one certificate with this hash, whatever it says of itself: whoever gave the hash has vouched for it.
/// That the other side has its key is checked as ever.
#[derive(Debug)]
struct Pinned {
    expected: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found: [u8; 32] = Sha256::digest(certificate).into();
        if found == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(OtherFingerprint(found))))))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it has the fingerprint SHA256:{}", .0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())]
struct OtherFingerprint([u8; 32]);

/// Says why a handshake failed.
pub(super) fn explain(error: std::io::Error) -> ConnectError {
    let reason = error.get_ref().and_then(|reason| reason.downcast_ref());
    match reason {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(other)))) => {
            ConnectError::Stranger(other.to_string())
        }
        Some(Error::InvalidCertificate(reason)) => ConnectError::Stranger(in_words(reason)),
        Some(_) => ConnectError::NotTls(error),
        None => ConnectError::Unreachable(error),
    }
}

/// What rustls says of the commonest mistakes is the name of a variant, or seconds since 1970.
fn in_words(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => "none of the certificates given vouches for it".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("by this machine's clock it expired {} ago", rough_span(ago))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let still = not_before.as_secs().saturating_sub(time.as_secs());
            format!("by this machine's clock it is not valid for another {}", rough_span(still))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = match presented.as_slice() {
                [] => "no name at all".to_owned(),
                names => names.join(", "),
            };
            format!("it is for {names}, not for \"{}\"", expected.to_str())
        }
        other => other.to_string(),
    }
}

/// A span of time as people say it: in whole days, or hours, or seconds.
fn rough_span(seconds: u64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} hours", seconds / 3_600),
        _ => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words() {
        let at = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(days * 86_400));
        let expected = || ServerName::try_from("head").unwrap();
        let other = |presented| CertificateError::NotValidForNameContext { expected: expected(), presented };
        for (reason, says) in [
            (CertificateError::UnknownIssuer, "none of the certificates given vouches for it"),
            (
                CertificateError::ExpiredContext { time: at(30), not_after: at(20) },
                "by this machine's clock it expired 10 days ago",
            ),
            (
                CertificateError::NotValidYetContext { time: at(1), not_before: at(2) },
                "by this machine's clock it is not valid for another 24 hours",
            ),
            (other(vec!["DnsName(\"tail\")".to_owned()]), "it is for DnsName(\"tail\"), not for \"head\""),
            (other(vec![]), "it is for no name at all, not for \"head\""),
        ] {
            assert_eq!(in_words(&reason), says);
        }
        assert_eq!(rough_span(59), "59 seconds");
    }
}
