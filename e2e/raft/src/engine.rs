//! d-engine's `StorageEngine`, `LogStore` and `MetaStore` over a `Link`.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use d_engine_core::{Error, HardState, LogStore, MetaStore, StorageEngine, StorageError};
use d_engine_proto::common::{Entry, LogId};
use d_engine_proto::server::election::VotedFor;

use crate::link::Link;
use crate::wire::{
    self, ENTRIES, FLUSH, LOAD_HARD_STATE, Numbers, PERSIST, PURGE, REPLACE, RESET, Refusal,
    SAVE_HARD_STATE, Standing, TRUNCATE,
};

/// What a node does where its storage cannot go on.
pub type Fault = fn(&str);

pub struct SocketEngine {
    log: Arc<SocketLog>,
    meta: Arc<SocketMeta>,
}

pub struct SocketLog {
    link: Arc<Link>,
    fault: Option<Fault>,
}

pub struct SocketMeta {
    link: Arc<Link>,
    fault: Option<Fault>,
}

impl SocketEngine {
    /// `fault`: d-engine logs a change that failed and goes on without it, so that a node had better end.
    pub fn open(path: PathBuf, patience: Duration, fault: Option<Fault>) -> Result<Self, Error> {
        let link = Arc::new(Link::open(path, patience)?);
        let log = Arc::new(SocketLog {
            link: link.clone(),
            fault,
        });
        Ok(Self {
            log,
            meta: Arc::new(SocketMeta { link, fault }),
        })
    }

    pub fn log(&self) -> &SocketLog {
        &self.log
    }
}

impl fmt::Debug for SocketEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SocketEngine")
            .finish_non_exhaustive()
    }
}

impl StorageEngine for SocketEngine {
    type LogStore = SocketLog;
    type MetaStore = SocketMeta;

    fn log_store(&self) -> Arc<SocketLog> {
        self.log.clone()
    }

    fn meta_store(&self) -> Arc<SocketMeta> {
        self.meta.clone()
    }
}

impl SocketLog {
    /// Of what the engine has acknowledged.
    pub fn standing(&self) -> Standing {
        self.link.standing()
    }

    pub fn resumed(&self) -> u64 {
        self.link.resumed()
    }

    async fn change(&self, call: u8, body: Vec<u8>) -> Result<(), Error> {
        match self.link.ask(call, body).await {
            Ok(_) => Ok(()),
            Err(refusal) => Err(faulty(self.fault, refusal)),
        }
    }

    /// Entries behind the boundary that are there, however many calls they take.
    fn read(&self, range: RangeInclusive<u64>) -> Result<Vec<Entry>, Error> {
        let standing = self.standing();
        let end = standing.last.index.min(*range.end());
        let mut next = standing.first_index().max(*range.start());
        let mut entries = Vec::new();
        while next <= end {
            let body = [&next.to_le_bytes()[..], &end.to_le_bytes(), &[0; 4]].concat();
            let answer = self.link.ask_standing_still(ENTRIES, body)?;
            entries.append(&mut wire::read_entries(&answer)?);
            let Some(last) = entries.last() else { break };
            next = last.index + 1;
        }
        Ok(entries)
    }
}

fn faulty(fault: Option<Fault>, refusal: Refusal) -> Error {
    if let Some(fault) = fault {
        fault(&refusal.message);
    }
    refusal.into()
}

#[async_trait]
impl LogStore for SocketLog {
    /// d-engine writes again what it is not sure of: then the entries stand for those from the first on.
    async fn persist_entries(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let mut body = Vec::new();
        if first.index > self.standing().last.index {
            wire::write_entries(&entries, &mut body);
            return self.change(PERSIST, body).await;
        }
        body.extend_from_slice(&first.index.to_le_bytes());
        wire::write_entries(&entries, &mut body);
        self.change(REPLACE, body).await
    }

