//! A bounded number of hashings at once, and a bounded number of callers who wait for one.

use std::{
    collections::VecDeque,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::scheme::Memory;

/// How much the threads stand back behind all others of the process (`nice`): a hash takes milliseconds
/// whose every microsecond somebody else may need.
const NICE: i32 = 10;

/// How long a thread keeps its memory when there is nothing to do.
const IDLE: Duration = Duration::from_secs(10);

/// What somebody is told for whom there is no room.
const LATER: Overloaded = Overloaded {
    retry_after: Duration::from_secs(1),
};

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Runs hashing on threads of its own, never more at once than there are processors for it. The threads
/// yield to everything else that the process does, and keep their memory from one hash to the next.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// Room for those who are served and those who wait.
    admitted: Arc<Semaphore>,
    jobs: Arc<Entrance>,
}

/// What the threads have to do. Each takes the next by itself, so that it never waits for the processor that
/// everything else runs on, and knows how long it had nothing.
#[derive(Default)]
struct Jobs {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    /// With their numbers, in their order; never more than have been admitted.
    jobs: VecDeque<(u64, Job)>,
    /// The number of the last one.
    drawn: u64,
    closed: bool,
}

/// The way to the threads, which end when the last clone of the pool is gone.
struct Entrance(Arc<Jobs>);

/// Room for one caller, who has work or soon will; it is free again when the caller has let go of it and what
/// has begun for them is finished.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// A caller's place in the queue, given up when the caller goes away.
struct Place<'a> {
    jobs: &'a Jobs,
    number: u64,
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded {
    /// When to try again.
    pub(crate) retry_after: Duration,
}

impl Pool {
    /// A pool of so many threads (0: one for each processor) with room for so many callers who wait.
    pub(crate) fn new(threads: usize, queue: usize) -> io::Result<Self> {
        let threads = match threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        metrics::gauge!("auth_hashing_threads").set(show(threads));
        metrics::gauge!("auth_hashing_queue_limit").set(show(queue));
        metrics::gauge!("auth_hashing_queue").set(0);
        let room = threads.saturating_add(queue).min(Semaphore::MAX_PERMITS);
        let jobs = Arc::<Jobs>::default();
        let entrance = Entrance(Arc::clone(&jobs));
        for number in 0..threads {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || serve(&jobs))?;
        }
        Ok(Self {
            admitted: Arc::new(Semaphore::new(room)),
            jobs: Arc::new(entrance),
        })
    }

    /// Room for a caller; refuses at once when there is none.
    pub(crate) fn admit(&self) -> Result<Room, Overloaded> {
        let permit = Arc::clone(&self.admitted).try_acquire_owned();
        let permit = permit.map(|permit| Room {
            _permit: Arc::new(permit),
        });
        permit.map_err(|_| {
            metrics::counter!("auth_hashing_refused_total").increment(1);
            LATER
        })
    }

    /// Runs `work` when its turn comes. A caller who goes away while waiting leaves the queue.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        room: &Room,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (room, (answer, answered)) = (room.clone(), oneshot::channel());
        let waits = Instant::now();
        let _place = self.jobs.0.add(Box::new(move |memory| {
            metrics::histogram!("auth_hashing_wait_seconds").record(waits.elapsed());
            let began = Instant::now();
            let result = work(memory);
            metrics::histogram!("auth_hashing_seconds").record(began.elapsed());
            drop(room);
            // Nobody may be waiting any more.
            answer.send(result).ok();
        }));
        // There is no answer only when the work panicked.
        answered.await.map_err(|_| LATER)
    }
}

impl Jobs {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, job: Job) -> Place<'_> {
        let mut queue = self.queue();
        queue.drawn += 1;
        let number = queue.drawn;
        queue.jobs.push_back((number, job));
        queue.tell();
        drop(queue);
        self.more.notify_one();
        Place { jobs: self, number }
    }

    /// Takes a job back that no thread has begun.
    fn withdraw(&self, number: u64) -> Option<Job> {
        let mut queue = self.queue();
        let found = queue
            .jobs
            .binary_search_by_key(&number, |(number, _)| *number);
        let (_, job) = queue.jobs.remove(found.ok()?)?;
        queue.tell();
        Some(job)
    }

    /// Waits for the next job, not for ever.
    fn next(&self, patience: Duration) -> Next {
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed;
        let waited = self.more.wait_timeout_while(self.queue(), patience, idle);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match queue.jobs.pop_front() {
            Some((_, job)) => {
                queue.tell();
                Next::Job(job)
            }
            None if queue.closed => Next::Closed,
            None => Next::Nothing,
        }
    }
}

impl Queue {
    fn tell(&self) {
        metrics::gauge!("auth_hashing_queue").set(show(self.jobs.len()));
    }
}

/// As a gauge takes it.
fn show(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // What it holds is let go of after the lock.
        drop(self.jobs.withdraw(self.number));
    }
}

enum Next {
    Job(Job),
    Nothing,
    Closed,
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.more.notify_all();
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entrance")
    }
}

