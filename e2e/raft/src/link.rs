//! A connection to `sluice log serve` that outlives the server: calls are sent in the order in which they
//! are made, and while no server answers they wait. To the next one, what was not answered is told again, in
//! a form that does no harm where it had been done already (docs/log-protocol.md, "After a reconnect").

use std::collections::VecDeque;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::wire::{
    self, HELLO, Numbers, PERSIST, PROTOCOL_VERSION, PURGE, REPLACE, RESET, Refusal, STORE_LOCKED,
    Standing, TRUNCATE,
};

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(20);
/// Exit code where a log has lost what it had acknowledged: whoever runs this must hear of it.
const LOST: i32 = 70;
/// Code of what this side says where no server answers.
const UNREACHABLE: u8 = 255;
const ENTRY_HEAD_BYTES: usize = 24;

type Outcome = Result<Vec<u8>, Refusal>;

/// Who is told of a call's outcome: a task, or a thread that stands still for it.
enum Asker {
    Task(oneshot::Sender<Outcome>),
    Thread(std::sync::mpsc::SyncSender<Outcome>),
}

impl Asker {
    fn tell(self, outcome: Outcome) {
        match self {
            Asker::Task(sender) => drop(sender.send(outcome)),
            Asker::Thread(sender) => drop(sender.send(outcome)),
        }
    }
}

struct Call {
    call: u8,
    body: Vec<u8>,
    asker: Asker,
}

#[derive(Default)]
struct State {
    /// Not sent yet.
    queue: VecDeque<Call>,
    /// Sent, and not answered; ids ascend.
    sent: VecDeque<(u32, Call)>,
    next_id: u32,
    standing: Standing,
    /// The last entry, as of the last change that was answered: what a server may not come back without.
    acknowledged: u64,
    is_down: bool,
    is_closed: bool,
    /// Connections so far that had calls to tell again.
    resumed: u64,
}

struct Shared {
    path: PathBuf,
    patience: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

pub struct Link {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Connects; `patience` is how long a call waits for a server, now and later.
    pub fn open(path: PathBuf, patience: Duration) -> Result<Self, Refusal> {
        let state = Mutex::new(State {
            is_down: true,
            next_id: 1,
            ..State::default()
        });
        let shared = Arc::new(Shared {
            path,
            patience,
            state,
            changed: Condvar::new(),
        });
        let stream = connect(&shared)?;
        let sending = shared.clone();
        let thread = thread::spawn(move || send_for_ever(&sending, stream));
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// As of the last change that was answered.
    pub fn standing(&self) -> Standing {
        self.shared.lock().standing.clone()
    }

    /// Connections on which calls were told again.
    pub fn resumed(&self) -> u64 {
        self.shared.lock().resumed
    }

    pub async fn ask(&self, call: u8, body: Vec<u8>) -> Outcome {
        let (sender, receiver) = oneshot::channel();
        self.push(Call {
            call,
            body,
            asker: Asker::Task(sender),
        });
        receiver
            .await
            .unwrap_or_else(|_| Err(unreachable_log("the connection is closed")))
    }

    /// For those who cannot wait otherwise; the answer comes on another thread.
    pub fn ask_standing_still(&self, call: u8, body: Vec<u8>) -> Outcome {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.push(Call {
            call,
            body,
            asker: Asker::Thread(sender),
        });
        receiver
            .recv()
            .unwrap_or_else(|_| Err(unreachable_log("the connection is closed")))
    }

    fn push(&self, call: Call) {
        self.shared.lock().queue.push_back(call);
        self.shared.changed.notify_all();
    }
}

impl Drop for Link {
    /// What was asked is answered first.
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics with the state in hand")
    }
}

fn stopped() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "the server stops")
}

fn unreachable_log(why: &str) -> Refusal {
    Refusal {
        code: UNREACHABLE,
        message: format!("the log does not answer: {why}"),
    }
}

/// Connects and says who it is; a server that is not there, or not free, is tried again.
fn connect(shared: &Shared) -> Result<UnixStream, Refusal> {
    let end = Instant::now() + shared.patience;
    loop {
        let refusal = match greet(shared) {
            Ok(stream) => return Ok(stream),
            Err(refusal) => refusal,
        };
        if ![UNREACHABLE, STORE_LOCKED].contains(&refusal.code) || Instant::now() > end {
            return Err(refusal);
        }
        thread::sleep(PAUSE);
    }
}

