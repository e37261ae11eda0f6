//! A line that can be spoilt: what connects to it is passed on to the coordinator, late, slowly, damaged, or not at all.

use crate::support::Chance;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How often what happens to the line is looked at, where nothing comes through it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The most bytes that are passed on at once.
const PIECE_BYTES_MAX: usize = 4096;

/// What happens to one direction of the line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Fault {
    None,
    /// Everything comes later, by a time between two.
    Late(Duration, Duration),
    /// So many bytes a second come through.
    Slow(u32),
    /// After so many bytes every connection is reset.
    Reset(usize),
    /// After so many bytes every connection ends, as if its sender had closed it in the middle.
    Truncated(usize),
    /// In each so many bytes a bit is wrong.
    Damaged(usize),
    /// In what comes in one piece of more bytes than this, a bit is wrong.
    DamagedLong(usize),
    /// Everything is taken and nothing comes through: the other end is gone and never said so.
    Swallowed,
    /// Nothing is taken any more: whoever writes will have to wait.
    Unread,
}

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    ToCoordinator,
    FromCoordinator,
}

/// A line to one coordinator.
pub(crate) struct Proxy {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    /// To the coordinator, and from it.
    faults: Mutex<[Fault; 2]>,
    /// How often a fault has struck since it was set.
    struck: AtomicU64,
    /// How many bytes were let through, each way.
    passed: [AtomicU64; 2],
    chance: Chance,
    is_over: AtomicBool,
}

impl Proxy {
    pub(crate) fn to(upstream: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            faults: Mutex::new([Fault::None; 2]),
            struck: AtomicU64::new(0),
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
            chance: Chance::new("what happens to a line"),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Proxy { address, shared }
    }

    /// Spoils the line, its standing connections too, until something else is set.
    pub(crate) fn set(&self, to_coordinator: Fault, from_coordinator: Fault) {
        let mut faults = self.shared.faults.lock().unwrap();
        self.shared.struck.store(0, Ordering::SeqCst);
        *faults = [to_coordinator, from_coordinator];
    }

    /// How many bytes were let through one way, of all connections.
    pub(crate) fn passed(&self, way: Way) -> u64 {
        self.shared.passed[way as usize].load(Ordering::SeqCst)
    }

    /// How often the fault has struck.
    pub(crate) fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn fault(&self, way: Way) -> Fault {
        self.faults.lock().unwrap()[way as usize]
    }

    fn strike(&self) {
        self.struck.fetch_add(1, Ordering::SeqCst);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    listener.set_nonblocking(true).unwrap();
    while !shared.is_over.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((near, _)) => connect(near, shared),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Passes a connection on, unless the coordinator is not there.
fn connect(near: TcpStream, shared: &Arc<Shared>) {
    let Ok(far) = TcpStream::connect(&shared.upstream) else { return };
    for stream in [&near, &far] {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    }
    let (near, far, is_over) = (Arc::new(near), Arc::new(far), Arc::new(AtomicBool::new(false)));
    for (from, to, way) in [(&near, &far, Way::ToCoordinator), (&far, &near, Way::FromCoordinator)] {
        let (shared, from, is_over) = (Arc::clone(shared), Arc::clone(from), Arc::clone(&is_over));
        let (pieces, arriving) = mpsc::channel();
        let to_write = Arc::clone(to);
        std::thread::spawn(move || write(&to_write, &arriving));
        let half =
            Half { shared, way, pieces, is_over, passed: 0, fault: Fault::None, arrives: Instant::now() };
        let to = Arc::clone(to);
        std::thread::spawn(move || half.pass_on(&from, &to));
    }
}

/// Writes each piece when it is due.
fn write(mut to: &TcpStream, arriving: &mpsc::Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, bytes)) = arriving.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other end may have closed it already.
    let _ = to.shutdown(Shutdown::Write);
}

/// One direction of one connection.
struct Half {
    shared: Arc<Shared>,
    way: Way,
    pieces: mpsc::Sender<(Instant, Vec<u8>)>,
    /// The other direction has ended the connection.
    is_over: Arc<AtomicBool>,
    /// Bytes since the fault was set.
    passed: usize,
    fault: Fault,
    /// When the last piece arrives: none overtakes it.
    arrives: Instant,
}

impl Half {
    fn pass_on(mut self, mut from: &TcpStream, to: &TcpStream) {
        let mut buffer = [0; PIECE_BYTES_MAX];
        while !self.is_over.load(Ordering::SeqCst) && !self.shared.is_over.load(Ordering::SeqCst) {
            let fault = self.shared.fault(self.way);
            if fault != self.fault {
                (self.fault, self.passed) = (fault, 0);
            }
            if fault == Fault::Unread {
                self.shared.strike();
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    if !self.pass(&mut buffer[..length]) {
                        return self.end(from, to);
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(_) => break,
            }
        }
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Passes some bytes on as the line now does; `false` says that it breaks.
    fn pass(&mut self, bytes: &mut [u8]) -> bool {
        let before = self.passed;
        self.passed += bytes.len();
        let mut due = Instant::now();
        match self.fault {
            Fault::None | Fault::Unread => {}
            Fault::Late(least, most) => {
                let spread = u64::try_from((most - least).as_micros()).unwrap();
                due += least + Duration::from_micros(self.shared.chance.below(spread.max(1)));
                self.shared.strike();
            }
            Fault::Slow(bytes_per_second) => {
                std::thread::sleep(Duration::from_secs_f64(bytes.len() as f64 / f64::from(bytes_per_second)));
                self.shared.strike();
            }
            Fault::Reset(after) | Fault::Truncated(after) if self.passed > after => {
                let rest = after.saturating_sub(before);
                // What was let through comes before the end.
                let _ = self.send(due, &bytes[..rest]);
                self.shared.strike();
                return false;
            }
            Fault::Reset(_) | Fault::Truncated(_) => {}
            Fault::Damaged(every) if before / every < self.passed / every => self.damage(bytes),
            Fault::DamagedLong(length) if bytes.len() > length => self.damage(bytes),
            Fault::Damaged(_) | Fault::DamagedLong(_) => {}
            Fault::Swallowed => {
                self.shared.strike();
                return true;
            }
        }
        self.arrives = self.arrives.max(due);
        self.send(self.arrives, bytes)
    }

    fn send(&self, due: Instant, bytes: &[u8]) -> bool {
        self.shared.passed[self.way as usize].fetch_add(bytes.len() as u64, Ordering::SeqCst);
        self.pieces.send((due, bytes.to_vec())).is_ok()
    }

    fn damage(&self, bytes: &mut [u8]) {
        let at = self.shared.chance.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << self.shared.chance.below(8);
        self.shared.strike();
    }

    /// Ends the connection, in the middle of whatever was said. One that ends with bytes for it under way is reset.
    fn end(self, from: &TcpStream, to: &TcpStream) {
        let is_reset = matches!(self.fault, Fault::Reset(_));
        // Written before the end comes.
        drop(self.pieces);
        std::thread::sleep(LOOK_EVERY);
        for stream in [from, to] {
            if is_reset {
                rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
            } else {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        // With their last owner the sockets are closed, which resets them where that was set.
        self.is_over.store(true, Ordering::SeqCst);
    }
}
