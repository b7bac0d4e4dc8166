//! `acme-orders`: another team's service. Portico's gateway learns of it from `UPSTREAMS` and from its
//! reflection, and from nothing else.

use std::net::SocketAddr;

use acme_orders::Release;
use anyhow::Context;
use clap::Parser;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Takes orders until it is told to stop.
#[derive(Parser)]
struct Cli {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:50053")]
    listen: SocketAddr,
    /// Which release it is: the second also tells of shipments.
    #[arg(long, value_enum, default_value_t = Release::First)]
    release: Release,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { listen, release } = Cli::parse();
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    println!("orders, {release} release, on {}", listener.local_addr()?);
    let stop = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    };
    acme_orders::serve(listener, release, stop).await?;
    Ok(())
}
