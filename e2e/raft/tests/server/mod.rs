//! `sluice log serve` as a process, killed when it is let go; how it is started says the environment.

use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use d_engine_core::HardState;
use d_engine_proto::common::entry_payload::Payload;
use d_engine_proto::common::{Entry, EntryPayload};

static FOLDERS: AtomicU32 = AtomicU32::new(0);

pub struct Server {
    engine: String,
    folder: PathBuf,
    child: Option<Child>,
}

impl Server {
    pub fn start(engine: &str) -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("sluice-raft-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut server = Self {
            engine: engine.into(),
            folder,
            child: None,
        };
        server.start_again();
        server
    }

    /// A client waits for it.
    pub fn start_again(&mut self) {
        let node = std::env::var("SLUICE_NODE").expect("run by `npm run test:raft`");
        let main = std::env::var("SLUICE_MAIN").expect("run by `npm run test:raft`");
        let child = Command::new(node)
            .arg(main)
            .args(["log", "serve", "--engine", &self.engine, "--socket"])
            .arg(self.socket())
            .arg("--data")
            .arg(self.folder.join("log"))
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// With SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn entries(range: Range<u64>, term: u64) -> Vec<Entry> {
    range
        .map(|index| {
            let payload = Payload::Command(format!("entry {index}").into_bytes().into());
            Entry {
                index,
                term,
                payload: Some(EntryPayload {
                    payload: Some(payload),
                }),
            }
        })
        .collect()
}

pub fn hard_state(current_term: u64) -> HardState {
    HardState {
        current_term,
        voted_for: None,
    }
}
