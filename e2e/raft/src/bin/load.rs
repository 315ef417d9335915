//! Writers of a d-engine cluster: `load WRITERS URL...`. Reads words from standard input, a line each, and
//! answers each with a line: `go`, `hold` (once nothing is under way), `count`, `check`; `seal`, `check sealed`, `forget`.
//!
//! Each writer has keys of its own, writes each of them four times, and knows of each what was acknowledged last and
//! what was tried last: `check` reads all of them, linearizably, and finds neither less nor more.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use d_engine::protocol::ReadConsistencyPolicy;
use d_engine::{Client, ClientApi};

const WRITES_PER_KEY: u64 = 4;
const KEYS_PER_READ: usize = 100;
/// Between the writes of a writer: the log is kept whole, and read whole at each start.
const PAUSE: Duration = Duration::from_millis(15);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
const AFTER_A_FAILURE: Duration = Duration::from_millis(200);
const READ_TRIES: usize = 60;

/// Of a key: the highest value that was acknowledged, and the highest that was tried.
#[derive(Clone, Copy, Default)]
struct Known {
    acknowledged: Option<u64>,
    tried: u64,
}

#[derive(Default)]
struct Shared {
    is_held: AtomicBool,
    under_way: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    keys: Mutex<BTreeMap<String, Known>>,
    /// Those of the last `seal`.
    sealed: Mutex<BTreeMap<String, Known>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let writers: u64 = arguments.next().ok_or("load WRITERS URL...")?.parse()?;
    let urls: Vec<String> = arguments.collect();
    let shared = Arc::new(Shared {
        is_held: AtomicBool::new(true),
        ..Shared::default()
    });
    for writer in 0..writers {
        tokio::spawn(write_for_ever(writer, urls.clone(), shared.clone()));
    }
    let (sender, mut words) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    while let Some(word) = words.recv().await {
        println!("{}", answer(&word, &urls, &shared).await);
    }
    Ok(())
}

async fn answer(word: &str, urls: &[String], shared: &Shared) -> String {
    match word {
        "go" => shared.is_held.store(false, Ordering::SeqCst),
        "hold" => {
            shared.is_held.store(true, Ordering::SeqCst);
            while shared.under_way.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        "seal" => *shared.sealed.lock().unwrap() = shared.keys.lock().unwrap().clone(),
        "check" => {
            let known = shared.keys.lock().unwrap().clone();
            return check(urls, &known).await;
        }
        // What was acknowledged since the last `seal` may be gone.
        "forget" => {
            let sealed = shared.sealed.lock().unwrap();
            for (key, known) in shared.keys.lock().unwrap().iter_mut() {
                known.acknowledged = sealed.get(key).and_then(|known| known.acknowledged);
            }
        }
        // What was written since may be there or not.
        "check sealed" => {
            let keys = shared.keys.lock().unwrap().clone();
            let mut known = shared.sealed.lock().unwrap().clone();
            for (key, sealed) in &mut known {
                sealed.tried = keys[key].tried;
            }
            return check(urls, &known).await;
        }
        _ => {}
    }
    let acknowledged = shared.acknowledged.load(Ordering::SeqCst);
    let failed = shared.failed.load(Ordering::SeqCst);
    format!("{word} {acknowledged} acknowledged, {failed} failed")
}

async fn connected(urls: &[String]) -> Client {
    loop {
        let built = Client::builder(urls.to_vec())
            .connect_timeout(Duration::from_secs(1))
            .request_timeout(REQUEST_TIMEOUT)
            .enable_compression(false)
            .build()
            .await;
        match built {
            Ok(client) => return client,
            Err(_) => tokio::time::sleep(AFTER_A_FAILURE).await,
        }
    }
}

async fn write_for_ever(writer: u64, urls: Vec<String>, shared: Arc<Shared>) {
    let mut client = None;
    for number in 0u64.. {
        while shared.is_held.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if client.is_none() {
            client = Some(connected(&urls).await);
        }
        shared.under_way.fetch_add(1, Ordering::SeqCst);
        if !write(client.as_ref().unwrap(), writer, number, &shared).await {
            client = None;
        }
        shared.under_way.fetch_sub(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn write(client: &Client, writer: u64, number: u64, shared: &Shared) -> bool {
    let key = format!("w{writer}/{:08}", number / WRITES_PER_KEY);
    shared
        .keys
        .lock()
        .unwrap()
        .entry(key.clone())
        .or_default()
        .tried = number;
    let value = format!("{number:08}{}", "x".repeat((number % 7) as usize * 50));
    match client.put(&key, &value).await {
        Ok(()) => {
            shared
                .keys
                .lock()
                .unwrap()
                .get_mut(&key)
                .unwrap()
                .acknowledged = Some(number);
            shared.acknowledged.fetch_add(1, Ordering::SeqCst);
            true
        }
        Err(_) => {
            // Whether it was done is not known.
            shared.failed.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(AFTER_A_FAILURE).await;
            false
        }
    }
}

async fn check(urls: &[String], known: &BTreeMap<String, Known>) -> String {
    let keys: Vec<(&String, &Known)> = known.iter().collect();
    let mut wrong = Vec::new();
    let mut client = connected(urls).await;
    for page in keys.chunks(KEYS_PER_READ) {
        let names: Vec<Bytes> = page
            .iter()
            .map(|(key, _)| Bytes::from((*key).clone()))
            .collect();
        let Some(values) = read(&mut client, urls, &names).await else {
            return "check failed: no linearizable read".into();
        };
        for ((key, known), value) in page.iter().zip(values) {
            let found = value.as_ref().and_then(number_in);
            // Of none that was acknowledged: any that was tried may be there, or none.
            let is_right = match (known.acknowledged, found) {
                (None, None) => value.is_none(),
                (None, Some(found)) => found <= known.tried,
                (Some(least), Some(found)) => (least..=known.tried).contains(&found),
                (Some(_), None) => false,
            };
            if !is_right {
                let (least, tried) = (known.acknowledged, known.tried);
                wrong.push(format!(
                    "{key}: {found:?} is there, {least:?} was acknowledged, {tried} tried"
                ));
            }
        }
    }
    let acknowledged = known
        .values()
        .filter(|known| known.acknowledged.is_some())
        .count();
    let told: Vec<String> = wrong.iter().take(20).cloned().collect();
    format!(
        "check {acknowledged} keys, {} wrong; {}",
        wrong.len(),
        told.join("; ")
    )
}

fn number_in(value: &Bytes) -> Option<u64> {
    std::str::from_utf8(value.get(..8)?).ok()?.parse().ok()
}

async fn read(client: &mut Client, urls: &[String], names: &[Bytes]) -> Option<Vec<Option<Bytes>>> {
    let policy = Some(ReadConsistencyPolicy::LinearizableRead);
    for _ in 0..READ_TRIES {
        match ClientApi::get_multi_with_policy(&**client, names, policy.clone()).await {
            Ok(values) => return Some(values),
            Err(_) => {
                tokio::time::sleep(AFTER_A_FAILURE).await;
                *client = connected(urls).await;
            }
        }
    }
    None
}
