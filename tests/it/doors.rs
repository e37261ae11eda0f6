//! Who is let in by a coordinator that other machines reach, and what of it they see.

use crate::support::{Place, Running, SWEEP, exports, gridsweep, output, stdout, wait_until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A coordinator that serves, with what it says on standard error.
struct Coordinator {
    running: Running,
    log: PathBuf,
    state: PathBuf,
}

impl Coordinator {
    fn start(place: &Place, arguments: &[&str]) -> Coordinator {
        let (state, log) = (place.path("state"), place.path("serve.log"));
        let mut command = gridsweep(&state);
        command.arg("serve").args(arguments).env("GRIDSWEEP_LOG", "trace");
        let running = start(&mut command, &log);
        wait_until("the coordinator serves", || said(&log).contains("serving at"));
        Coordinator { running, log, state }
    }

    /// The words after `name` in what it announced.
    fn announced(&self, name: &str) -> Vec<String> {
        let said = said(&self.log);
        let line = said.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.trim_start()[name.len()..].split_whitespace().map(str::to_owned).collect()
    }

    /// What it announced as the way to join it, with an address that this machine surely knows; and with another token.
    fn joining(&self, name: &str, token: Option<&Path>) -> Command {
        let mut words = self.announced(name);
        let at = words.iter().position(|word| word == "--connect" || word == "--server").unwrap() + 1;
        let (_, port) = words[at].rsplit_once(':').unwrap();
        words[at] = format!("127.0.0.1:{port}");
        if let Some(token) = token {
            let at = words.iter().position(|word| word == "--token-file").unwrap() + 1;
            words[at] = token.display().to_string();
        }
        // The state folder is the coordinator's own business.
        let mut command = gridsweep(&self.state.with_file_name("elsewhere"));
        command.args(words[1..].iter().filter(|word| *word != "FILE")).env("GRIDSWEEP_LOG", "trace");
        command
    }

    /// A command that looks, as the announced `submit` would.
    fn asking(&self, words: &[&str], token: Option<&Path>) -> Command {
        let submit = self.joining("sweeps:", token);
        let mut command = gridsweep(&self.state.with_file_name("elsewhere"));
        command.args(words).args(submit.get_args().skip(1));
        command
    }

    fn token(&self, role: &str) -> PathBuf {
        self.state.join("tokens").join(role)
    }
}

fn start(command: &mut Command, log: &Path) -> Running {
    let log = std::fs::File::create(log).unwrap();
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

fn said(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}

fn refused(output: &Output, code: i32, says: &str) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(says), "\"{says}\" is not said: {text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn an_address_that_other_machines_reach_needs_tls_and_tokens_and_the_error_says_how() {
    let place = Place::new();
    let serve = |arguments: &[&str]| {
        let listen = ["serve", "--listen", "0.0.0.0:0"];
        output(gridsweep(&place.path("state")).args(listen).args(arguments))
    };
    let text = refused(&serve(&[]), 2, "no TLS and no token");
    assert!(text.contains("--tls-self-signed --make-tokens") && text.contains("127.0.0.1"), "{text}");
    refused(&serve(&["--tls-self-signed"]), 2, "no token");
    refused(&serve(&["--make-tokens"]), 2, "no TLS");
    let key = place.path("state/tls/key.pem");
    refused(&serve(&["--tls-cert", "nowhere.pem", "--tls-key", key.to_str().unwrap()]), 2, "nowhere.pem");
    let token = place.path("state/tokens/read");
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o644)).unwrap();
    refused(&serve(&["--tls-self-signed"]), 2, "chmod");
    let metrics = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "0.0.0.0:0", "--state"];
    refused(&output(gridsweep(&place.path("x")).args(metrics).arg(place.path("other"))), 2, "no TLS");
    assert!(!place.path("state/store.sqlite").exists(), "nothing was opened");
}

