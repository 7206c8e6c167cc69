//! Hands what a tail delivers to the stream of a call.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use crate::error::{Error, Result};
use crate::log::{Delivery, Tail};

/// Messages on their way to one slow caller; the rest waits in the log.
const IN_FLIGHT: usize = 4;

/// The stream of a server-streaming call.
pub(super) type Messages<T> = ReceiverStream<Result<T, Status>>;

/// Streams what a tail delivers until the caller leaves, the tail fails, or the server drains.
pub(super) fn deliver<T: Send + 'static>(
    mut tail: Tail,
    drain: CancellationToken,
    render: impl Fn(Delivery) -> Result<T> + Send + 'static,
) -> Messages<T> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let task = async move {
        loop {
            let message = tokio::select! {
                () = sender.closed() => return,
                () = drain.cancelled() => Err(Error::ShuttingDown),
                delivery = tail.next() => delivery.and_then(&render),
            };
            let last = message.is_err();
            if sender.send(message.map_err(Status::from)).await.is_err() || last {
                return;
            }
        }
    };
    tokio::spawn(task.in_current_span());
    ReceiverStream::new(receiver)
}