/// Works until the pool is gone.
fn serve(jobs: &Jobs) {
    stand_back();
    let mut memory = Memory::default();
    loop {
        match jobs.next(IDLE) {
            Next::Job(job) => {
                // A fault in one job must not cost the pool a thread.
                if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
                    tracing::error!("hashing panicked");
                }
            }
            Next::Nothing => memory.release(),
            Next::Closed => return,
        }
    }
}

#[cfg(target_os = "linux")]
fn stand_back() {
    // On Linux a priority belongs to a thread, whatever its name says.
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), NICE) {
        tracing::debug!(%error, "hashing runs at the priority of everything else");
    }
}

#[cfg(not(target_os = "linux"))]
fn stand_back() {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes room for some work alone.
    async fn now<T: Send + 'static>(
        pool: &Pool,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        pool.run(&pool.admit()?, work).await
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_takes_again_when_there_is_room() {
        let pool = Pool::new(1, 1).expect("starts");
        let (release, released) = mpsc::channel::<()>();
        let (announce, announced) = tokio::sync::oneshot::channel();
        let working = {
            let pool = pool.clone();
            async move {
                let room = pool.admit()?;
                pool.run(&room, move |_| {
                    announce.send(()).ok();
                    released.recv().ok();
                    1
                })
                .await
            }
        };
        let waiting = {
            let pool = pool.clone();
            async move { pool.run(&pool.admit()?, |_| 2).await }
        };
        let refused = async {
            announced.await.expect("the first one began");
            tokio::task::yield_now().await;
            let refused = pool.admit();
            release.send(()).expect("the first one waits");
            refused
        };
        let (first, second, third) = tokio::join!(working, waiting, refused);
        assert_eq!((first, second), (Ok(1), Ok(2)));
        assert!(third.is_err());
        assert_eq!(now(&pool, |_| 4).await, Ok(4));
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_makes_room() {
        let pool = Pool::new(1, 1).expect("starts");
        let (release, released) = mpsc::channel::<()>();
        let working = now(&pool, move |_| released.recv().ok());
        let leaving = async {
            let waiting = now(&pool, |_| ());
            tokio::time::timeout(Duration::from_millis(20), waiting)
                .await
                .expect_err("there is no turn for it");
            let next = now(&pool, |_| 5);
            release.send(()).expect("the first one waits");
            next.await
        };
        let (_, next) = tokio::join!(working, leaving);
        assert_eq!(next, Ok(5));
    }

    #[tokio::test]
    async fn room_is_kept_by_whoever_holds_it_and_by_work_that_has_begun() {
        let pool = Pool::new(1, 0).expect("starts");
        let held = pool.admit().expect("there is room");
        assert_eq!(pool.run(&held, |_| 1).await, Ok(1));
        pool.admit().expect_err("it is held after the work");

        let (release, released) = mpsc::channel::<()>();
        let (announce, announced) = oneshot::channel();
        let working = pool.run(&held, move |_| {
            announce.send(()).ok();
            released.recv().ok();
        });
        tokio::select! {
            _ = working => unreachable!("it is not released"),
            began = announced => began.expect("begins"),
        }
        drop(held);
        pool.admit()
            .expect_err("the work goes on without its caller");
        release.send(()).expect("the work waits");
        while pool.admit().is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn zero_threads_mean_one_for_each_processor() {
        let pool = Pool::new(0, 0).expect("starts");
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(pool.admitted.available_permits(), processors);
        assert_eq!(now(&pool, |_| 1).await, Ok(1));
    }

    #[test]
    fn every_thread_notices_that_there_is_nothing_to_do() {
        const SHORT: Duration = Duration::from_millis(20);
        let jobs = Jobs::default();
        thread::scope(|threads| {
            let waiting = [(); 3].map(|()| threads.spawn(|| jobs.next(SHORT)));
            for thread in waiting {
                assert!(matches!(thread.join(), Ok(Next::Nothing)));
            }
        });
        std::mem::forget(jobs.add(Box::new(|_| {})));
        let entrance = Entrance(Arc::new(jobs));
        let jobs = Arc::clone(&entrance.0);
        drop(entrance);
        assert!(
            matches!(jobs.next(SHORT), Next::Job(_)),
            "what was there is done"
        );
        assert!(matches!(jobs.next(SHORT), Next::Closed));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_no_thread() {
        let pool = Pool::new(1, 4).expect("starts");
        let panicked = now(&pool, |_| panic!("on purpose")).await;
        assert!(panicked.is_err());
        assert_eq!(now(&pool, |_| 1).await, Ok(1));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_stands_back_behind_everything_else() {
        let here = rustix::process::getpriority_process(None).expect("is told");
        let pool = Pool::new(1, 0).expect("starts");
        let there = now(&pool, |_| {
            let thread = rustix::thread::gettid();
            rustix::process::getpriority_process(Some(thread)).expect("is told")
        });
        assert_eq!(there.await, Ok(NICE.max(here)));
    }
}
