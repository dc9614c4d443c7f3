//! Independent clients that judge a pull secret: crane (go-containerregistry) and skopeo (containers/image).
//!
//! They get the bytes of a docker config document and the name of an image, nothing else: no HOME, no environment, no
//! /etc/hosts. Each fetches every blob.

mod crane;
mod https;
mod run;
mod skopeo;

pub use crane::Crane;
pub use https::HttpsClient;
pub use run::Network;
pub use skopeo::Skopeo;
