//! Names of Secrets, each used by one case at a time.

use std::{
    ops::Deref,
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// A Secret's name.
#[derive(Debug)]
pub struct Slot {
    /// The name.
    pub secret: String,
}

/// The free ones.
#[derive(Debug)]
pub struct Slots {
    free: Mutex<Vec<Slot>>,
    count: Semaphore,
}

/// A slot in use; dropping it frees the slot.
#[derive(Debug)]
pub struct Taken<'a> {
    slot: Option<Slot>,
    slots: &'a Slots,
    _permit: SemaphorePermit<'a>,
}

impl Slots {
    /// All slots, free.
    pub fn new(slots: Vec<Slot>) -> Self {
        Self {
            count: Semaphore::new(slots.len()),
            free: Mutex::new(slots),
        }
    }

    /// Waits for a free one.
    ///
    /// # Panics
    /// Never: there are as many permits as slots.
    pub async fn take(&self) -> Taken<'_> {
        let permit = self.count.acquire().await.expect("it is never closed");
        let slot = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        assert!(slot.is_some(), "as many slots as permits");
        Taken {
            slot,
            slots: self,
            _permit: permit,
        }
    }
}

impl Deref for Taken<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        self.slot.as_ref().expect("it is given back only when dropped")
    }
}

impl Drop for Taken<'_> {
    // The permit is dropped after this: fields are, in their order.
    fn drop(&mut self) {
        let mut free = self.slots.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.slot.take());
    }
}
