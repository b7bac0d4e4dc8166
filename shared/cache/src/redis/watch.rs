//! The marks that other processes add, as they add them.

use std::time::Duration;

use deadpool_redis::redis::{
    Client, Msg, Value,
    aio::{PubSubSink, PubSubStream},
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, interval_at, timeout};

use super::fault::Fault;
use crate::Mark;

/// How long connecting and subscribing may take. Nobody waits for it.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// How often a quiet connection is asked whether it still lives; a vanished host says nothing.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long the answer may take.
const PING_PATIENCE: Duration = Duration::from_secs(1);

/// Subscribes on a connection of its own. The stream ends when that connection does.
pub(super) async fn open(
    client: &Client,
    channel: &str,
) -> Result<BoxStream<'static, Mark>, Fault> {
    let subscribing = async {
        let (mut sink, messages) = client.get_async_pubsub().await?.split();
        sink.subscribe(channel).await?;
        Ok::<_, Fault>((sink, messages))
    };
    let (sink, messages) = match timeout(CONNECT_PATIENCE, subscribing).await {
        Ok(subscribed) => subscribed?,
        Err(_) => return Err(Fault::late()),
    };
    let ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let watching = Watching {
        sink,
        messages,
        ping,
    };
    Ok(stream::unfold(watching, Watching::next).boxed())
}

struct Watching {
    sink: PubSubSink,
    messages: PubSubStream,
    ping: tokio::time::Interval,
}

impl Watching {
    async fn next(mut self) -> Option<(Mark, Self)> {
        loop {
            tokio::select! {
                message = self.messages.next() => {
                    // A message that nobody of ours wrote may hide one that was meant.
                    let mark = parse(&message?)?;
                    return Some((mark, self));
                }
                _ = self.ping.tick() => {
                    timeout(PING_PATIENCE, self.sink.ping::<Value>()).await.ok()?.ok()?;
                }
            }
        }
    }
}

/// Reads what the script for marks published: milliseconds, a space, the member.
fn parse(message: &Msg) -> Option<Mark> {
    let text = str::from_utf8(message.get_payload_bytes()).ok()?;
    let (millis, member) = text.split_once(' ')?;
    Some(Mark {
        member: member.to_owned(),
        remaining: Duration::from_millis(millis.parse().ok()?),
    })
}
