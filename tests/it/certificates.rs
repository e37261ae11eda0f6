//! A coordinator whose certificate an authority has signed: who trusts the authority joins, and every certificate that is not
//! the right one is told apart.

use crate::support::{Place, Running, SWEEP, gridsweep, output, said, stdout, wait_until};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority as an organisation has one: what vouches for servers is itself vouched for by what clients trust.
struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    between: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let (root, between) = (authority(&format!("{name}, root")), authority(&format!("{name}, servers")));
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let between = CertifiedIssuer::signed_by(between, KeyPair::generate().unwrap(), &root).unwrap();
        Authority { root, between }
    }

    /// Writes what clients are to trust.
    fn trusted(&self, place: &Place, name: &str) -> PathBuf {
        place.write(name, &self.root.pem())
    }

    /// Writes a server's chain and key, valid between two years.
    fn issues(&self, place: &Place, name: &str, host: &str, years: [i32; 2]) -> [PathBuf; 2] {
        let mut server = CertificateParams::new(vec![host.to_owned()]).unwrap();
        server.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        [server.not_before, server.not_after] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().unwrap();
        let chain = server.signed_by(&key, &self.between).unwrap().pem() + &self.between.pem();
        [
            place.write(&format!("{name}.pem"), &chain),
            place.write(&format!("{name}.key"), &key.serialize_pem()),
        ]
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages.push(KeyUsagePurpose::KeyCertSign);
    parameters
}

/// A coordinator that shows a certificate.
struct Coordinator {
    port: u16,
    log: PathBuf,
    _running: Running,
}

impl Coordinator {
    fn start(place: &Place, name: &str, [chain, key]: &[PathBuf; 2]) -> Coordinator {
        let log = place.path(&format!("{name}.log"));
        let mut serve = gridsweep(&place.path(name));
        serve.args(["serve", "--listen", "127.0.0.1:0", "--tls-cert"]).arg(chain).arg("--tls-key").arg(key);
        let running = Running::logged(&mut serve, &log);
        wait_until("the coordinator serves", || said(&log).contains("gridsweep submit"));
        let address = said(&log).split_once("serving at 127.0.0.1:").unwrap().1.to_owned();
        Coordinator { port: address.split(',').next().unwrap().parse().unwrap(), log, _running: running }
    }

    /// A command, with the way to this coordinator under one of its names.
    fn by(&self, place: &Place, words: &[&str], host: &str, trust: &Path) -> Command {
        let mut command = gridsweep(&place.path("elsewhere"));
        command.args(words).arg(format!("{host}:{}", self.port)).arg("--tls-ca").arg(trust);
        command
    }

    /// What a worker and a command say that do not come in; neither tries again.
    fn refuses(&self, place: &Place, host: &str, trust: &Path) -> [String; 2] {
        [&["worker", "--threads", "1", "--connect"][..], &["status", "--server"]].map(|words| {
            let output = output(&mut self.by(place, words, host, trust));
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(4), "{words:?}: {text}");
            assert!(text.contains("certificate is not the expected one: ") && !text.contains("panicked"));
            text
        })
    }
}

#[test]
fn whoever_trusts_the_authority_joins_by_the_name_in_the_certificate() {
    let (place, ours) = (Place::new(), Authority::new("ours"));
    let file = place.write("small.toml", SWEEP);
    let trust = ours.trusted(&place, "ours.pem");
    let serve = Coordinator::start(&place, "serve", &ours.issues(&place, "head", "localhost", [2020, 2100]));
    let log = place.path("worker.log");
    let mut worker = serve.by(&place, &["worker", "--threads", "1", "--connect"], "localhost", &trust);
    let worker = Running::logged(&mut worker, &log);
    let mut submit = serve.by(&place, &["submit", "--wait", "--server"], "localhost", &trust);
    stdout(submit.arg(&file).args(["--set", "base.epochs=1"]));
    let status = stdout(&mut serve.by(&place, &["status", "--server"], "localhost", &trust));
    assert!(status.contains("small: ended"), "{status}");
    assert!(said(&log).contains("connected"), "{}", said(&log));
    drop(worker);
}

#[test]
fn every_other_certificate_is_refused_with_what_is_wrong_with_it() {
    let (place, ours, others) = (Place::new(), Authority::new("ours"), Authority::new("others"));
    let trust = ours.trusted(&place, "ours.pem");
    let other_trust = others.trusted(&place, "others.pem");
    let right = ours.issues(&place, "head", "localhost", [2020, 2100]);
    let expired = ours.issues(&place, "expired", "localhost", [2020, 2021]);
    let early = ours.issues(&place, "early", "localhost", [2090, 2100]);
    let serve = Coordinator::start(&place, "serve", &right);
    let over = Coordinator::start(&place, "over", &expired);
    let soon = Coordinator::start(&place, "soon", &early);
    for (coordinator, host, trust, says) in [
        (&serve, "localhost", &other_trust, "none of the certificates given vouches for it"),
        (&serve, "127.0.0.1", &trust, "it is for DnsName(\"localhost\"), not for \"127.0.0.1\""),
        (&over, "localhost", &trust, "by this machine's clock it expired "),
        (&soon, "localhost", &trust, "by this machine's clock it is not valid for another "),
    ] {
        for text in coordinator.refuses(&place, host, trust) {
            assert!(text.contains(says), "\"{says}\" is not said: {text}");
        }
        assert!(!said(&coordinator.log).contains("panicked"), "{}", said(&coordinator.log));
    }
    // What was refused is let in where only that is put right.
    let status = stdout(&mut serve.by(&place, &["status", "--server"], "localhost", &trust));
    assert!(status.contains("no sweep"), "{status}");
}

#[test]
fn a_chain_without_the_certificate_in_its_middle_is_not_vouched_for() {
    let (place, ours) = (Place::new(), Authority::new("ours"));
    let trust = ours.trusted(&place, "ours.pem");
    let [chain, key] = ours.issues(&place, "head", "localhost", [2020, 2100]);
    let text = std::fs::read_to_string(&chain).unwrap();
    let (leaf, _) = text.split_once("-----END CERTIFICATE-----\n").unwrap_or_else(|| {
        text.split_once("-----END CERTIFICATE-----\r\n").expect("a certificate has an end")
    });
    std::fs::write(&chain, format!("{leaf}-----END CERTIFICATE-----\n")).unwrap();
    let serve = Coordinator::start(&place, "serve", &[chain, key]);
    for text in serve.refuses(&place, "localhost", &trust) {
        assert!(text.contains("none of the certificates given vouches for it"), "{text}");
    }
}
