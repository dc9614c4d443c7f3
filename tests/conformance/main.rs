//! Same verdict as the real consumers: what this program says of a document or an image reference, against what the kubelet,
//! containers/image and go-containerregistry say of it by their own code. Run with `cargo xtask test`; Go is needed, a
//! cluster isn't.
//!
//! Thousands of generated cases a run, other ones each time. A disagreement fails with the smallest case that shows it and
//! the seed that finds it again. PROPTEST_CASES and PROPTEST_RNG_SEED say how many and which.

mod alike;
mod consumers;
mod containers_image;
mod documents;
mod images;
mod keys;
mod kubelet;
mod reference;
mod search;
