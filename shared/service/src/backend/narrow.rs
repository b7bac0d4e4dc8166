//! One HTTP/2 connection (RFC 9113) for unary calls.
//!
//! Calls write into it from their own tasks. Left to hyper, each call would pass through two queues and two
//! more tasks, which cost more than everything that an edge does for it.
//!
//! A peer that has calls to answer and says nothing for a while is asked whether it is awake. When it does
//! not answer that either, it gets no new calls until it does, and those that may be repeated go elsewhere.

use std::{
    error::Error,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use h2::{
    Ping, PingPong,
    client::{Connection, SendRequest},
};
use metrics::counter;
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    CONNECT, CONNECTION_WINDOW, KEEP_ALIVE, KEEP_ALIVE_ANSWER, STREAM_WINDOW,
    balance::{Endpoint, Load},
    dial::{Away, Dial},
    lazy::{Lazy, Link},
};
use crate::tls::Stream;

/// How long a peer with calls to answer may say nothing before it is asked, and how long that answer may
/// take. The second is longer than a busy machine lets a process wait for its turn.
const BEAT: Duration = Duration::from_millis(100);
const SUSPICION: Duration = Duration::from_millis(150);

/// An open connection.
#[derive(Clone)]
pub(super) struct Narrow {
    pub sender: SendRequest<Bytes>,
    pub pulse: Arc<Pulse>,
}

/// Whether the peer is awake.
#[derive(Default)]
pub(super) struct Pulse {
    stalled: AtomicBool,
    changed: Notify,
}

impl Pulse {
    fn set(&self, stalled: bool) {
        self.stalled.store(stalled, Relaxed);
        if stalled {
            self.changed.notify_waiters();
        }
    }

    /// Waits until the peer answers nothing any more.
    pub async fn stalled(&self) {
        let mut changed = pin!(self.changed.notified());
        changed.as_mut().enable();
        if !self.stalled.load(Relaxed) {
            changed.await;
        }
    }
}

impl Link for Narrow {
    fn of(endpoint: &Endpoint) -> &Lazy<Self> {
        &endpoint.narrow
    }

    fn is_open(&mut self) -> bool {
        // Says at once whether the peer has closed the connection, or is about to.
        let open = poll_fn(|cx| self.sender.poll_ready(cx)).now_or_never();
        matches!(open, Some(Ok(())))
    }

    fn is_well(&self, _: &Endpoint) -> bool {
        !self.pulse.stalled.load(Relaxed)
    }
}

/// Connects. `load` tells what the peer has to answer.
pub(super) async fn connect(dial: Dial, load: Arc<Load>, proven: bool) -> Result<Narrow, Away> {
    let stream = dial.connect().await?;
    let mut settings = h2::client::Builder::new();
    settings
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let shaken = timeout(CONNECT, settings.handshake(stream));
    let (sender, mut connection) = shaken.await.map_err(Away::new)?.map_err(Away::new)?;
    let pulse = Arc::new(Pulse::default());
    let link = Narrow {
        sender,
        pulse: Arc::clone(&pulse),
    };
    let Some(mut pings) = connection.ping_pong() else {
        return Err(Away::because("the connection takes no pings"));
    };
    if proven {
        let awake = timeout(CONNECT, pings.ping(Ping::opaque()));
        tokio::select! {
            ended = &mut connection => {
                return Err(ended.err().map_or_else(|| Away::because("closed"), Away::new));
            }
            answered = awake => answered.map_err(Away::new)?.map_err(Away::new)?,
        };
    }
    Handle::current().spawn(drive(connection, pings, pulse, load));
    Ok(link)
}

/// Reads and writes until the connection ends, which it also does when nobody can use it any more.
async fn drive(
    connection: Connection<Stream, Bytes>,
    pings: PingPong,
    pulse: Arc<Pulse>,
    load: Arc<Load>,
) {
    tokio::select! {
        biased;
        ended = connection => if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn Error, "connection lost");
        },
        // Whatever waits for an answer learns of it when the connection is dropped.
        () = silence(pings, &pulse, &load, &Patience::DEFAULT) => {
            tracing::debug!("connection lost: the peer answers no ping");
        }
    }
}

/// How long a peer may take for what.
struct Patience {
    beat: Duration,
    suspicion: Duration,
    idle: Duration,
    answer: Duration,
}

impl Patience {
    const DEFAULT: Self = Self {
        beat: BEAT,
        suspicion: SUSPICION,
        idle: KEEP_ALIVE,
        answer: KEEP_ALIVE_ANSWER,
    };
}

/// Ends when the peer leaves a ping unanswered for too long.
async fn silence(mut pings: PingPong, pulse: &Pulse, load: &Load, patience: &Patience) {
    let mut heard = load.heard();
    let mut idle = Duration::ZERO;
    loop {
        sleep(patience.beat).await;
        idle += patience.beat;
        let quiet = std::mem::replace(&mut heard, load.heard()) == heard;
        if !(quiet && load.in_flight() > 0 || idle >= patience.idle) {
            continue;
        }
        idle = Duration::ZERO;
        // A connection that is closing takes no pings, and ends by itself.
        let mut answer = pin!(pings.ping(Ping::opaque()));
        if timeout(patience.suspicion, &mut answer).await.is_ok() {
            continue;
        }
        pulse.set(true);
        counter!("upstream_ejections_total", "reason" => "stalled").increment(1);
        tracing::debug!("a peer answers nothing");
        if timeout(patience.answer, &mut answer).await.is_err() {
            return;
        }
        pulse.set(false);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::Instant,
    };

    use super::*;

    const fn patience(every: Duration, answer: Duration) -> Patience {
        Patience {
            beat: every,
            suspicion: every,
            idle: every,
            answer,
        }
    }

    #[tokio::test]
    async fn a_peer_that_answers_no_ping_is_given_up() {
        const EVERY: Duration = Duration::from_millis(50);
        let (ours, mut theirs) = duplex(4096);
        let (_sender, mut connection) = h2::client::handshake(ours).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        let driven = Handle::current().spawn(connection);
        let reader = Handle::current().spawn(async move {
            // Settings, and not a word more.
            theirs
                .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
                .await
                .unwrap();
            let mut read = Vec::new();
            let _ = theirs.read_to_end(&mut read).await;
        });
        let began = Instant::now();
        let (pulse, load, patience) = (Pulse::default(), Load::default(), patience(EVERY, EVERY));
        let given_up = silence(pings, &pulse, &load, &patience);
        timeout(Duration::from_secs(5), async {
            // First it is suspected.
            tokio::join!(pulse.stalled(), given_up)
        })
        .await
        .unwrap();
        assert!(began.elapsed() >= 3 * EVERY);
        driven.abort();
        reader.abort();
    }

    #[tokio::test]
    async fn a_peer_that_answers_is_kept() {
        const EVERY: Duration = Duration::from_millis(20);
        let (ours, theirs) = duplex(4096);
        let answering = Handle::current().spawn(async move {
            let mut peer = h2::server::handshake(theirs).await.unwrap();
            while peer.accept().await.is_some() {}
        });
        let (_sender, mut connection) = h2::client::handshake(ours).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        let driven = Handle::current().spawn(connection);
        let (pulse, load) = (Pulse::default(), Load::default());
        let mut patience = patience(EVERY, Duration::from_secs(5));
        patience.suspicion = Duration::from_secs(5);
        let given_up = timeout(20 * EVERY, silence(pings, &pulse, &load, &patience));
        assert!(given_up.await.is_err());
        driven.abort();
        answering.abort();
    }
}