#[test]
fn several_machines_join_with_the_printed_commands_and_no_token_is_seen_anywhere() {
    let place = Place::new();
    let file = place.write("small.toml", SWEEP);
    let mut seen = String::new();
    let serve = Coordinator::start(
        &place,
        &["--listen", "0.0.0.0:0", "--tls-self-signed", "--make-tokens", "--metrics-listen", "127.0.0.1:0"],
    );
    let worker_log = place.path("worker.log");
    let worker = start(&mut serve.joining("workers:", None), &worker_log);
    let mut submit = serve.joining("sweeps:", None);
    submit.arg(&file).arg("--wait").env("GRIDSWEEP_LOG", "trace");
    let submit = start(&mut submit, &place.path("submit.log"));
    wait_until("the worker has connected", || said(&worker_log).contains("connected"));
    for pid in [serve.running.0.id(), worker.0.id(), submit.0.id()] {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!line.is_empty());
        seen += &String::from_utf8_lossy(&line);
    }
    let mut submit = submit;
    assert_eq!(submit.wait(), Some(0), "{}", said(&place.path("submit.log")));
    looks_the_same_from_afar(&serve);
    for output in strangers_are_refused(&serve, &place) {
        seen += &output;
    }
    drop((worker, submit));
    for log in [&serve.log, &worker_log, &place.path("submit.log")] {
        seen += &said(log);
    }
    assert!(seen.len() > 100_000, "everything was logged: {}", seen.len());
    for role in ["worker", "submit", "read"] {
        let token = std::fs::read_to_string(serve.token(role)).unwrap();
        assert_eq!(token.trim().len(), 64);
        assert!(!seen.contains(token.trim()), "the token for {role} was seen");
    }
    let key = std::fs::read_to_string(serve.state.join("tls/key.pem")).unwrap();
    assert!(key.lines().nth(1).is_some_and(|line| line.len() > 32 && !seen.contains(line)));
}

/// What a command reads through the coordinator is what it reads from the folder.
fn looks_the_same_from_afar(serve: &Coordinator) {
    let read = serve.token("read");
    for words in [
        &["export", "small", "--what", "trials"][..],
        &["export", "small", "--what", "epochs"],
        &["export", "last", "--what", "attempts"],
        &["table", "small", "--format", "csv"],
        &["status", "small"],
    ] {
        let near = stdout(gridsweep(&serve.state).args(words));
        assert!(near.contains('\n') && near.len() > 40, "{near}");
        assert_eq!(stdout(&mut serve.asking(words, Some(&read))), near, "{words:?}");
    }
}

fn strangers_are_refused(serve: &Coordinator, place: &Place) -> Vec<String> {
    let wrong = place.write("wrong", &"0".repeat(64));
    let none = |mut command: Command| {
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let at = arguments.iter().position(|word| word == "--token-file").unwrap();
        command = gridsweep(&place.path("elsewhere"));
        command.args(&arguments[..at]).args(&arguments[at + 2..]);
        output(&mut command)
    };
    let file = place.path("small.toml");
    let submit = |token: &Path| output(serve.joining("sweeps:", Some(token)).arg(&file));
    let mut said = vec![
        refused(&output(&mut serve.joining("workers:", Some(&wrong))), 4, "not known"),
        refused(&none(serve.joining("workers:", None)), 4, "a token is needed"),
        refused(&output(&mut serve.joining("workers:", Some(&serve.token("read")))), 4, "one for `read`"),
        refused(&submit(&serve.token("read")), 2, "take one for `submit`"),
        refused(&submit(&serve.token("worker")), 2, "take one for `submit`"),
        refused(&output(&mut serve.asking(&["status"], Some(&serve.token("worker")))), 4, "one for `worker`"),
    ];
    // Somebody else's certificate is as good as none.
    let mut other = serve.joining("workers:", None);
    let arguments: Vec<String> = other.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let other_print = format!("SHA256:{}", "0".repeat(64));
    let arguments =
        arguments.iter().map(|word| if word.starts_with("SHA256:") { &other_print } else { word });
    other = gridsweep(&place.path("elsewhere"));
    let text = refused(&output(other.args(arguments)), 4, "not the expected one");
    assert!(
        text.contains(serve.announced("workers:").iter().find(|word| word.starts_with("SHA256:")).unwrap())
    );
    said.push(text);
    // The certificate itself vouches too.
    let port =
        serve.announced("sweeps:").iter().find_map(|word| word.rsplit_once(':')?.1.parse::<u16>().ok());
    let mut by_name = gridsweep(&place.path("elsewhere"));
    by_name.args(["status", "--server", &format!("localhost:{}", port.unwrap())]);
    by_name.arg("--tls-ca").arg(serve.state.join("tls/certificate.pem"));
    by_name.arg("--token-file").arg(serve.token("read"));
    assert!(stdout(&mut by_name).contains("small: ended"));
    said
}

