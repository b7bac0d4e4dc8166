//! A collector that keeps what it gets.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use tokio::{net::TcpListener, runtime::Handle, task::AbortHandle, time::Instant};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// A span and whose it is.
#[derive(Clone, Debug)]
pub struct Received {
    pub service: String,
    pub span: Span,
}

impl Received {
    /// An attribute as text.
    pub fn says(&self, key: &str) -> Option<String> {
        attribute(&self.span.attributes, key)
    }

    pub fn is_root_of(&self, parent: &[u8]) -> bool {
        self.span.parent_span_id == parent
    }
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        other => Some(format!("{other:?}")),
    }
}

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Received>>>);

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_spans {
            let resource = of_resource.resource.unwrap_or_default();
            let service = attribute(&resource.attributes, "service.name").unwrap_or_default();
            let spans = of_resource.scope_spans.into_iter().flat_map(|it| it.spans);
            let mut kept = self.0.lock().expect("no panic");
            kept.extend(spans.map(|span| Received {
                service: service.clone(),
                span,
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector that runs until it is dropped.
pub struct Collector {
    endpoint: String,
    spans: Spans,
    serving: AbortHandle,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let spans = Spans::default();
        let server = Server::builder()
            .add_service(TraceServiceServer::new(spans.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        Self {
            endpoint: format!("http://{address}"),
            spans,
            serving: Handle::current().spawn(server).abort_handle(),
        }
    }

    /// What a process must be told to export everything here, soon.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint.clone()),
            ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
            ("OTEL_TRACES_SAMPLER", "parentbased_always_off".to_owned()),
        ]
    }

    pub fn all(&self) -> Vec<Received> {
        self.spans.0.lock().expect("no panic").clone()
    }

    /// The spans of a trace, once `complete` says that they are all there.
    pub async fn trace(&self, id: u128, complete: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        self.within(|span| span.trace_id == id.to_be_bytes(), complete)
            .await
    }

    /// The spans that are linked to a trace, once there is one of that name.
    pub async fn linked(&self, id: u128, name: &str) -> Vec<Received> {
        let is_linked = |span: &Span| {
            span.links
                .iter()
                .any(|link| link.trace_id == id.to_be_bytes())
        };
        let there = |spans: &[Received]| spans.iter().any(|it| it.span.name == name);
        self.within(is_linked, there).await
    }

    async fn within(
        &self,
        wanted: impl Fn(&Span) -> bool,
        complete: impl Fn(&[Received]) -> bool,
    ) -> Vec<Received> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut spans = self.all();
            spans.retain(|it| wanted(&it.span));
            if complete(&spans) {
                return spans;
            }
            assert!(Instant::now() < deadline, "not complete: {spans:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
