//! Independent clients that judge a pull secret: crane (go-containerregistry), skopeo (containers/image), and a small one
//! of the suite's own where there are a thousand to judge.
//!
//! They get the bytes of a docker config document and the name of an image, nothing else: no HOME, no environment, no
//! /etc/hosts. crane and skopeo fetch every blob.

mod crane;
mod https;
mod puller;
mod run;
mod skopeo;

pub use crane::Crane;
pub use https::HttpsClient;
pub use puller::Puller;
pub use run::Network;
pub use skopeo::{Skopeo, WITHOUT_SKOPEO};
