//! d-engine's storage traits over the Unix socket of `sluice log serve`, and a state machine that holds
//! nothing of its own: whatever a node knows after a restart came from its log.

pub mod engine;
pub mod link;
pub mod machine;
pub mod wire;
