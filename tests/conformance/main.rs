//! Same verdict as the real clients: the program's reading of documents and image references is compared with the code
//! of the kubelet, containers/image and go-containerregistry, and its verdict on certificates and NO_PROXY with that of Go's
//! own packages. Run with `cargo xtask test`; it needs Go and no cluster.
//!
//! Each run generates thousands of other cases. A difference fails with the smallest case and its seed. PROPTEST_CASES
//! and PROPTEST_RNG_SEED set their number and the seed.

mod alike;
mod certificates;
mod challenges;
mod consumers;
mod containers_image;
mod documents;
mod images;
mod keys;
mod kubelet;
mod no_proxy;
mod reference;
mod search;
mod verify;
