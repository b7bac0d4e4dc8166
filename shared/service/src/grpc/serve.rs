//! Serving over the network.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::TcpIncoming};

use super::secure;
use crate::{Backend, tls};

/// How long calls that were under way when the process was told to stop may take.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);

/// Calls that one connection may have under way at a time. A gateway worker has one connection, so this
/// is also what one worker can ask for at a time.
const STREAMS: u32 = 1024;
/// Request headers of one call, in bytes: a token, a trace and some metadata.
const HEADERS: u32 = 32 * 1024;

/// Serves until `stop`, plainly or with TLS, then lets what is under way finish for at most ten seconds. From the moment of
/// `stop` no new connection is accepted, and open ones are asked to go elsewhere.
pub async fn serve(
    listener: TcpListener,
    tls: Option<tls::Server>,
    backend: Backend,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let builder = Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADERS)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)));
    let stopped = stop.clone().cancelled_owned();
    let server = async move {
        match tls {
            None => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                builder
                    .serve_with_incoming_shutdown(backend, incoming, stopped)
                    .await
            }
            Some(tls) => {
                let incoming = secure::incoming(listener, tls);
                builder
                    .serve_with_incoming_shutdown(backend, incoming, stopped)
                    .await
            }
        }
    };
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = server => result,
        () = drained => {
            tracing::warn!("calls still under way were dropped");
            Ok(())
        }
    }
}
