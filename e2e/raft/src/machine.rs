//! A map in memory that is empty at each start: all of it comes back from the log, or not at all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use d_engine_core::{ApplyEntry, ApplyResult, Command, Error, StateMachine, StorageError};
use d_engine_proto::common::LogId;
use d_engine_proto::server::storage::SnapshotMetadata;

#[derive(Debug, Default)]
pub struct MapMachine {
    map: Mutex<BTreeMap<Bytes, Bytes>>,
    applied_index: AtomicU64,
    applied_term: AtomicU64,
    is_running: AtomicBool,
}

/// Without snapshots the log is kept whole, which is what is tested.
fn no_snapshots<T>() -> Result<T, Error> {
    Err(StorageError::StateMachineError("this state machine has no snapshots".into()).into())
}

impl MapMachine {
    fn apply(&self, map: &mut BTreeMap<Bytes, Bytes>, entry: &ApplyEntry) -> ApplyResult {
        match &entry.command {
            Command::Noop => {}
            Command::Insert { key, value, .. } => drop(map.insert(key.clone(), value.clone())),
            Command::Delete { key } => drop(map.remove(key)),
            Command::CompareAndSwap {
                key,
                expected,
                value,
            } => {
                if map.get(key) != expected.as_ref() {
                    return ApplyResult::failure(entry.index);
                }
                map.insert(key.clone(), value.clone());
            }
        }
        ApplyResult::success(entry.index)
    }
}

#[async_trait]
impl StateMachine for MapMachine {
    async fn start(&self) -> Result<(), Error> {
        self.is_running.store(true, Ordering::Release);
        Ok(())
    }

    fn stop(&self) -> Result<(), Error> {
        self.is_running.store(false, Ordering::Release);
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.map.lock().unwrap().get(key).cloned())
    }

    fn entry_term(&self, _entry_id: u64) -> Option<u64> {
        None
    }

    async fn apply_chunk(&self, chunk: &[ApplyEntry]) -> Result<Vec<ApplyResult>, Error> {
        let mut map = self.map.lock().unwrap();
        let results = chunk
            .iter()
            .map(|entry| self.apply(&mut map, entry))
            .collect();
        if let Some(ApplyEntry { index, term, .. }) = chunk.last() {
            self.update_last_applied(LogId {
                index: *index,
                term: *term,
            });
        }
        Ok(results)
    }

    fn len(&self) -> usize {
        self.map.lock().unwrap().len()
    }

    fn update_last_applied(&self, last_applied: LogId) {
        self.applied_term
            .store(last_applied.term, Ordering::Release);
        self.applied_index
            .store(last_applied.index, Ordering::Release);
    }

    fn last_applied(&self) -> LogId {
        LogId {
            index: self.applied_index.load(Ordering::Acquire),
            term: self.applied_term.load(Ordering::Acquire),
        }
    }

    fn persist_last_applied(&self, _last_applied: LogId) -> Result<(), Error> {
        Ok(())
    }

    fn update_last_snapshot_metadata(&self, _metadata: &SnapshotMetadata) -> Result<(), Error> {
        no_snapshots()
    }

    fn snapshot_metadata(&self) -> Option<SnapshotMetadata> {
        None
    }

    fn persist_last_snapshot_metadata(&self, _metadata: &SnapshotMetadata) -> Result<(), Error> {
        no_snapshots()
    }

    async fn apply_snapshot_from_file(
        &self,
        _metadata: &SnapshotMetadata,
        _snapshot_path: PathBuf,
    ) -> Result<(), Error> {
        no_snapshots()
    }

    async fn generate_snapshot_data(
        &self,
        _new_snapshot_dir: PathBuf,
        _last_included: LogId,
    ) -> Result<Bytes, Error> {
        no_snapshots()
    }

    fn save_hard_state(&self) -> Result<(), Error> {
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn flush_async(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn reset(&self) -> Result<(), Error> {
        self.map.lock().unwrap().clear();
        self.update_last_applied(LogId { index: 0, term: 0 });
        Ok(())
    }
}
