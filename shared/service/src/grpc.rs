//! gRPC services: what goes around them, and serving them.

mod deadline;
mod reflection;
mod secure;
mod serve;

use portico_telemetry::grpc::ServerLayer;
use prost_reflect::{DescriptorPool, MethodDescriptor};
pub use serve::serve;
use tonic::{server::NamedService, service::Routes};
use tonic_health::{ServingStatus, pb::health_server::HealthServer, server::HealthReporter};
use tower::Layer;

use crate::{Backend, Readiness};

/// Puts a process' services together: the given routes, health (`grpc.health.v1`, following
/// `readiness`) and reflection (v1 and v1alpha, with every option that the descriptor set holds). Each
/// call is traced, counted, and dropped when its `grpc-timeout` has passed.
///
/// The routes must be guarded already. `descriptor_set` is the encoded `FileDescriptorSet` of their
/// services with its imports. Must be called within a tokio runtime.
///
/// # Panics
///
/// When the descriptor set is malformed, which for an embedded one is a fault of the build.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it follows the process' readiness from here on, so callers hand over a clone"
)]
pub fn assemble(routes: Routes, descriptor_set: &[u8], readiness: Readiness) -> Backend {
    let pool =
        DescriptorPool::decode(descriptor_set).expect("the embedded descriptor set is valid");
    let routes = reflection::add(routes, descriptor_set)
        .expect("the embedded descriptor set is valid")
        .add_service(health(&pool, &readiness))
        .prepare();
    Backend::new(ServerLayer::new(methods(&pool)).layer(deadline::Deadline::new(routes)))
}

/// The health service, for the whole process (`""`) and each of its services by name.
fn health(
    pool: &DescriptorPool,
    readiness: &Readiness,
) -> HealthServer<tonic_health::server::HealthService> {
    let reporter = HealthReporter::new();
    let server = HealthServer::new(tonic_health::server::HealthService::from_health_reporter(
        reporter.clone(),
    ));
    let names: Vec<String> = pool
        .services()
        .map(|service| service.full_name().to_owned())
        .chain([String::new()])
        .collect();
    let mut ready = readiness.watch();
    follow(async move {
        loop {
            let status = if *ready.borrow_and_update() {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            for name in &names {
                reporter.set_service_status(name, status).await;
            }
            if ready.changed().await.is_err() {
                return;
            }
        }
    });
    server
}

#[expect(
    clippy::disallowed_methods,
    reason = "it ends by itself when the process' readiness is dropped, and has nothing to finish"
)]
fn follow(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// The paths of all methods that the process answers.
fn methods(pool: &DescriptorPool) -> Vec<String> {
    let path = |method: MethodDescriptor| {
        format!("/{}/{}", method.parent_service().full_name(), method.name())
    };
    let health = HealthServer::<tonic_health::server::HealthService>::NAME;
    pool.services()
        .flat_map(|service| service.methods().map(path).collect::<Vec<_>>())
        .chain(["Check", "Watch"].map(|method| format!("/{health}/{method}")))
        .chain(reflection::METHODS.map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests;
