//! The wiring of the service, from top to bottom.

use std::sync::Arc;

use anyhow::{Context, ensure};
use portico_cache::{Cache, Denylist};
use portico_caller::{Guard, Keys, Policies, Verifier};
use portico_proto::auth::{
    DESCRIPTOR_SET,
    v1::{
        api_key_service_server::ApiKeyServiceServer, auth_service_server::AuthServiceServer,
        client_service_server::ClientServiceServer, email_service_server::EmailServiceServer,
        import_service_server::ImportServiceServer,
        key_exchange_service_server::KeyExchangeServiceServer,
        key_service_server::KeyServiceServer, mfa_service_server::MfaServiceServer,
        o_auth_service_server::OAuthServiceServer, password_service_server::PasswordServiceServer,
        service_account_service_server::ServiceAccountServiceServer,
        session_service_server::SessionServiceServer,
    },
};
use portico_service::{Backend, Config, Frame, grpc::assemble};
use prost_reflect::DescriptorPool;
use sea_orm::DatabaseConnection;
use tonic::service::{LayerExt, Routes};

use crate::{
    core::Core,
    error::Error,
    feed,
    grpc::{
        ApiKeyApi, AuthApi, ClientApi, EmailApi, ImportApi, KeyApi, KeyExchangeApi, MfaApi,
        OAuthApi, PasswordApi, ServiceAccountApi, SessionApi,
    },
    lease::Lease,
    mail, oauth, repair, upkeep,
};

/// The running service.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Its door: every RPC, behind the guard, with health and reflection.
    pub backend: Backend,
    pub(crate) core: Arc<Core>,
}

/// Starts the service on a migrated database. Its tasks end with `frame.stop`.
///
/// A PostgreSQL that is away, or not migrated yet, is waited for: the check `auth` is down until then.
/// Must be called within a tokio runtime.
///
/// # Errors
///
/// When the configuration cannot be used, or a stored signing key does not open under it.
pub async fn start(
    config: &Config,
    db: DatabaseConnection,
    users: Backend,
    cache: Arc<dyn Cache>,
    denylist: Denylist,
    frame: &Frame,
) -> anyhow::Result<Auth> {
    let check = frame.readiness.check("auth");
    let core = Arc::new(Core::new(
        config,
        db,
        users,
        cache,
        denylist.clone(),
        frame,
    )?);

    let keys = Keys::new(Arc::new(core.keys.clone()));
    let (issuer, audience) = (&config.auth.issuer, &config.auth.audience);
    let clock = &frame.clock;
    let every = Verifier::for_any_audience(issuer, keys.clone(), denylist.clone(), clock.clone());
    let verifier = Verifier::new(issuer, audience, keys, denylist, clock.clone());
    let backend = open_door(&core, verifier, every, frame)?;

    let process = core.random.uuid(frame.clock.now());
    let lease = |name| Lease::new(name, process, core.storage.clone(), frame.clock.clone());
    let prepared = match upkeep::prepare(&core, &lease("keys")).await {
        Err(error @ Error::SealedKey(_)) => return Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "cannot load keys and roles yet");
            false
        }
        Ok(()) => {
            check.up();
            true
        }
    };
    let (tasks, stop) = (&frame.tasks, &frame.stop);
    let keeping = upkeep::run(core.clone(), lease("keys"), check, prepared, stop.clone());
    tasks.spawn(keeping);
    tasks.spawn(mail::run(core.clone(), stop.clone()));
    tasks.spawn(feed::run(core.clone(), lease("feed"), stop.clone()));
    tasks.spawn(repair::run(
        core.clone(),
        lease("registrations"),
        stop.clone(),
    ));
    Ok(Auth { backend, core })
}

/// `every` verifies tokens that are for others, whom this service tells about them.
fn open_door(
    core: &Arc<Core>,
    verifier: Verifier,
    every: Verifier,
    frame: &Frame,
) -> anyhow::Result<Backend> {
    let pool = DescriptorPool::decode(portico_proto::DESCRIPTOR_SET)
        .context("the embedded descriptors cannot be read")?;
    let policies = Policies::from_pool(&pool);
    let faults = policies.faults();
    ensure!(faults.is_empty(), "policies that make no sense: {faults:?}");
    let guard = Guard::new(verifier, Arc::new(policies));
    let auth = AuthServiceServer::new(AuthApi(Arc::clone(core)));
    let sessions = SessionServiceServer::new(SessionApi(Arc::clone(core)));
    let mfa = MfaServiceServer::new(MfaApi(Arc::clone(core)));
    let keys = KeyServiceServer::new(KeyApi(core.keys.clone()));
    let import = ImportServiceServer::new(ImportApi {
        core: Arc::clone(core),
        stop: frame.stop.clone(),
    });
    let passwords = PasswordServiceServer::new(PasswordApi(Arc::clone(core)));
    let emails = EmailServiceServer::new(EmailApi(Arc::clone(core)));
    let oauth = OAuthServiceServer::new(OAuthApi {
        core: Arc::clone(core),
        verifier: every,
        metadata: oauth::metadata(&core.issuer),
    });
    let clients = ClientServiceServer::new(ClientApi(Arc::clone(core)));
    let api_keys = ApiKeyServiceServer::new(ApiKeyApi(Arc::clone(core)));
    let exchange = KeyExchangeServiceServer::new(KeyExchangeApi(Arc::clone(core)));
    let accounts = ServiceAccountServiceServer::new(ServiceAccountApi(Arc::clone(core)));
    let routes = Routes::new(guard.named_layer(auth))
        .add_service(guard.named_layer(passwords))
        .add_service(guard.named_layer(emails))
        .add_service(guard.named_layer(sessions))
        .add_service(guard.named_layer(mfa))
        .add_service(guard.named_layer(import))
        .add_service(guard.named_layer(keys))
        .add_service(guard.named_layer(oauth))
        .add_service(guard.named_layer(clients))
        .add_service(guard.named_layer(api_keys))
        .add_service(guard.named_layer(exchange))
        .add_service(guard.named_layer(accounts));
    Ok(assemble(routes, DESCRIPTOR_SET, frame.readiness.clone()))
}
