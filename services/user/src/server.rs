//! The wiring, from the database to the door.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use portico_caller::{Guard, Policies, Verifier};
use portico_proto::user::{
    DESCRIPTOR_SET,
    v1::{
        provisioning_service_server::ProvisioningServiceServer,
        role_service_server::RoleServiceServer, transfer_service_server::TransferServiceServer,
        user_events_server::UserEventsServer, user_service_server::UserServiceServer,
        user_watch_service_server::UserWatchServiceServer,
    },
};
use portico_service::{Backend, Config, Frame, database, grpc};
use prost_reflect::DescriptorPool;
use sea_orm::DatabaseConnection;
use tonic::service::{LayerExt, Routes};

use crate::{
    Migrator,
    grpc::{Events, Provisioning, RoleApi, Transfer, UserApi},
    purge,
    retention::{self, Retention},
    storage::{Replica, Storage},
    unread,
    users::Users,
};

/// Starts the user service and answers its door: a [`Backend`] with its gRPC services, each behind the
/// guard, and health and reflection beside them.
///
/// SQLite is migrated before this returns. PostgreSQL is left as it is, and the frame's readiness
/// (`database`, `migrations`) says whether it can be used. Streams end on the frame's `stop`.
///
/// # Errors
///
/// When SQLite cannot be migrated, and when the embedded contract makes no sense.
pub async fn start(
    config: &Config,
    db: DatabaseConnection,
    verifier: Verifier,
    frame: &Frame,
) -> anyhow::Result<Backend> {
    let pool = DescriptorPool::decode(portico_proto::DESCRIPTOR_SET)
        .context("the embedded descriptors cannot be read")?;
    let policies = Policies::from_pool(&pool);
    ensure!(
        policies.faults().is_empty(),
        "policies that make no sense: {:?}",
        policies.faults()
    );
    let guard = Guard::new(verifier, Arc::new(policies));

    database::supervise::<Migrator>(&db, frame)
        .await
        .context("the database cannot be migrated")?;
    let storage = Storage::new(db.clone(), replica(config, db, frame).await?);
    let keep_deleted = config.user.keep_deleted();
    let users = Arc::new(Users::new(storage, frame.clock.clone(), keep_deleted));
    let purge = purge::run(Arc::clone(&users), frame.stop.clone());
    frame.tasks.spawn(purge);

    let api = UserServiceServer::new(UserApi::new(Arc::clone(&users)));
    let provisioning = ProvisioningServiceServer::new(Provisioning::new(Arc::clone(&users)));
    let roles = RoleServiceServer::new(RoleApi::new(Arc::clone(&users)));
    let transfer = Transfer::new(Arc::clone(&users), frame.stop.clone());
    let transfer = TransferServiceServer::new(transfer);
    let events = Events::new(Arc::clone(&users), frame.stop.clone());
    let routes = Routes::new(guard.named_layer(api))
        .add_service(guard.named_layer(provisioning))
        .add_service(guard.named_layer(roles))
        .add_service(guard.named_layer(transfer))
        .add_service(guard.named_layer(UserWatchServiceServer::new(events.clone())))
        .add_service(guard.named_layer(UserEventsServer::new(events)));
    let unread = unread::run(Arc::clone(&users), frame.stop.clone());
    let retention = retention::run(users, Retention::new(&config.user), frame.stop.clone());
    frame.tasks.spawn(retention);
    frame.tasks.spawn(unread);
    Ok(grpc::assemble(
        routes,
        DESCRIPTOR_SET,
        frame.readiness.clone(),
    ))
}

/// The read replica, where one is configured, and somebody who looks after it.
async fn replica(
    config: &Config,
    db: DatabaseConnection,
    frame: &Frame,
) -> anyhow::Result<Option<Replica>> {
    let Some(url) = &config.user.replica_url else {
        return Ok(None);
    };
    let copy = database::connect(url, config.user.pool_size)
        .await
        .context("the read replica's URL")?;
    let most = Duration::from_secs(config.user.replica_max_lag_seconds);
    let (replica, watch) = Replica::new(db, copy, most);
    frame.tasks.spawn(watch.run::<Migrator>(frame.stop.clone()));
    Ok(Some(replica))
}
