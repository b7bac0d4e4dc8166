use std::{net::SocketAddr, time::Duration};

use axum::routing::post;
use prost_reflect::{DescriptorPool, Value};
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle, time::timeout};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status, body::Body};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus as Serving,
    health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};
use tower::ServiceExt;

use super::*;
use crate::Clock;

const SOON: Duration = Duration::from_secs(5);
const SLOW: &str = "/portico.user.v1.UserService/GetUser";
const STREAM: &str = "/portico.user.v1.UserService/ListUsers";

/// A call that never answers, and one that answers and never ends.
fn routes() -> Routes {
    let router = Routes::default()
        .into_axum_router()
        .route(SLOW, post(async || std::future::pending::<()>().await))
        .route(
            STREAM,
            post(async || {
                let frames = tokio_stream::pending::<Result<axum::body::Bytes, Status>>();
                axum::body::Body::from_stream(frames)
            }),
        );
    Routes::from(router)
}

fn assembled() -> (Backend, Readiness) {
    let readiness = Readiness::new(Clock::system());
    let backend = assemble(
        routes(),
        portico_proto::user::DESCRIPTOR_SET,
        readiness.clone(),
    );
    (backend, readiness)
}

async fn served(backend: Backend) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = serve(listener, None, backend, stop.clone());
    let server = Handle::current().spawn(async { server.await.unwrap() });
    (address, stop, server)
}

async fn over_the_network(backend: Backend) -> Backend {
    let (address, _, _) = served(backend).await;
    Backend::connect(&format!("http://{address}")).unwrap()
}

#[tokio::test]
async fn health_follows_readiness() {
    let (backend, readiness) = assembled();
    let check = readiness.check("database");
    let mut client = HealthClient::new(over_the_network(backend).await);
    for service in ["", "portico.user.v1.UserService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut watch = client.watch(request.clone()).await.unwrap().into_inner();
        let mut wait = async |status: Serving| {
            let seen = async {
                while watch.message().await.unwrap().unwrap().status != i32::from(status) {}
            };
            timeout(SOON, seen).await.unwrap();
        };
        check.down("away");
        wait(Serving::NotServing).await;
        check.up();
        wait(Serving::Serving).await;
        let now = client.check(request).await.unwrap().into_inner();
        assert_eq!(now.status(), Serving::Serving);
    }
    let unknown = HealthCheckRequest {
        service: "other".to_owned(),
    };
    assert_eq!(
        client.check(unknown).await.unwrap_err().code(),
        Code::NotFound
    );
}

/// Builds a pool from what reflection answers, one file at a time, as the gateway does.
async fn reflected(backend: Backend) -> DescriptorPool {
    use v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let mut client = ServerReflectionClient::new(backend);
    let mut ask = async |message: MessageRequest| {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        let call = client.server_reflection_info(tokio_stream::once(request));
        let mut answers = call.await.unwrap().into_inner();
        answers
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .unwrap()
    };

    let MessageResponse::ListServicesResponse(list) =
        ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("not a list");
    };
    let names: Vec<&str> = list.service.iter().map(|service| &*service.name).collect();
    for name in [
        "portico.user.v1.UserService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ] {
        assert!(names.contains(&name), "{name} not in {names:?}");
    }

    let symbol = MessageRequest::FileContainingSymbol("portico.user.v1.UserService".to_owned());
    let mut questions = vec![symbol];
    let (mut files, mut seen) = (Vec::new(), Vec::new());
    while let Some(question) = questions.pop() {
        let MessageResponse::FileDescriptorResponse(answer) = ask(question).await else {
            panic!("not a file");
        };
        for bytes in answer.file_descriptor_proto {
            let file: prost_types_of_tests::File = prost::Message::decode(&*bytes).unwrap();
            for import in file.dependency {
                if !seen.contains(&import) {
                    questions.push(MessageRequest::FileByFilename(import.clone()));
                    seen.push(import);
                }
            }
            files.push(bytes);
        }
    }
    let set = prost_types_of_tests::Set { file: files };
    DescriptorPool::decode(&*prost::Message::encode_to_vec(&set)).unwrap()
}

