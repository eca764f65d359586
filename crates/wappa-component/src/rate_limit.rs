//! Rate limits: resources that say when something may go on. This page is all that the author of one needs.

use std::time::Duration;

use wappa_message::Message;

/// Says when messages may go on, to all components that ask for its label with
/// [`Context::rate_limit`](crate::Context::rate_limit).
///
/// It is built once, before the stream runs, from an entry of `rate_limit_resources`, and called by all threads of the
/// stream, several at once. It never waits to make somebody wait: that is for whoever asks. One that asks a server
/// bounds that, as a [`Cache`](crate::Cache) does.
///
/// # A whole rate limit
///
/// ```
/// use std::{
///     sync::{Arc, Mutex, PoisonError},
///     time::Duration,
/// };
///
/// use wappa_component::{BuildError, BuildRateLimit, Component, Context, Pulse, RateLimit};
/// use wappa_message::Message;
/// use wappa_spec::Config;
///
/// const COMPONENT: Component = Component::rate_limit::<SteadyConfig>("steady");
///
/// /// Lets messages go on at equal distances.
/// #[derive(Config)]
/// struct SteadyConfig {
///     /// The time from one message to the next.
///     distance: Duration,
/// }
///
/// impl BuildRateLimit for SteadyConfig {
///     fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn RateLimit>, BuildError> {
///         let next = Mutex::new(Duration::ZERO);
///         Ok(Arc::new(Steady { distance: self.distance, pulse: ctx.pulse(), next }))
///     }
/// }
///
/// struct Steady {
///     distance: Duration,
///     pulse: Arc<dyn Pulse>,
///     next: Mutex<Duration>,
/// }
///
/// impl RateLimit for Steady {
///     fn access(&self, _: &Message) -> Result<Duration, String> {
///         let now = self.pulse.now();
///         let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
///         let wait = next.saturating_sub(now);
///         if wait.is_zero() {
///             *next = now + self.distance;
///         }
///         Ok(wait)
///     }
/// }
/// # assert_eq!(COMPONENT.spec.name, "steady");
/// ```
pub trait RateLimit: Send + Sync {
    /// Asks whether a message may go on now. Zero: it may, and it was counted. Else nothing was counted, and it is worth
    /// while to ask again after this time; somebody else may have been faster then.
    ///
    /// No message is refused for ever: one that is larger than all that may pass at once passes by itself. What asks for
    /// something that is no message asks with an empty one. The error is one line, for people.
    fn access(&self, message: &Message) -> Result<Duration, String>;
}
