//! A bounded number of hashings at once, and a bounded number of callers who wait for one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Runs hashing on threads of its own, never more at once than there are processors for it.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded {
    /// When to try again.
    pub(crate) retry_after: Duration,
}

impl Pool {
    /// A pool of so many threads (0: one for each processor) with room for so many callers who wait.
    pub(crate) fn new(threads: usize, queue: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let room = threads.saturating_add(queue).min(Semaphore::MAX_PERMITS);
        Self {
            running: Arc::new(Semaphore::new(threads.min(Semaphore::MAX_PERMITS))),
            admitted: Arc::new(Semaphore::new(room)),
            waiting: Arc::default(),
        }
    }

    /// Runs `work` when its turn comes; refuses at once when the queue is full.
    ///
    /// A caller who goes away while waiting makes room; work that has begun is finished, and counted
    /// until then.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| {
                metrics::counter!("auth_hashing_refused_total").increment(1);
                Overloaded {
                    retry_after: Duration::from_secs(1),
                }
            })?;
        let began = Instant::now();
        let running = self.turn().await;
        metrics::histogram!("auth_hashing_wait_seconds").record(began.elapsed());

        let finished = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let result = work();
            metrics::histogram!("auth_hashing_seconds").record(began.elapsed());
            drop((running, admitted));
            result
        })
        .await;
        // The runtime drops blocking work only when it shuts down, and then nobody reads the answer.
        finished.map_err(|_| Overloaded {
            retry_after: Duration::from_secs(1),
        })
    }

    async fn turn(&self) -> OwnedSemaphorePermit {
        let _waiting = Waiting::new(&self.waiting);
        Arc::clone(&self.running)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }
}

/// Counts one caller in the queue's gauge for as long as it waits.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        publish(count.fetch_add(1, Ordering::Relaxed) + 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        publish(self.0.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

fn publish(length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    metrics::gauge!("auth_hashing_queue").set(length);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_takes_again_when_there_is_room() {
        let pool = Pool::new(1, 1);
        let (release, released) = mpsc::channel::<()>();
        let (announce, announced) = tokio::sync::oneshot::channel();
        let working = {
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    announce.send(()).ok();
                    released.recv().ok();
                    1
                })
                .await
            }
        };
        let waiting = {
            let pool = pool.clone();
            async move { pool.run(|| 2).await }
        };
        let refused = async {
            announced.await.expect("the first one began");
            tokio::task::yield_now().await;
            let refused = pool.run(|| 3).await;
            release.send(()).expect("the first one waits");
            refused
        };
        let (first, second, third) = tokio::join!(working, waiting, refused);
        assert_eq!((first, second), (Ok(1), Ok(2)));
        assert!(third.is_err());
        assert_eq!(pool.run(|| 4).await, Ok(4));
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_makes_room() {
        let pool = Pool::new(1, 1);
        let (release, released) = mpsc::channel::<()>();
        let working = pool.run(move || released.recv().ok());
        let leaving = async {
            let waiting = pool.run(|| ());
            tokio::time::timeout(Duration::from_millis(20), waiting)
                .await
                .expect_err("there is no turn for it");
            let next = pool.run(|| 5);
            release.send(()).expect("the first one waits");
            next.await
        };
        let (_, next) = tokio::join!(working, leaving);
        assert_eq!(next, Ok(5));
    }

    #[tokio::test]
    async fn zero_threads_mean_one_for_each_processor() {
        let pool = Pool::new(0, 0);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(pool.running.available_permits(), processors);
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }
}
