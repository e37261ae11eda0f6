//! Whoever floods, babbles or is of another age is refused or bounded, and workers at work do not notice.

use crate::support::{Place, Running, SWEEP, gridsweep, output, stdout, wait_until};
use gridsweep_proto::v1;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tonic::body::Body;
use tonic::transport::Channel;
use tower_service::Service;

/// Idle connections that are tried; fewer where this process may not have as many files.
const IDLE_CONNECTIONS: u64 = 10_000;

/// A coordinator with a worker that is at work.
struct Scene {
    place: Place,
    serve: Running,
    submit: Running,
    _worker: Running,
    address: String,
    has_tokens: bool,
}

impl Scene {
    /// Starts a sweep of about twenty seconds on one slot.
    fn new() -> Scene {
        Scene::start(false)
    }

    /// The same at a coordinator that lets nobody in without a token.
    fn with_tokens() -> Scene {
        Scene::start(true)
    }

    fn start(has_tokens: bool) -> Scene {
        let place = Place::new();
        let file = place.write("small.toml", SWEEP);
        let start = |words: &[&str], log: &str| {
            let log = std::fs::File::create(place.path(log)).unwrap();
            let mut command = gridsweep(&place.path("state"));
            command.args(words).env("GRIDSWEEP_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null());
            Running(command.stderr(log).spawn().unwrap())
        };
        let make: &[&str] = if has_tokens { &["--make-tokens"] } else { &[] };
        let token = |role: &str| match has_tokens {
            true => ["--token-file".to_owned(), place.path("state/tokens").join(role).display().to_string()]
                .into(),
            false => Vec::new(),
        };
        let serve = start(&[&["serve", "--listen", "127.0.0.1:0"], make].concat(), "serve.log");
        let said = || std::fs::read_to_string(place.path("serve.log")).unwrap_or_default();
        wait_until("the coordinator serves", || said().contains("--server"));
        let said = said();
        let address = said.split_once("--server ").unwrap().1.split_whitespace().next().unwrap().to_owned();
        let with = |role: &str, words: &[&str], log: &str| {
            let token = token(role);
            let token: Vec<&str> = token.iter().map(String::as_str).collect();
            start(&[words, &token].concat(), log)
        };
        let worker = with("worker", &["worker", "--connect", &address, "--threads", "1"], "worker.log");
        let long = ["--set", "base.epochs=20", "--wait"];
        let submit = ["submit", file.to_str().unwrap(), "--server", &address];
        let submit = with("submit", &[&submit[..], &long].concat(), "submit.log");
        let scene = Scene { place, serve, submit, _worker: worker, address, has_tokens };
        wait_until("the worker is at work", || scene.status().contains(" validation_loss "));
        scene
    }

    fn log(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    fn status(&self) -> String {
        let mut status = gridsweep(&self.place.path("elsewhere"));
        status.args(["status", "--server", &self.address]);
        if self.has_tokens {
            status.arg("--token-file").arg(self.place.path("state/tokens/read"));
        }
        stdout(&mut status)
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// The sweep ends well, every trial at its first attempt, in the worker's first session.
    fn ends_undisturbed(mut self) {
        assert_eq!(self.submit.wait(), Some(0), "{}", self.said("submit.log"));
        let attempts =
            stdout(gridsweep(&self.place.path("state")).args(["export", "small", "--what", "attempts"]));
        assert_eq!(attempts.lines().count(), 12, "one attempt a trial: {attempts}");
        assert!(attempts.lines().all(|line| line.contains("\"state\":\"finished\"")), "{attempts}");
        let worker = self.said("worker.log");
        assert!(!worker.contains("trying again"), "{worker}");
        assert_eq!(worker.matches("connected").count(), 1, "{worker}");
        assert!(!self.serve.has_ended());
        assert!(!self.said("serve.log").contains("panicked"), "{}", self.said("serve.log"));
    }
}

/// Lets this process have as many files as it may, and returns how many that are.
fn raise_files() -> u64 {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: now.maximum, maximum: now.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
    now.maximum.unwrap_or(u64::MAX)
}

/// Returns whether the other side has closed a connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    loop {
        match stream.read(&mut [0; 64]) {
            Ok(0) => return true,
            // Settings that it sent before.
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn idle_connections_are_bounded_and_nobody_at_work_or_new_is_kept_out() {
    let count = IDLE_CONNECTIONS.min(raise_files() - 500) as usize;
    let scene = Scene::new();
    let first = count / 10;
    let mut idle: Vec<TcpStream> = (0..first).map(|_| scene.connect()).collect();
    let status = scene.status();
    assert!(status.contains("small: running"), "a newcomer is served in the middle of it: {status}");
    idle.extend((first..count).map(|_| scene.connect()));
    assert!(scene.status().contains("small: "), "and after it");
    let open = || open_files(scene.serve.0.id());
    wait_until("few of them are kept", || open() < 1024);
    println!("{count} of {IDLE_CONNECTIONS} idle connections, {} files open after them", open());
    let closed = idle.iter_mut().filter_map(|stream| is_closed(stream).then_some(())).count();
    assert!(closed >= count - 1024, "{closed} of {count} were closed");
    scene.ends_undisturbed();
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn garbage_long_messages_and_other_ages_are_refused_with_a_sentence() {
    let scene = Scene::new();
    for garbage in
        [vec![0; 1 << 20], vec![0xff; 1 << 20], b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![22, 3, 1, 2, 0]]
    {
        for _ in 0..20 {
            // What is refused in the middle may not all be taken.
            let _ = scene.connect().write_all(&garbage);
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for method in ["Sweeps/Submit", "Sweeps/PutBlob", "Workers/Work", "Workers/KeepWeights"] {
            let (code, says) = a_message_of_a_gibibyte(&scene, method).await;
            assert_eq!((code.as_str(), says.contains("too large")), ("11", true), "{method}: {says}");
        }
        let hello = |protocol_major, numerics| v1::Hello {
            protocol_major,
            numerics,
            name: "stranger".to_owned(),
            slots: 1,
            ..v1::Hello::default()
        };
        let (major, numerics) = (gridsweep_proto::PROTOCOL_MAJOR, gridsweep_engine::NUMERICS);
        for (hello, says) in [
            (hello(major + 1, numerics), "run the same version of gridsweep on both"),
            (hello(0, numerics), "run the same version of gridsweep on both"),
            (hello(major, numerics + 1), "numerics"),
        ] {
            let refused = join(&scene, hello).await;
            assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused:?}");
            assert!(refused.message().contains(says), "{refused:?}");
        }
    });
    scene.ends_undisturbed();
}

/// Announces a message of 1 GiB, and sends some of it; returns the code and the words of the answer.
async fn a_message_of_a_gibibyte(scene: &Scene, method: &str) -> (String, String) {
    let mut body = String::from("\0\u{40}\0\0\0");
    body.push_str(&"x".repeat(1 << 20));
    let request = http::Request::post(format!("http://{}/gridsweep.v1.{method}", scene.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(body))
        .unwrap();
    let mut channel = scene.channel().await;
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(60), channel.call(request)).await.unwrap().unwrap();
    let header = |name| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    (header("grpc-status"), header("grpc-message").replace("%20", " "))
}

async fn join(scene: &Scene, hello: v1::Hello) -> tonic::Status {
    join_with(scene, hello, None).await
}

/// Puts a token into requests, if there is one.
fn bearing(token: Option<&str>) -> impl tonic::service::Interceptor {
    let bearer = token.map(|token| format!("Bearer {token}").parse().unwrap());
    move |mut request: tonic::Request<()>| {
        bearer.clone().and_then(|bearer| request.metadata_mut().insert("authorization", bearer));
        Ok(request)
    }
}

async fn join_with(scene: &Scene, hello: v1::Hello, token: Option<&str>) -> tonic::Status {
    let channel = scene.channel().await;
    let mut workers = v1::workers_client::WorkersClient::with_interceptor(channel, bearing(token));
    let hello = v1::FromWorker { message: Some(v1::from_worker::Message::Hello(hello)) };
    // The stream stays open: it is the other side that ends it.
    let messages = tokio_stream::StreamExt::chain(tokio_stream::once(hello), tokio_stream::pending());
    let answer = async {
        let mut inbound = workers.work(messages).await?.into_inner();
        inbound.message().await
    };
    let answer = tokio::time::timeout(Duration::from_secs(60), answer).await.expect("it is answered");
    answer.expect_err("it is refused")
}

#[test]
fn workers_without_a_right_token_are_refused_again_and_again_and_those_at_work_do_not_notice() {
    let scene = Scene::with_tokens();
    let read = std::fs::read_to_string(scene.place.path("state/tokens/read")).unwrap();
    let hello = || v1::Hello {
        protocol_major: gridsweep_proto::PROTOCOL_MAJOR,
        numerics: gridsweep_engine::NUMERICS,
        name: "stranger".to_owned(),
        slots: 100,
        ..v1::Hello::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..100 {
            for (token, code, says) in [
                (None, tonic::Code::Unauthenticated, "a token is needed"),
                (Some("0".repeat(64)), tonic::Code::Unauthenticated, "not known"),
                (Some(read.trim().to_owned()), tonic::Code::PermissionDenied, "one for `read`"),
            ] {
                let refused = join_with(&scene, hello(), token.as_deref()).await;
                assert_eq!(refused.code(), code, "{refused:?}");
                assert!(refused.message().contains(says), "{refused:?}");
            }
        }
        let reads = bearing(Some(read.trim()));
        let mut reads = v1::reads_client::ReadsClient::with_interceptor(scene.channel().await, reads);
        let standing = reads.standing(v1::StandingRequest {}).await.unwrap().into_inner();
        assert_eq!((standing.workers, standing.slots), (1, 1), "none of them came in");
    });
    scene.ends_undisturbed();
}

#[test]
fn without_a_file_descriptor_left_those_at_work_go_on_and_newcomers_come_in_when_there_is_one() {
    let scene = Scene::new();
    let pid = Pid::from_raw(scene.serve.0.id().cast_signed());
    let before = prlimit(pid, Resource::Nofile, Rlimit { current: Some(3), maximum: None });
    // Raising the upper bound again would need a right that the user may not have: only the lower one is moved.
    let before = match before {
        Ok(before) => before,
        Err(_) => {
            let own = getrlimit(Resource::Nofile);
            prlimit(pid, Resource::Nofile, Rlimit { current: Some(3), maximum: own.maximum }).unwrap()
        }
    };
    let waiting: Vec<TcpStream> = (0..20).map(|_| scene.connect()).collect();
    wait_until("the lack is told", || scene.said("serve.log").contains("cannot accept connections"));
    let status =
        output(gridsweep(&scene.place.path("elsewhere")).args(["status", "--server", &scene.address]));
    assert_eq!(status.status.code(), Some(4), "there is no way in: {status:?}");
    prlimit(pid, Resource::Nofile, before).unwrap();
    wait_until("connections are accepted", || scene.said("serve.log").contains("accepted again"));
    drop(waiting);
    assert!(scene.status().contains("small: "));
    let told = scene.said("serve.log").matches("cannot accept connections").count();
    assert_eq!(told, 1, "it is told once, not for every try");
    scene.ends_undisturbed();
}
