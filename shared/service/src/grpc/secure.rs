//! Connections that have shaken hands.

use std::{io, time::Duration};

use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpListener, time::timeout};

use crate::tls::{self, Server};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How many may shake hands at a time. Callers are few, and keep their connections.
const AT_ONCE: usize = 256;

/// How long nothing is accepted when it cannot be, for want of descriptors mostly.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections, and hands over those that have shaken hands. One that is slow holds up no other.
pub(super) fn incoming(
    listener: TcpListener,
    tls: Server,
) -> impl Stream<Item = io::Result<tls::Stream>> {
    let state = (listener, tls, FuturesUnordered::new());
    futures_util::stream::unfold(state, |(listener, tls, mut shaking)| async move {
        loop {
            let room = shaking.len() < AT_ONCE;
            tokio::select! {
                shaken = shaking.next(), if !shaking.is_empty() => if let Some(Some(stream)) = shaken {
                    return Some((Ok(stream), (listener, tls, shaking)));
                },
                accepted = listener.accept(), if room => match accepted {
                    Ok((stream, _)) => {
                        let tls = tls.clone();
                        shaking.push(async move {
                            stream.set_nodelay(true).ok()?;
                            match timeout(HANDSHAKE, tls.accept(stream)).await {
                                Ok(Ok(stream)) => Some(stream),
                                Ok(Err(error)) => {
                                    tracing::debug!(%error, "a handshake failed");
                                    None
                                }
                                Err(_elapsed) => None,
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
    })
}
