//! A call that outlasts its connection.
//!
//! hyper drops a service's future when the client has gone away. A call that has been begun
//! is finished all the same: what was decided is counted and written down.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

/// A future that goes on in a task of its own when whoever waits for it no longer does.
/// Cheaper than a task from the start: almost every call is waited for to its end.
pub(super) struct Outlasting<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F> Outlasting<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    pub(super) fn new(call: F) -> Self {
        Self(Some(Box::pin(call)))
    }
}

impl<F> Future for Outlasting<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(call) = &mut self.0 else {
            // Done, and asked again: nobody may do that, and nothing more will come.
            return Poll::Pending;
        };
        let result = call.as_mut().poll(cx);
        if result.is_ready() {
            self.0 = None;
        }
        result
    }
}

impl<F> Drop for Outlasting<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        // A call that has panicked would panic again; one that comes after the runtime's end
        // has nothing to run on.
        if std::thread::panicking() {
            return;
        }
        if let (Some(call), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::sync::Arc;
    use tokio::sync::Notify;

    #[tokio::test]
    async fn a_call_whose_caller_has_gone_goes_on_to_its_end() {
        let (go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (waits, tells) = (Arc::clone(&go_on), Arc::clone(&done));
        let mut call = Outlasting::new(async move {
            waits.notified().await;
            tells.notify_one();
        });
        assert_eq!((&mut call).now_or_never(), None);
        drop(call);
        go_on.notify_one();
        done.notified().await;
    }

    #[tokio::test]
    async fn a_call_that_is_waited_for_answers_where_it_is_waited_for() {
        assert_eq!(Outlasting::new(async { 7 }).await, 7);
    }
}