/// Asks for a page over HTTP; returns the first line of the answer and its text.
fn page(address: &str, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), text.to_owned())
}

#[test]
fn health_and_metrics_say_how_things_stand_and_status_says_why_nothing_runs() {
    let place = Place::new();
    let file = place.write("small.toml", SWEEP);
    let serve = Coordinator::start(
        &place,
        &["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--make-tokens"],
    );
    let address = serve.announced("metrics:")[0].trim_end_matches("/metrics,").replace("http://", "");
    assert_eq!(page(&address, "/health/live", ""), ("HTTP/1.1 200 OK".to_owned(), "alive\n".to_owned()));
    assert_eq!(page(&address, "/health/ready", ""), ("HTTP/1.1 200 OK".to_owned(), "ready\n".to_owned()));
    assert!(page(&address, "/metrics", "").0.contains("401"), "numbers are for those with a token");
    let token = std::fs::read_to_string(serve.token("read")).unwrap();
    let numbers = || page(&address, "/metrics", &format!("authorization: Bearer {}\r\n", token.trim())).1;
    assert!(numbers().contains("\ngridsweep_sweeps{state=\"waiting\"} 0\n"), "{}", numbers());
    assert!(output(serve.joining("sweeps:", None).arg(&file)).status.success());
    let numbers_now = numbers();
    for line in ["gridsweep_queue_depth 12", "gridsweep_workers 0", "gridsweep_trials{state=\"pending\"} 12"]
    {
        assert!(numbers_now.lines().any(|found| found == line), "{line}: {numbers_now}");
    }
    let status = stdout(&mut serve.asking(&["status"], None));
    assert!(status.contains("small: waiting: no worker is connected"), "{status}");
    let _worker = start(&mut serve.joining("workers:", None), &place.path("worker.log"));
    wait_until("every result is counted", || numbers().contains("\ngridsweep_results_total 12\n"));
    wait_until("every trial has ended", || {
        numbers().contains("\ngridsweep_trials{state=\"succeeded\"} 12\n")
    });
    assert!(
        numbers().contains("\ngridsweep_workers 1\n")
            && numbers().contains("gridsweep_commit_seconds_count ")
    );
    assert!(!numbers().contains("small"), "no name is a label");
}

#[test]
fn logs_are_json_where_that_is_asked_for() {
    let place = Place::new();
    let log = place.path("worker.log");
    let mut command = gridsweep(&place.path("state"));
    command.args(["worker", "--connect", "127.0.0.1:1", "--quiet", "--log-format", "json"]);
    let _worker = start(&mut command, &log);
    wait_until("it has said something", || said(&log).lines().count() >= 2);
    for line in said(&log).lines().take(2) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["fields"].is_object());
    }
}

#[test]
fn what_is_stored_is_read_alike_with_and_without_a_server() {
    let place = Place::new();
    let file = place.write("small.toml", SWEEP);
    let short = ["--set", "base.epochs=2", "--set", "base.hidden=[2]"];
    assert!(output(gridsweep(&place.path("state")).arg("run").arg(&file).args(short)).status.success());
    let before = exports(&place.path("state"), "small");
    let serve = Coordinator::start(&place, &["--listen", "127.0.0.1:0"]);
    let after = ["trials", "epochs"]
        .map(|what| stdout(&mut serve.asking(&["export", "small", "--what", what], None)));
    assert_eq!(after, before);
    refused(&output(&mut serve.asking(&["table", "smal"], None)), 2, "there are: small");
}