/// As much of descriptor.proto as it takes to follow imports and keep every other byte.
mod prost_types_of_tests {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct File {
        #[prost(string, repeated, tag = "3")]
        pub dependency: Vec<String>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Set {
        #[prost(bytes = "vec", repeated, tag = "1")]
        pub file: Vec<Vec<u8>>,
    }
}

#[tokio::test]
async fn reflection_keeps_the_options_of_methods() {
    let (backend, _) = assembled();
    let pool = reflected(over_the_network(backend).await).await;
    let service = pool
        .get_service_by_name("portico.user.v1.UserService")
        .unwrap();
    let method = service
        .methods()
        .find(|method| method.name() == "GetUser")
        .unwrap();
    let options = method.options();

    let policy = pool
        .get_extension_by_name(portico_proto::policy::EXTENSION)
        .unwrap();
    let policy = options.get_extension(&policy);
    let scopes = policy
        .as_message()
        .unwrap()
        .get_field_by_name("scopes")
        .unwrap()
        .into_owned();
    assert_eq!(
        scopes,
        Value::List(vec![Value::String("users:read".to_owned())])
    );

    let http = pool.get_extension_by_name("google.api.http").unwrap();
    let http = options.get_extension(&http);
    let get = http
        .as_message()
        .unwrap()
        .get_field_by_name("get")
        .unwrap()
        .into_owned();
    assert_eq!(get, Value::String("/api/v1/users/{id}".to_owned()));
}

#[tokio::test]
async fn the_older_reflection_is_answered_too() {
    use v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest,
    };
    let (backend, _) = assembled();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(backend);
    let answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap();
    assert!(answers.into_inner().next().await.unwrap().is_ok());
}

fn call(path: &str, deadline: &str) -> http::Request<Body> {
    http::Request::post(format!("http://x{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", deadline)
        .body(Body::empty())
        .unwrap()
}

/// The status of a call, whether the server or the channel was the first to give it.
async fn status(
    call: impl Future<Output = Result<http::Response<Body>, crate::BoxError>>,
) -> Status {
    match timeout(SOON, call).await.unwrap() {
        Ok(answer) => Status::from_header_map(answer.headers()).unwrap(),
        Err(error) => Status::from_error(error),
    }
}

#[tokio::test]
async fn a_call_is_dropped_at_its_deadline() {
    let (backend, _) = assembled();
    for backend in [backend.clone(), over_the_network(backend).await] {
        let status = status(backend.oneshot(call(SLOW, "100m"))).await;
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(
            portico_proto::error::Reason::of(&status),
            Some(portico_proto::error::Reason::DeadlineExceeded)
        );
    }
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let (backend, _) = assembled();
    for backend in [backend.clone(), over_the_network(backend).await] {
        let answer = timeout(SOON, backend.oneshot(call(STREAM, "100m")))
            .await
            .unwrap()
            .unwrap();
        let mut body = answer.into_body();
        let next = std::future::poll_fn(|cx| {
            http_body::Body::poll_frame(std::pin::Pin::new(&mut body), cx)
        });
        let frame = timeout(SOON, next).await.unwrap().unwrap().unwrap();
        let status = Status::from_header_map(frame.trailers_ref().unwrap()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}

#[tokio::test]
async fn only_known_methods_get_labels() {
    let metrics = portico_telemetry::init("test", portico_telemetry::LogFormat::Json)
        .unwrap()
        .metrics();
    let (backend, _) = assembled();
    for number in 0..100 {
        let request = call(&format!("/made.up.Service{number}/Method"), "1S");
        let answer = backend.clone().oneshot(request).await.unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::Unimplemented);
    }
    let mut client = HealthClient::new(backend);
    client
        .check(Request::new(HealthCheckRequest::default()))
        .await
        .unwrap();
    let text = metrics.render();
    assert!(!text.contains("made.up"), "{text}");
    assert!(text.contains(r#"grpc_server_handled_total{grpc_service="unknown",grpc_method="unknown",grpc_code="Unimplemented"}"#), "{text}");
    assert!(text.contains(r#"grpc_server_handled_total{grpc_service="grpc.health.v1.Health",grpc_method="Check",grpc_code="OK"}"#), "{text}");
}

#[tokio::test]
async fn a_stop_lets_calls_finish_and_takes_no_new_ones() {
    let (backend, _) = assembled();
    let (address, stop, server) = served(backend).await;
    let client = Backend::connect(&format!("http://{address}")).unwrap();
    let under_way = Handle::current().spawn(client.clone().oneshot(call(SLOW, "500m")));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.cancel();

    let status = status(async { under_way.await.unwrap() }).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    timeout(SOON, server).await.unwrap().unwrap();
    let mut late = HealthClient::new(client);
    let refused = late.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}
