//! Properties of all external input, whatever its bytes: each module is one fuzz target.
//!
//! The bodies are here, and not in `fuzz_targets`, so that `tests/corpus.rs` can replay the corpus with each `cargo test`.

pub mod answer;
pub mod challenge;
pub mod configuration;
pub mod document;
pub mod reference;
pub mod token;
