//! What all sessions of a run share about one registry: how many requests it gets at a time, tokens, and failed logins.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use http::HeaderValue;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore, SemaphorePermit},
    time::{Duration, Instant},
};

use super::{AuthScheme, Authorization, Inconclusive};

/// How many requests a registry gets at a time, those to its token service included (CONTRACT section 5).
const REQUESTS_AT_A_TIME: usize = 8;
/// How long a token is used again: half of the shortest lifetime that a token service may give (distribution spec).
const TOKEN_REUSE: Duration = Duration::from_secs(30);

/// A short list of what was created under a key.
pub(super) type Known<K, V> = Mutex<Vec<(K, Arc<V>)>>;

/// One registry.
pub(super) struct Host {
    permits: Semaphore,
    credentials: Known<(Option<HeaderValue>, Option<AuthScheme>), Usage>,
    usernames: Known<String, AsyncMutex<()>>,
}

impl Host {
    pub(super) fn new() -> Self {
        Self {
            permits: Semaphore::new(REQUESTS_AT_A_TIME),
            credentials: Known::default(),
            usernames: Known::default(),
        }
    }

    /// A place for one request; released when it is dropped.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.permits.acquire().await.ok()
    }

    /// How this credential was used here so far; `basic` is its header. `asked` is the challenge of a repository, where
    /// that is another one than `/v2/`'s: its login is another one.
    pub(super) fn usage(&self, basic: Option<&HeaderValue>, asked: Option<&AuthScheme>) -> Arc<Usage> {
        find(
            &self.credentials,
            &(basic.cloned(), asked.cloned()),
            Usage::default,
        )
    }

    /// Waits until no other credential with this user name is being verified: one that is rejected may lock the account for
    /// the next.
    pub(super) async fn turn(&self, username: &str) -> OwnedMutexGuard<()> {
        find(&self.usernames, &username.to_owned(), AsyncMutex::default)
            .lock_owned()
            .await
    }
}

/// How one credential was used at one registry in this run.
#[derive(Default)]
pub(super) struct Usage {
    failed_logins: AtomicU32,
    is_accepted: AtomicBool,
    tokens: Known<String, AsyncMutex<Option<Token>>>,
}

/// The answer of a token service.
struct Token {
    at: Instant,
    answer: Result<Authorization, Inconclusive>,
}

impl Usage {
    /// Counts a login that the registry or its token service refuses, unless it accepted the credential in this run.
    pub(super) fn count_refusal(&self) {
        if !self.is_accepted.load(Ordering::Relaxed) {
            self.failed_logins.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Remembers that the credential was accepted: what is refused now is a permission.
    pub(super) fn accept(&self) {
        self.is_accepted.store(true, Ordering::Relaxed);
        self.failed_logins.store(0, Ordering::Relaxed);
    }

    /// Makes the next request for a scope a new one.
    pub(super) fn forget_tokens(&self) {
        lock(&self.tokens).clear();
    }

    /// How often the credential failed to log in.
    pub(super) fn failed_logins(&self) -> u32 {
        self.failed_logins.load(Ordering::Relaxed)
    }

    /// The token service's answer for `url`: that of a moment ago, else what `fetch` gives.
    pub(super) async fn token(
        &self,
        url: &str,
        fetch: impl Future<Output = Result<Authorization, Inconclusive>>,
    ) -> Result<Authorization, Inconclusive> {
        let known = find(&self.tokens, &url.to_owned(), AsyncMutex::default);
        // Held until the answer is there: requests for one scope at the same time are one.
        let mut known = known.lock().await;
        if let Some(token) = known.as_ref()
            && token.at.elapsed() < TOKEN_REUSE
        {
            return token.answer.clone();
        }
        let answer = fetch.await;
        *known = Some(Token {
            at: Instant::now(),
            answer: answer.clone(),
        });
        answer
    }
}

/// The value of this key; created where there is none yet.
pub(super) fn find<K: Clone + PartialEq, V>(known: &Known<K, V>, key: &K, new: impl FnOnce() -> V) -> Arc<V> {
    let mut known = lock(known);
    if let Some((_, value)) = known.iter().find(|(other, _)| other == key) {
        return Arc::clone(value);
    }
    let value = Arc::new(new());
    known.push((key.clone(), Arc::clone(&value)));
    value
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
