//! Makes a wrapped image pull secret, and proves that it pulls.
