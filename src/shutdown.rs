//! How the program ends: told once it drains, told twice or too slow it stops.

use tokio::sync::watch;

/// Tells everybody who holds a [`Shutdown`] to finish.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Stage>);

/// Being told to finish. Clones are told together.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Stage>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Draining,
    Stopping,
}

/// A trigger, and what it is pulled for.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// No new work; what is under way is finished.
    pub fn drain(&self) {
        self.advance(Stage::Draining);
    }

    /// At once.
    pub fn stop(&self) {
        self.advance(Stage::Stopping);
    }

    fn advance(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let later = *stage < to;
            *stage = to.max(*stage);
            later
        });
    }
}

impl Shutdown {
    /// Returns once draining has begun, or the trigger is gone.
    pub async fn draining(&mut self) {
        self.reached(Stage::Draining).await;
    }

    /// Returns once everything is to stop, or the trigger is gone.
    pub async fn stopping(&mut self) {
        self.reached(Stage::Stopping).await;
    }

    async fn reached(&mut self, wanted: Stage) {
        // The trigger's end is an order to stop as well.
        let _ = self.0.wait_for(|stage| *stage >= wanted).await;
    }
}
