//! A node of d-engine on a log of ours: `node CONFIG SOCKET`. It says how it stands, line by line, and ends
//! with 75 where its storage cannot go on.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use d_engine::{StandaloneEngine, StateMachine};
use sluice_raft_test::engine::SocketEngine;
use sluice_raft_test::machine::MapMachine;
use tokio::sync::watch;

/// So long a node stands still where its log does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
const STATUS_EVERY: Duration = Duration::from_millis(100);
/// The exit code of one that wants to be started again.
const AGAIN: i32 = 75;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(config), Some(socket)) = (arguments.next(), arguments.next()) else {
        return Err("node CONFIG SOCKET".into());
    };
    let engine = Arc::new(SocketEngine::open(
        PathBuf::from(socket),
        PATIENCE,
        Some(end),
    )?);
    let machine = Arc::new(MapMachine::default());
    tokio::spawn(tell_status(engine.clone(), machine.clone()));
    let (_running, stopped) = watch::channel(());
    StandaloneEngine::run_custom(engine, machine, stopped, Some(&config)).await?;
    Ok(())
}

fn end(why: &str) {
    eprintln!("the storage cannot go on: {why}");
    std::process::exit(AGAIN);
}

/// Index and term of the last entry that the log has acknowledged, what was applied, and how often calls
/// were told again.
async fn tell_status(engine: Arc<SocketEngine>, machine: Arc<MapMachine>) {
    loop {
        let last = engine.log().standing().last;
        let applied = machine.last_applied().index;
        let resumed = engine.log().resumed();
        let line = format!("status {} {} {applied} {resumed}\n", last.index, last.term);
        if std::io::stdout().write_all(line.as_bytes()).is_err() {
            return;
        }
        tokio::time::sleep(STATUS_EVERY).await;
    }
}
