//! d-engine's own suite on each engine of the log: case by case on a log of its own, and as a whole, in
//! which each time it opens its storage the server was killed with SIGKILL and started again.

mod server;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use d_engine_core::storage_engine_test::{StorageEngineBuilder, StorageEngineTestSuite as Suite};
use d_engine_core::{Error, LogStore, MetaStore, StorageEngine};
use server::Server;
use sluice_raft_test::engine::SocketEngine;

const PATIENCE: Duration = Duration::from_secs(20);

struct Builder {
    server: Mutex<Server>,
    is_killed_each_time: bool,
}

impl Builder {
    fn new(engine: &str, is_killed_each_time: bool) -> Self {
        Self {
            server: Mutex::new(Server::start(engine)),
            is_killed_each_time,
        }
    }
}

#[async_trait]
impl StorageEngineBuilder for Builder {
    type Engine = SocketEngine;

    async fn build(&self) -> Result<Arc<SocketEngine>, Error> {
        let mut server = self.server.lock().unwrap();
        if self.is_killed_each_time {
            server.kill();
            server.start_again();
        }
        Ok(Arc::new(SocketEngine::open(
            server.socket(),
            PATIENCE,
            None,
        )?))
    }

    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Each case of `run_all_tests`, by its name: of one storage, or of a builder.
macro_rules! suite {
    ($engine:ident: $($one:ident)*; $($of_builder:ident)*) => {
        mod $engine {
            use super::*;

            fn builder(is_killed_each_time: bool) -> Builder {
                Builder::new(stringify!($engine), is_killed_each_time)
            }

            $(#[tokio::test]
            async fn $one() {
                Suite::$one(builder(false).build().await.unwrap()).await.unwrap();
            })*

            $(#[tokio::test]
            async fn $of_builder() {
                Suite::$of_builder(&builder(true)).await.unwrap();
            })*

            #[tokio::test]
            async fn run_all_tests() {
                Suite::run_all_tests(builder(false)).await.unwrap();
            }

            #[tokio::test]
            async fn run_all_tests_under_sigkill() {
                Suite::run_all_tests(builder(true)).await.unwrap();
            }

            #[tokio::test]
            async fn what_is_asked_while_the_server_is_killed_is_done_by_the_next_one() {
                goes_on(builder(false)).await;
            }
        }
    };
}

macro_rules! suites {
    ($($engine:ident)*) => {
        $(suite!($engine:
            test_empty_storage test_single_entry_persistence test_batch_persistence test_purge_logs
            test_truncation test_reset_operation test_edge_cases test_purge_empty_range
            test_hard_state_persistence test_reset_preserves_meta test_flush_persists_all_data;
            test_persist_entries_durability test_hard_state_crash_recovery test_truncate_durability
            test_purge_durability
        );)*
    };
}

suites!(segment sqlite);

/// A server that is killed again and again beneath one client.
async fn goes_on(builder: Builder) {
    let engine = builder.build().await.unwrap();
    let (log, meta) = (engine.log_store(), engine.meta_store());
    let builder = Arc::new(builder);
    let killing = {
        let builder = builder.clone();
        std::thread::spawn(move || {
            for _ in 0..6 {
                std::thread::sleep(Duration::from_millis(120));
                let mut server = builder.server.lock().unwrap();
                server.kill();
                server.start_again();
            }
        })
    };
    let mut next = 1;
    let mut expected = Vec::new();
    while !killing.is_finished() || next < 200 {
        let entries = server::entries(next..next + 10, 1);
        expected.truncate(next as usize - 1);
        expected.extend(entries.clone());
        match next % 3 {
            0 => log.replace_range(next, entries).await.unwrap(),
            1 => log.persist_entries(entries).await.unwrap(),
            _ => {
                log.persist_entries(entries).await.unwrap();
                log.truncate(next + 5).await.unwrap();
                expected.truncate(next as usize + 4);
                next -= 5;
            }
        }
        next += 10;
        assert_eq!(log.last_index(), expected.len() as u64);
        meta.save_hard_state(&server::hard_state(next)).unwrap();
        assert_eq!(meta.load_hard_state().unwrap().unwrap().current_term, next);
    }
    killing.join().unwrap();
    log.purge(d_engine_proto::common::LogId { index: 7, term: 1 })
        .await
        .unwrap();
    let found = log.get_entries(1..=u64::MAX).unwrap();
    assert_eq!(found, expected[7..]);
}