    async fn entry(&self, index: u64) -> Result<Option<Entry>, Error> {
        let standing = self.standing();
        if index < standing.first_index() || index > standing.last.index {
            return Ok(None);
        }
        let body = [&index.to_le_bytes()[..], &index.to_le_bytes(), &[0; 4]].concat();
        Ok(wire::read_entries(&self.link.ask(ENTRIES, body).await?)?.pop())
    }

    fn get_entries(&self, range: RangeInclusive<u64>) -> Result<Vec<Entry>, Error> {
        self.read(range)
    }

    async fn purge(&self, cutoff_index: LogId) -> Result<(), Error> {
        let LogId { index, term } = cutoff_index;
        self.change(PURGE, [index.to_le_bytes(), term.to_le_bytes()].concat())
            .await
    }

    async fn truncate(&self, from_index: u64) -> Result<(), Error> {
        self.change(TRUNCATE, from_index.to_le_bytes().to_vec())
            .await
    }

    async fn replace_range(&self, from_index: u64, new_entries: Vec<Entry>) -> Result<(), Error> {
        let before = self.standing().last.index;
        let mut body = from_index.to_le_bytes().to_vec();
        wire::write_entries(&new_entries, &mut body);
        self.change(REPLACE, body).await?;
        // d-engine 0.2.4 does not lower its durable index then, and would not persist what comes next, up
        // to the old one. A node that starts anew reads it from here.
        if let Some(fault) = self.fault
            && self.standing().last.index < before
        {
            fault("the log became shorter");
        }
        Ok(())
    }

    fn is_write_durable(&self) -> bool {
        true
    }

    fn flush(&self) -> Result<(), Error> {
        self.link.ask_standing_still(FLUSH, Vec::new())?;
        Ok(())
    }

    async fn flush_async(&self) -> Result<(), Error> {
        self.change(FLUSH, Vec::new()).await
    }

    async fn reset(&self) -> Result<(), Error> {
        self.change(RESET, Vec::new()).await
    }

    fn last_index(&self) -> u64 {
        self.standing().last.index
    }

    fn load_purge_boundary(&self) -> Result<Option<LogId>, Error> {
        Ok(self.standing().boundary)
    }
}

#[async_trait]
impl MetaStore for SocketMeta {
    /// The vote as text: node, term, whether it is committed.
    fn save_hard_state(&self, state: &HardState) -> Result<(), Error> {
        let mut body = state.current_term.to_le_bytes().to_vec();
        match &state.voted_for {
            None => body.push(0),
            Some(VotedFor {
                voted_for_id,
                voted_for_term,
                committed,
            }) => {
                body.push(1);
                body.extend(format!("{voted_for_id} {voted_for_term} {committed}").into_bytes());
            }
        }
        match self.link.ask_standing_still(SAVE_HARD_STATE, body) {
            Ok(_) => Ok(()),
            Err(refusal) => Err(faulty(self.fault, refusal)),
        }
    }

    fn load_hard_state(&self) -> Result<Option<HardState>, Error> {
        let body = self.link.ask_standing_still(LOAD_HARD_STATE, Vec::new())?;
        if body.is_empty() {
            return Ok(None);
        }
        let mut numbers = Numbers(&body);
        let current_term = numbers.u64();
        let voted_for = match numbers.take(1) {
            [0] => None,
            _ => Some(vote_in(numbers.0).ok_or(StorageError::DataCorruption {
                location: "the vote of the hard state".into(),
            })?),
        };
        Ok(Some(HardState {
            current_term,
            voted_for,
        }))
    }

    fn flush(&self) -> Result<(), Error> {
        self.link.ask_standing_still(FLUSH, Vec::new())?;
        Ok(())
    }
}

fn vote_in(text: &[u8]) -> Option<VotedFor> {
    let mut words = std::str::from_utf8(text).ok()?.split(' ');
    Some(VotedFor {
        voted_for_id: words.next()?.parse().ok()?,
        voted_for_term: words.next()?.parse().ok()?,
        committed: words.next()?.parse().ok()?,
    })
}