fn greet(shared: &Shared) -> Result<UnixStream, Refusal> {
    let failed = |error: std::io::Error| unreachable_log(&error.to_string());
    let mut stream = UnixStream::connect(&shared.path).map_err(failed)?;
    let body = [b"SLUICLOG".as_slice(), &PROTOCOL_VERSION.to_le_bytes()].concat();
    stream
        .write_all(&wire::frame(1, HELLO, &body))
        .map_err(failed)?;
    let welcome = wire::read_reply(&mut stream).map_err(failed)?.outcome?;
    let mut state = shared.lock();
    let standing = Standing::read(&welcome[12..52]);
    let is_shorter = state
        .sent
        .iter()
        .any(|(_, call)| [REPLACE, TRUNCATE, RESET].contains(&call.call));
    if !is_shorter && standing.last.index < state.acknowledged {
        let (had, has) = (state.acknowledged, standing.last.index);
        eprintln!("the log had acknowledged entry {had}, and ends with {has}");
        std::process::exit(LOST);
    }
    state.standing = standing;
    drop(state);
    Ok(stream)
}

/// One connection after another, until there is none any more or the link is dropped.
fn send_for_ever(shared: &Arc<Shared>, first: UnixStream) {
    let mut connected = Ok(first);
    loop {
        let stream = match connected {
            Ok(stream) => stream,
            Err(refusal) => return give_up(shared, &refusal),
        };
        if resume(shared, &stream).is_ok() && send(shared, &stream) == Ended::ByUs {
            return;
        }
        connected = connect(shared);
    }
}

fn give_up(shared: &Shared, refusal: &Refusal) {
    let mut state = shared.lock();
    loop {
        let waiting: Vec<Call> = state.sent.drain(..).map(|(_, call)| call).collect();
        for call in waiting.into_iter().chain(std::mem::take(&mut state.queue)) {
            call.asker.tell(Err(refusal.clone()));
        }
        if state.is_closed {
            return;
        }
        state = shared
            .changed
            .wait(state)
            .expect("no thread panics with the state in hand");
    }
}

/// Tells the calls again that were not answered, one by one.
fn resume(shared: &Shared, stream: &UnixStream) -> std::io::Result<()> {
    let mut is_first = true;
    loop {
        let next = {
            let mut state = shared.lock();
            if is_first && !state.sent.is_empty() {
                state.resumed += 1;
            }
            is_first = false;
            state
                .sent
                .front()
                .map(|(_, call)| again(call.call, &call.body, &state.standing))
        };
        let Some(form) = next else { return Ok(()) };
        let outcome = match form {
            None => Ok(Vec::new()),
            Some((call, body)) => {
                let mut stream = stream;
                stream.write_all(&wire::frame(1, call, &body))?;
                match wire::read_reply(&mut stream)?.outcome {
                    Err(refusal) if refusal.code == wire::STORE_CLOSED => return Err(stopped()),
                    outcome => outcome,
                }
            }
        };
        let mut state = shared.lock();
        let Some((_, call)) = state.sent.pop_front() else {
            return Ok(());
        };
        note(&mut state, call.call, &outcome);
        call.asker.tell(outcome);
    }
}

fn is_change(call: u8) -> bool {
    [PERSIST, REPLACE, TRUNCATE, PURGE].contains(&call)
}

/// A call in the form that may be told twice; none where it has been done, and purged since.
fn again(call: u8, body: &[u8], standing: &Standing) -> Option<(u8, Vec<u8>)> {
    let first = standing.first_index();
    let (from, entries) = match call {
        TRUNCATE | REPLACE => (Numbers(body).u64(), &body[8..]),
        PERSIST if !body.is_empty() => (Numbers(body).u64(), body),
        _ => return Some((call, body.to_vec())),
    };
    if from >= first {
        let entries = [&from.to_le_bytes(), entries].concat();
        return Some((if call == TRUNCATE { TRUNCATE } else { REPLACE }, entries));
    }
    let kept = entries_from(entries, first);
    if kept.is_empty() {
        return None;
    }
    Some((REPLACE, [&first.to_le_bytes(), kept].concat()))
}

/// The entries from that index on.
fn entries_from(mut entries: &[u8], first: u64) -> &[u8] {
    while !entries.is_empty() && Numbers(entries).u64() < first {
        let length = Numbers(&entries[20..]).u32() as usize;
        entries = &entries[ENTRY_HEAD_BYTES + length..];
    }
    entries
}

#[derive(PartialEq)]
enum Ended {
    ByUs,
    ByThem,
}

