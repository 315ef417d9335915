//! The bytes of docs/log-protocol.md. All numbers are little-endian.

use std::io::{self, Read};

use d_engine_core::{Error, StorageError};
use d_engine_proto::common::entry_payload::Payload;
use d_engine_proto::common::{Entry, EntryPayload, LogId};
use prost::Message;

pub const PROTOCOL_VERSION: u32 = 1;

pub const HELLO: u8 = 0;
pub const PERSIST: u8 = 1;
pub const REPLACE: u8 = 2;
pub const TRUNCATE: u8 = 3;
pub const PURGE: u8 = 4;
pub const RESET: u8 = 5;
pub const FLUSH: u8 = 6;
pub const ENTRIES: u8 = 7;
pub const SAVE_HARD_STATE: u8 = 11;
pub const LOAD_HARD_STATE: u8 = 12;

const DONE: u8 = 0;
/// Code of a refusal by a server that stops.
pub const STORE_CLOSED: u8 = 7;
/// Code of a refusal that stands while another client is connected.
pub const STORE_LOCKED: u8 = 67;
/// Bytes of a frame before its body.
const HEAD_BYTES: usize = 9;
/// The server's bound, with room to spare.
const FRAME_BYTES_MAX: u32 = 300 * 1024 * 1024;

/// An error that the server answered with.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: u8,
    pub message: String,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message } = refusal;
        StorageError::LogStorage(format!("{message} (code {code})")).into()
    }
}

pub fn frame(id: u32, call: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
    bytes.extend_from_slice(&((HEAD_BYTES - 4 + body.len()) as u32).to_le_bytes());
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.push(call);
    bytes.extend_from_slice(body);
    bytes
}

/// What the server answered: which call, and how it went.
pub struct Reply {
    pub id: u32,
    pub outcome: Result<Vec<u8>, Refusal>,
}

pub fn read_reply(from: &mut impl Read) -> io::Result<Reply> {
    let mut head = [0; HEAD_BYTES];
    from.read_exact(&mut head)?;
    let length = u32::from_le_bytes(head[0..4].try_into().unwrap());
    let id = u32::from_le_bytes(head[4..8].try_into().unwrap());
    if !(5..=FRAME_BYTES_MAX).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no frame"));
    }
    let mut body = vec![0; length as usize + 4 - HEAD_BYTES];
    from.read_exact(&mut body)?;
    let outcome = match head[8] {
        DONE => Ok(body),
        code => Err(Refusal {
            code,
            message: message_in(&body),
        }),
    };
    Ok(Reply { id, outcome })
}

fn message_in(body: &[u8]) -> String {
    let mut numbers = Numbers(body);
    let (_, _) = (numbers.u64(), numbers.u64());
    let length = numbers.u32() as usize;
    String::from_utf8_lossy(numbers.take(length)).into_owned()
}

/// Numbers one behind another; the server's frames have what they say to have.
pub struct Numbers<'a>(pub &'a [u8]);

impl<'a> Numbers<'a> {
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(length);
        self.0 = left;
        taken
    }
}

/// How the log stood when a change was answered.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub boundary: Option<LogId>,
    pub last: LogId,
}

impl Standing {
    pub fn read(bytes: &[u8]) -> Self {
        let mut numbers = Numbers(bytes);
        let mut id = || LogId {
            index: numbers.u64(),
            term: numbers.u64(),
        };
        let boundary = id();
        let last = id();
        Self {
            boundary: (boundary.index > 0).then_some(boundary),
            last,
        }
    }

    pub fn first_index(&self) -> u64 {
        self.boundary.as_ref().map_or(0, |boundary| boundary.index) + 1
    }
}

/// Entries, each with its payload as protobuf has it; the kind tells noop, command and membership apart.
pub fn write_entries(entries: &[Entry], into: &mut Vec<u8>) {
    for entry in entries {
        let payload = entry
            .payload
            .as_ref()
            .map_or_else(Vec::new, Message::encode_to_vec);
        let kind: u32 = match entry
            .payload
            .as_ref()
            .and_then(|payload| payload.payload.as_ref())
        {
            None | Some(Payload::Noop(_)) => 0,
            Some(Payload::Command(_)) => 1,
            Some(Payload::Config(_)) => 2,
        };
        into.extend_from_slice(&entry.index.to_le_bytes());
        into.extend_from_slice(&entry.term.to_le_bytes());
        into.extend_from_slice(&kind.to_le_bytes());
        into.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        into.extend_from_slice(&payload);
    }
}

pub fn read_entries(bytes: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut numbers = Numbers(bytes);
    let mut entries = Vec::new();
    while !numbers.0.is_empty() {
        let (index, term) = (numbers.u64(), numbers.u64());
        let (_kind, length) = (numbers.u32(), numbers.u32() as usize);
        let bytes = numbers.take(length);
        let payload =
            match bytes {
                [] => None,
                bytes => Some(EntryPayload::decode(bytes).map_err(|error| {
                    StorageError::DataCorruption {
                        location: format!("entry {index}: {error}"),
                    }
                })?),
            };
        entries.push(Entry {
            index,
            term,
            payload,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use d_engine_proto::common::Noop;

    #[test]
    fn entries_come_back_as_they_were() {
        let payloads = [
            None,
            Some(EntryPayload { payload: None }),
            Some(EntryPayload {
                payload: Some(Payload::Noop(Noop {})),
            }),
            Some(EntryPayload {
                payload: Some(Payload::Command(b"\0\xff".to_vec().into())),
            }),
        ];
        for (i, payload) in payloads.into_iter().enumerate() {
            // A payload of nothing is one that is absent: protobuf tells no difference in an entry's bytes.
            let entry = Entry {
                index: i as u64 + 1,
                term: 7,
                payload,
            };
            let mut bytes = Vec::new();
            write_entries(std::slice::from_ref(&entry), &mut bytes);
            let read = read_entries(&bytes).unwrap();
            assert_eq!(read[0].index, entry.index);
            assert_eq!(
                read[0]
                    .payload
                    .as_ref()
                    .and_then(|payload| payload.payload.clone()),
                entry.payload.and_then(|payload| payload.payload),
            );
        }
    }
}
