//! Threads that wait for a run and go through its stages side by side.
//!
//! The division of work is fixed; threads meet at one barrier a stage. A waiting thread spins for some microseconds,
//! then sleeps.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// Rounds of spinning before a thread sleeps: some tens of microseconds.
const SPINS: u32 = 20_000;

/// A number that only goes up and that threads can wait for.
#[derive(Debug, Default)]
struct Count {
    value: AtomicUsize,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Count {
    /// Raises the number by one and wakes who sleeps. What was written before is seen by who waited.
    fn raise(&self) {
        self.value.fetch_add(1, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock());
            self.wake.notify_all();
        }
    }

    /// Waits until the number is at least `wanted`.
    fn wait(&self, wanted: usize) {
        for spin in 0..SPINS {
            if self.value.load(Ordering::Acquire) >= wanted {
                return;
            }
            if spin % 1024 == 1023 {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while self.value.load(Ordering::SeqCst) < wanted {
            guard = self.wake.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        drop(guard);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A place where all threads of a pool meet.
#[derive(Debug)]
pub(super) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    passed: Count,
}

impl Barrier {
    fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0), passed: Count::default() }
    }

    /// Waits for all threads. `met` counts a thread's meetings since the pool began.
    pub(super) fn meet(&self, met: &mut usize) {
        *met += 1;
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Release);
            self.passed.raise();
        } else {
            self.passed.wait(*met);
        }
    }
}

/// What each thread does in a run: gets its number, the barrier and its meetings.
pub(super) type Run = dyn Fn(usize, &Barrier, &mut usize) + Send + Sync;

struct Shared {
    barrier: Barrier,
    started: Count,
    stop: AtomicBool,
}

/// Threads besides the caller's.
pub(super) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    runs: usize,
    met: usize,
}

impl Pool {
    /// So many threads, the caller's included. Each runs `run` once a [`Pool::run`].
    pub(super) fn new(threads: usize, run: &Arc<Run>) -> Pool {
        let shared = Arc::new(Shared {
            barrier: Barrier::new(threads),
            started: Count::default(),
            stop: AtomicBool::new(false),
        });
        let worker = |index: usize| {
            let (shared, run) = (shared.clone(), run.clone());
            let body = move || {
                let mut met = 0;
                for round in 1.. {
                    shared.started.wait(round);
                    if shared.stop.load(Ordering::Acquire) {
                        return;
                    }
                    run(index, &shared.barrier, &mut met);
                    shared.barrier.meet(&mut met);
                }
            };
            std::thread::Builder::new().name(format!("netc {index}")).spawn(body)
        };
        let workers = (1..threads)
            .map(|it| worker(it).unwrap_or_else(|error| panic!("no thread to run on: {error}")))
            .collect();
        Pool { shared, workers, runs: 0, met: 0 }
    }

    /// One run on all threads; returns when all are done.
    pub(super) fn run(&mut self, run: &Run) {
        self.runs += 1;
        self.shared.started.raise();
        run(0, &self.shared.barrier, &mut self.met);
        self.shared.barrier.meet(&mut self.met);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.started.raise();
        for worker in self.workers.drain(..) {
            // A worker runs generated code and barriers only; it has nothing to say when it ends.
            drop(worker.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_meet_between_stages() {
        const STAGES: usize = 300;
        for threads in 1..=3 {
            let counts: Arc<Vec<AtomicUsize>> =
                Arc::new((0..STAGES).map(|_| AtomicUsize::new(0)).collect());
            let shared = counts.clone();
            let run: Arc<Run> = Arc::new(move |_, barrier: &Barrier, met: &mut usize| {
                for (at, count) in shared.iter().enumerate() {
                    count.fetch_add(1, Ordering::Relaxed);
                    barrier.meet(met);
                    assert_eq!(count.load(Ordering::Relaxed) % threads, 0, "stage {at}");
                    barrier.meet(met);
                }
            });
            let mut pool = Pool::new(threads, &run);
            for _ in 0..3 {
                pool.run(&*run);
            }
            assert!(counts.iter().all(|it| it.load(Ordering::Relaxed) == 3 * threads));
        }
    }

    #[test]
    fn sleeping_threads_wake() {
        let count = Arc::new(AtomicUsize::new(0));
        let shared = count.clone();
        let run: Arc<Run> = Arc::new(move |_, _: &Barrier, _: &mut usize| {
            shared.fetch_add(1, Ordering::Relaxed);
        });
        let mut pool = Pool::new(2, &run);
        for round in 1..=3 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            pool.run(&*run);
            assert_eq!(count.load(Ordering::Relaxed), 2 * round);
        }
    }
}
