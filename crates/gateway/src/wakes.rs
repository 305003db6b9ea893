//! A task that is woken while it runs goes on at once, on the same thread.
//!
//! A connection and the handler of its request are one task, and they wake each other: the handler wants a body, the
//! connection has some of it. The runtime would put a task that was woken while it ran at the end of its queue, and
//! wake another thread to fetch it from there, which costs more than answering the request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Rounds in one go; then others get their turn.
const ROUNDS: usize = 4;

/// The future is not being polled; wakes go to the task.
const RESTING: u8 = 0;
/// It is being polled.
const RUNNING: u8 = 1;
/// It was woken meanwhile.
const WOKEN: u8 = 2;

/// See the module documentation.
pub(crate) struct Steady<F> {
    future: F,
    wakes: Arc<Wakes>,
    waker: Waker,
}

#[derive(Default)]
struct Wakes {
    state: AtomicU8,
    task: AtomicWaker,
}

impl<F: Future + Unpin> Steady<F> {
    pub(crate) fn new(future: F) -> Self {
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        Self { future, wakes, waker }
    }

    /// The future itself.
    pub(crate) fn future(&mut self) -> &mut F {
        &mut self.future
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let seen = self
            .state
            .compare_exchange(RUNNING, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if seen == Err(RESTING) {
            self.task.wake();
        }
    }
}

impl<F: Future + Unpin> Future for Steady<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        this.wakes.task.register(cx.waker());
        for _ in 0..ROUNDS {
            this.wakes.state.store(RUNNING, Ordering::Release);
            let polled = Pin::new(&mut this.future).poll(&mut Context::from_waker(&this.waker));
            // Whoever wakes from here on finds it resting, and wakes the task.
            let was = this.wakes.state.swap(RESTING, Ordering::AcqRel);
            if polled.is_ready() || was == RUNNING {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn waking_oneself_is_another_round_and_no_wake() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut rounds = 0;
        let mut future = Steady::new(poll_fn(|cx| {
            rounds += 1;
            if rounds == ROUNDS {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        assert_eq!((polled, count.0.load(Ordering::Relaxed)), (Poll::Ready(()), 0));
    }

    #[test]
    fn who_never_rests_leaves_the_others_their_turn() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut future = Steady::new(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        assert_eq!((polled, count.0.load(Ordering::Relaxed)), (Poll::Pending, 1));
    }

    #[test]
    fn waking_a_resting_one_wakes_the_task() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut inner = None;
        let mut future = Steady::new(poll_fn(|cx| {
            inner = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        assert_eq!(
            Pin::new(&mut future).poll(&mut Context::from_waker(&waker)),
            Poll::Pending
        );
        inner.unwrap().wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
