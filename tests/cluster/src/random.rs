//! Random names and tokens.

use anyhow::{Context as _, Result};
use ring::rand::{SecureRandom as _, SystemRandom};

/// 128 random bits in hexadecimal.
///
/// # Errors
/// If the system has no randomness.
pub(crate) fn random_hex() -> Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .ok()
        .context("the system has no randomness")?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
