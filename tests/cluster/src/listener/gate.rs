//! Gates that hold requests until a test opens them.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Gates by name, each closed until it is opened, and open from then on.
#[derive(Debug, Default)]
pub struct Gates {
    gates: Mutex<HashMap<String, Gate>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct Gate {
    arrivals: usize,
    open: watch::Sender<bool>,
}

impl Gates {
    /// Waits until the gate is open, at once where it already is. The arrival is counted either way.
    pub async fn pass(&self, name: &str) {
        let mut open = {
            let mut gates = self.lock();
            let gate = gates.entry(name.to_owned()).or_default();
            gate.arrivals += 1;
            gate.open.subscribe()
        };
        self.arrived.notify_all();
        // The sender lives as long as the map, which is borrowed here.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Opens the gate for waiting and later requests.
    pub fn open(&self, name: &str) {
        self.lock()
            .entry(name.to_owned())
            .or_default()
            .open
            .send_replace(true);
    }

    /// Number of arrivals at the gate so far.
    pub fn arrivals(&self, name: &str) -> usize {
        self.lock().get(name).map_or(0, |gate| gate.arrivals)
    }

    /// Waits until `count` have arrived at the gate. An error has their number after `limit`.
    pub fn wait_for_arrivals(&self, name: &str, count: usize, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        let mut gates = self.lock();
        loop {
            let arrivals = gates.get(name).map_or(0, |gate| gate.arrivals);
            if arrivals >= count {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!(
                    "{arrivals} of {count} requests arrived at gate {name:?} within {limit:?}"
                ));
            }
            gates = self
                .arrived
                .wait_timeout(gates, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            arrivals: 0,
            open: watch::Sender::new(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Poll;

    #[tokio::test]
    async fn an_arrival_waits_until_the_gate_opens_and_later_ones_pass() {
        let gates = Gates::default();
        {
            let mut held = pin!(gates.pass("first"));
            assert!(matches!(
                std::future::poll_fn(|context| Poll::Ready(held.as_mut().poll(context))).await,
                Poll::Pending
            ));
            gates.open("another");
            assert!(matches!(
                std::future::poll_fn(|context| Poll::Ready(held.as_mut().poll(context))).await,
                Poll::Pending
            ));
            gates.open("first");
            held.await;
        }
        gates.pass("first").await;
        assert_eq!(gates.arrivals("first"), 2);
    }

    #[test]
    fn waiting_for_arrivals_that_never_come_ends_with_their_count() {
        let error = Gates::default()
            .wait_for_arrivals("nobody", 2, Duration::from_millis(10))
            .expect_err("nobody arrives");
        assert!(error.starts_with("0 of 2"), "{error}");
    }
}