/// Sends what is asked, while a thread beside it takes the answers.
fn send(shared: &Arc<Shared>, stream: &UnixStream) -> Ended {
    shared.lock().is_down = false;
    let reader = {
        let (shared, stream) = (shared.clone(), stream.try_clone());
        thread::spawn(move || {
            if let Ok(mut stream) = stream {
                take_answers(&shared, &mut stream);
            }
            shared.lock().is_down = true;
            shared.changed.notify_all();
        })
    };
    let ended = send_until_down(shared, stream);
    let how = if ended == Ended::ByUs {
        Shutdown::Write
    } else {
        Shutdown::Both
    };
    let _ = stream.shutdown(how);
    let _ = reader.join();
    // Cut off before all was answered: another server has to be asked.
    if ended == Ended::ByUs && !shared.lock().sent.is_empty() {
        Ended::ByThem
    } else {
        ended
    }
}

fn send_until_down(shared: &Shared, mut stream: &UnixStream) -> Ended {
    loop {
        let bytes = {
            let mut state = shared.lock();
            while state.queue.is_empty() && !state.is_down && !state.is_closed {
                state = shared
                    .changed
                    .wait(state)
                    .expect("no thread panics with the state in hand");
            }
            if state.is_down {
                return Ended::ByThem;
            }
            if state.queue.is_empty() {
                return Ended::ByUs;
            }
            let mut bytes = Vec::new();
            while let Some(call) = state.queue.pop_front() {
                // 0 is the server's own.
                state.next_id = state.next_id.wrapping_add(1).max(1);
                let id = state.next_id;
                bytes.extend_from_slice(&wire::frame(id, call.call, &call.body));
                state.sent.push_back((id, call));
            }
            bytes
        };
        if stream.write_all(&bytes).is_err() {
            return Ended::ByThem;
        }
    }
}

fn take_answers(shared: &Shared, stream: &mut UnixStream) {
    let mut stream = std::io::BufReader::new(stream);
    while let Ok(reply) = wire::read_reply(&mut stream) {
        let mut state = shared.lock();
        let Some(at) = state.sent.iter().position(|(id, _)| *id == reply.id) else {
            continue;
        };
        // A server that stops refuses what it was asked: the next one will not.
        if matches!(&reply.outcome, Err(refusal) if refusal.code == wire::STORE_CLOSED) {
            return;
        }
        let (_, call) = state.sent.remove(at).expect("it is there");
        note(&mut state, call.call, &reply.outcome);
        drop(state);
        call.asker.tell(reply.outcome);
    }
}

fn note(state: &mut State, call: u8, outcome: &Outcome) {
    if let Ok(body) = outcome
        && (call == RESET || call == wire::FLUSH || is_change(call))
        && !body.is_empty()
    {
        state.standing = Standing::read(body);
        state.acknowledged = state.standing.last.index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use d_engine_proto::common::{Entry, LogId};

    fn entries(range: std::ops::Range<u64>) -> Vec<u8> {
        let entries: Vec<Entry> = range
            .map(|index| Entry {
                index,
                term: 1,
                payload: None,
            })
            .collect();
        let mut bytes = Vec::new();
        wire::write_entries(&entries, &mut bytes);
        bytes
    }

    fn purged(index: u64) -> Standing {
        let boundary = (index > 0).then_some(LogId { index, term: 1 });
        Standing {
            boundary,
            last: LogId { index: 9, term: 1 },
        }
    }

    fn replacing(from: u64, entries: Vec<u8>) -> Vec<u8> {
        [from.to_le_bytes().to_vec(), entries].concat()
    }

    #[test]
    fn what_is_told_again_stands_for_what_may_be_there() {
        let told = again(PERSIST, &entries(5..8), &purged(0));
        assert_eq!(told, Some((REPLACE, replacing(5, entries(5..8)))));
        let told = again(REPLACE, &replacing(5, entries(5..8)), &purged(4));
        assert_eq!(told, Some((REPLACE, replacing(5, entries(5..8)))));
        let told = again(TRUNCATE, &5u64.to_le_bytes(), &purged(4));
        assert_eq!(told, Some((TRUNCATE, 5u64.to_le_bytes().to_vec())));
        let told = again(PURGE, &[1; 16], &purged(4));
        assert_eq!(told, Some((PURGE, vec![1; 16])));
    }

    #[test]
    fn what_was_purged_since_is_left_out() {
        let told = again(PERSIST, &entries(5..8), &purged(6));
        assert_eq!(told, Some((REPLACE, replacing(7, entries(7..8)))));
        assert_eq!(again(PERSIST, &entries(5..8), &purged(7)), None);
        assert_eq!(
            again(REPLACE, &replacing(5, entries(5..8)), &purged(9)),
            None
        );
        assert_eq!(again(TRUNCATE, &5u64.to_le_bytes(), &purged(5)), None);
    }
}
