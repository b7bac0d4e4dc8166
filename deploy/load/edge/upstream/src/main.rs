//! What stands behind the edges that are compared: a user service whose answers lie ready in memory, so
//! that the edge is what a measurement measures.
//!
//! On two ports it is what Portico's gateway expects of the user and auth services (and an OpenTelemetry
//! collector that throws away what it gets), on the third a stranger's service with the same messages
//! that asks for no token.

mod accounts;
mod answers;
mod tokens;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use accounts::Accounts;
use anyhow::Context;
use clap::Parser;
use portico_proto::{
    auth::{self, v1::key_service_server::KeyServiceServer},
    user::{
        self,
        v1::{GetUserRequest, ListUsersRequest},
    },
};
use portico_service::{
    Clock, Frame,
    grpc::{assemble, serve},
    process::Signals,
};
use tokens::Issuer;
use tokio::net::TcpListener;
use tonic::service::Routes;

/// The stranger's descriptors.
const OPEN_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/load.binpb"));

/// Where exporters of traces send them.
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Serves canned accounts until it is told to stop.
#[derive(Parser)]
struct Cli {
    /// Where `UserService` is served, and traces are taken.
    #[arg(long)]
    listen_user: SocketAddr,
    /// Where `KeyService` is served.
    #[arg(long)]
    listen_auth: SocketAddr,
    /// Where `OpenUserService` is served.
    #[arg(long)]
    listen_open: SocketAddr,
    /// Where to write the descriptor set of `OpenUserService`.
    #[arg(long)]
    descriptors: PathBuf,
    /// Where to write a token that may read accounts.
    #[arg(long)]
    token: PathBuf,
    /// Where to write the id of an account.
    #[arg(long)]
    user: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let mut signals = Signals::new()?;
    let frame = Frame::new(Clock::system());
    let accounts = Arc::new(Accounts::new());
    let issuer = Issuer::new()?;

    // Files stand before the ports answer, so that whoever finds a port open finds them too.
    std::fs::write(&cli.descriptors, OPEN_DESCRIPTOR_SET)?;
    std::fs::write(&cli.token, issuer.token(&frame.clock)?)?;
    std::fs::write(&cli.user, Accounts::some_id())?;

    let user = reads("portico.user.v1.UserService", &accounts)
        .route(TRACES, answers::unary(|(): ()| Ok(bytes::Bytes::new())));
    let auth = Routes::default().add_service(KeyServiceServer::new(issuer));
    let open = reads("open.load.v1.OpenUserService", &accounts);
    let served = [
        (cli.listen_user, user.into(), user::DESCRIPTOR_SET),
        (cli.listen_auth, auth, auth::DESCRIPTOR_SET),
        (cli.listen_open, open.into(), OPEN_DESCRIPTOR_SET),
    ];
    let served = served.map(|(address, routes, descriptors)| {
        let backend = assemble(routes, descriptors, frame.readiness.clone());
        let stop = frame.stop.clone();
        async move { anyhow::Ok(serve(bind(address).await?, None, backend, stop).await?) }
    });
    let [user, auth, open] = served;
    let stopped = async {
        signals.next().await;
        frame.stop.cancel();
        Ok(())
    };
    tokio::try_join!(user, auth, open, stopped)?;
    Ok(())
}

/// The two reads under the name of one service.
fn reads(service: &str, accounts: &Arc<Accounts>) -> axum::Router {
    let one = Arc::clone(accounts);
    let page = Arc::clone(accounts);
    Routes::default()
        .into_axum_router()
        .route(
            &format!("/{service}/GetUser"),
            answers::unary(move |request: GetUserRequest| one.get(&request.id)),
        )
        .route(
            &format!("/{service}/ListUsers"),
            answers::unary(move |request: ListUsersRequest| page.first(request.page_size)),
        )
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}
