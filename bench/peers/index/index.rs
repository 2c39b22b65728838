// SPDX-License-Identifier: Apache-2.0
//! What the indexes have in common here, and the event thread that each of them needs.

use crate::corpus::Event;
use crate::machine;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// An index as its own service runs it: one thread applies events, which it is given as messages
/// of their own and frees, and any thread looks up.
pub trait Index: Send + Sync + Sized + 'static {
    /// The last part of a row's id.
    const NAME: &'static str;
    /// Crate, version and type, for people.
    const WHAT: &'static str;
    /// Lookups may run beside the event thread without a lock around both.
    const CONCURRENT: bool;
    type Task: Send;
    type Hash: Copy;
    type Answer: Default;

    fn new(workers: usize) -> Self;
    fn task(event: &Event) -> Self::Task;
    /// A task that says when all tasks before it are done.
    fn flush(done: oneshot::Sender<()>) -> Self::Task;
    /// The event thread: does the tasks until nobody can send any.
    fn serve(&self, tasks: flume::Receiver<Self::Task>);

    fn hash(local_hash: u64) -> Self::Hash;
    /// Empties an answer, which is no part of the lookup that is timed.
    fn forget(answer: &mut Self::Answer);
    /// Who holds how much of `query`, into an empty answer.
    fn lookup(&self, query: &[Self::Hash], answer: &mut Self::Answer);
    fn blocks(answer: &Self::Answer, worker: u64) -> u32;
}

/// An index and its event thread.
pub struct Served<I: Index> {
    pub index: Arc<I>,
    tasks: Option<flume::Sender<I::Task>>,
    waiting: flume::Receiver<I::Task>,
    thread: Option<JoinHandle<()>>,
    clock: libc::clockid_t,
}

impl<I: Index> Served<I> {
    /// Starts the event thread on the `place`-th processor; `waiting` is there before it runs.
    pub fn start(workers: usize, place: usize, waiting: Vec<I::Task>) -> Self {
        let index = Arc::new(I::new(workers));
        let (send, receive) = flume::unbounded();
        let (tell, told) = mpsc::channel();
        for task in waiting {
            send.send(task).unwrap();
        }
        let (served, waiting) = (index.clone(), receive.clone());
        let thread = std::thread::spawn(move || {
            machine::pin(place);
            tell.send(machine::thread_clock()).unwrap();
            served.serve(receive);
        });
        let clock = told.recv().unwrap();
        Served { index, tasks: Some(send), waiting, thread: Some(thread), clock }
    }

    pub fn send(&self, task: I::Task) {
        self.tasks.as_ref().unwrap().send(task).unwrap();
    }

    /// Waits until so many tasks wait at most.
    pub fn catch_up(&self, most: usize) {
        while self.waiting.len() > most {
            std::thread::yield_now();
        }
    }

    /// Waits until all is done that was sent.
    pub fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.send(I::flush(done));
        wait.blocking_recv().unwrap();
    }

    /// Likewise, but when the event thread has used `limit`, what still waits is thrown away: how
    /// many tasks.
    pub fn flush_within(&self, limit: Duration) -> usize {
        let (done, mut wait) = oneshot::channel();
        self.send(I::flush(done));
        while wait.try_recv().is_err() {
            if self.cpu() > limit {
                let left = self.waiting.drain().count();
                self.flush();
                return left.saturating_sub(1);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        0
    }

    /// CPU time that the event thread has used so far.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(machine::read_clock(self.clock))
    }
}

impl<I: Index> Drop for Served<I> {
    fn drop(&mut self) {
        self.tasks = None;
        self.thread.take().unwrap().join().unwrap();
    }
}
