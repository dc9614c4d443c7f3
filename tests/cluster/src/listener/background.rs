//! A future on a thread of its own, stopped and joined when its owner is dropped.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// A running future. Dropping it cancels the future with all tasks it spawned, and waits until its thread has ended.
#[derive(Debug)]
pub struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts a thread called `name` and runs there, on a current_thread runtime, the future that `make` returns.
    /// `make` is called inside the runtime, so that it may register sockets.
    pub fn start<Make, Work>(name: &str, make: Make) -> io::Result<Self>
    where
        Make: FnOnce() -> Work + Send + 'static,
        Work: Future<Output = ()>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async move {
                let mut work = pin!(make());
                tokio::select! {
                    () = &mut work => {}
                    _ = stopped => {}
                }
            });
            // A name look-up on the blocking pool must not hold the owner back.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The future's panic has been printed by its thread; the owner may be unwinding itself.
            let _ = thread.join();
        }
    }
}

/// Runs a future to its end on a thread of its own, whether or not the caller is inside a runtime.
pub fn wait_for<Work>(work: Work) -> io::Result<Work::Output>
where
    Work: Future + Send,
    Work::Output: Send,
{
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                Ok(runtime.block_on(work))
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct ReportsDrop(std::sync::mpsc::Sender<()>);

    impl Drop for ReportsDrop {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    #[test]
    fn dropping_the_owner_cancels_the_future_before_it_returns() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (started, has_started) = std::sync::mpsc::channel();
        let background = Background::start("waits for ever", move || async move {
            let _held = ReportsDrop(sender);
            started.send(()).expect("the test waits for it");
            std::future::pending::<()>().await;
        })
        .expect("a thread");
        has_started.recv().expect("the future runs");
        assert!(receiver.try_recv().is_err(), "the future ended by itself");
        drop(background);
        receiver.try_recv().expect("the future was still there");
    }

    #[tokio::test]
    async fn a_future_can_be_waited_for_inside_a_runtime() {
        assert_eq!(wait_for(async { 7 }).expect("a runtime"), 7);
    }
}
