//! Portico in one process: the gateway, the user service and the auth service on one data folder.
//!
//! This is the composition root. The services run on the runtime that calls [`start`], the gateway on
//! its own threads, and a call between them is a function call; everything else is as in separate
//! processes, down to the tokens that the services check.

mod administrator;
mod data;
mod keys;

use std::sync::Arc;

use portico_cache::{Denylist, Quotas};
use portico_caller::{Keys, Verifier};
use portico_gateway::{Server, Upstream};
use portico_proto::{auth, user};
use portico_service::{Backend, Config, Frame, Secret, database};
use tokio::runtime::Handle;

pub use administrator::Administrator;
use data::Folder;
use keys::LateKeys;

/// A running system.
#[derive(Debug)]
pub struct System {
    /// The REST edge, which accepts connections.
    pub gateway: Server,
    /// The first administrator, when this start created one, or an earlier one did and could not show
    /// it. Say [`shown`](Self::shown) when somebody has seen it.
    pub administrator: Option<Administrator>,
    folder: Folder,
}

impl System {
    /// Keeps the administrator from being shown again.
    ///
    /// # Errors
    ///
    /// When the data folder cannot be written to.
    pub fn shown(&self) -> anyhow::Result<()> {
        administrator::shown(&self.folder)
    }

    /// Waits until the gateway has stopped. The data folder is this system's own until then.
    pub async fn run(self) -> Result<(), portico_gateway::Error> {
        let _folder = self.folder;
        self.gateway.run().await
    }
}

/// Starts the whole system in a frame. Returns when it takes requests; the frame's `stop` ends it.
pub async fn start(config: &Config, frame: &Frame) -> anyhow::Result<System> {
    let (config, folder) = data::prepare(config)?;
    let users_db = database::connect(&config.user.database_url, config.user.pool_size).await?;
    let auth_db = database::connect(&config.auth.database_url, config.auth.pool_size).await?;
    let users_db = database::observe("user", users_db, frame);
    let auth_db = database::observe("auth", auth_db, frame);
    database::migrate::<portico_user::Migrator>(&users_db).await?;
    database::migrate::<portico_auth::Migrator>(&auth_db).await?;

    let redis = config.cache.redis_url.as_ref().map(Secret::expose);
    let cache = portico_cache::connect(redis).await?;
    let quotas = Quotas::new(redis.map(|_| cache.clone()));
    let denylist = Denylist::start(cache.clone(), &frame.tasks, frame.stop.clone());

    // The user service checks tokens by auth's keys, and auth creates accounts in the user service.
    let keys = Arc::new(LateKeys::default());
    let verifier = Verifier::new(
        &config.auth.issuer,
        &config.auth.audience,
        Keys::new(keys.clone()),
        denylist.clone(),
        frame.clock.clone(),
    );
    let users = portico_user::start(&config, users_db, verifier.clone(), frame).await?;
    let auth = portico_auth::start(
        &config,
        auth_db,
        users.clone(),
        cache,
        denylist.clone(),
        frame,
    )
    .await?;
    keys.come_from(auth.backend.clone());

    let administrator = administrator::create(&config, &auth, &folder).await?;
    let ours = [
        in_process("user", users, user::DESCRIPTOR_SET),
        in_process("auth", auth.backend, auth::DESCRIPTOR_SET),
    ];
    let mut upstreams = Vec::from(ours);
    upstreams.extend(Upstream::strangers(&config)?);
    let gateway = portico_gateway::bind(&config, upstreams, verifier, denylist, quotas, frame)?;
    Ok(System {
        gateway,
        administrator,
        folder,
    })
}

/// An upstream that lives here. Its calls run on this runtime, whichever worker of the gateway makes
/// them, since its connections to the database belong to this runtime.
fn in_process(name: &str, backend: Backend, descriptors: &'static [u8]) -> Upstream {
    let here = Handle::current();
    Upstream {
        name: name.to_owned(),
        backend: Arc::new(move || backend.clone().on(here.clone())),
        descriptors: Some(descriptors),
    }
}
