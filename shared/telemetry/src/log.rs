//! Log lines on standard error: JSON for machines, or text for a person at a terminal.

use std::{
    fmt::{self, Write as _},
    io::{IsTerminal, Write as _},
    sync::OnceLock,
    time::SystemTime,
};

use chrono::{DateTime, SecondsFormat, Utc};
use metrics::{Counter, counter};
use opentelemetry::trace::TraceContextExt;
use serde::{Deserialize, Serialize};
use tracing::{
    Dispatch, Event, Level, Subscriber,
    dispatcher::WeakDispatch,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer,
    field::{RecordFields, VisitOutput},
    fmt::{
        FormatFields, MakeWriter,
        format::{DefaultVisitor, Writer},
    },
    layer::Context,
    registry::LookupSpan,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text when standard error is a terminal, otherwise JSON.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Coloured text.
    Pretty,
}

impl LogFormat {
    pub(crate) fn is_json(self) -> bool {
        match self {
            Self::Auto => !std::io::stderr().is_terminal(),
            Self::Json => true,
            Self::Pretty => false,
        }
    }
}

/// Writes each event as one JSON object, with the ids by which to find what belongs together:
/// `trace_id` and `span_id` of the span that it happened in, and the `request_id` of the nearest span
/// that has one.
pub(crate) struct Json<W> {
    service: &'static str,
    writer: W,
    dispatch: OnceLock<WeakDispatch>,
}

impl<W> Json<W> {
    pub(crate) fn new(service: &'static str, writer: W) -> Self {
        Self {
            service,
            writer,
            dispatch: OnceLock::new(),
        }
    }
}

/// The span fields that log lines repeat.
#[derive(Default)]
struct Ids {
    request: Option<String>,
    trace: Option<u128>,
}

impl Visit for Ids {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "request_id" {
            self.request = Some(value.to_owned());
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        if field.name() == "trace_id" {
            self.trace = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "request_id" {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

impl<S, W> Layer<S> for Json<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // A second registration would be the same subscriber.
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        let mut ids = Ids::default();
        attributes.record(&mut ids);
        if let Some(span) = ctx.span(id)
            && (ids.request.is_some() || ids.trace.is_some())
        {
            span.extensions_mut().insert(ids);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Line::begin();
        let now = DateTime::<Utc>::from(SystemTime::now());
        line.text(
            "timestamp",
            &now.to_rfc3339_opts(SecondsFormat::Micros, true),
        );
        line.text("level", metadata.level().as_str());
        line.text("service", self.service);
        line.text("target", metadata.target());
        event.record(&mut line);
        self.ids(event, &ctx, &mut line);
        let line = line.end();
        // There is nowhere left to say that a log line could not be written.
        let _ = self
            .writer
            .make_writer_for(metadata)
            .write_all(line.as_bytes());
    }
}

impl<W> Json<W> {
    fn ids<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>, line: &mut Line)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // The innermost span, which need not be one of those from which lines take an id.
        let dispatch = self.dispatch.get().and_then(WeakDispatch::upgrade);
        let context = dispatch.and_then(|dispatch| {
            let current = dispatch.current_span();
            tracing_opentelemetry::get_otel_context(current.id()?, &dispatch)
        });
        let recorded = context.as_ref().map(|context| context.span());
        let recorded = recorded
            .as_ref()
            .map(opentelemetry::trace::SpanRef::span_context)
            .filter(|context| context.is_valid());
        if let Some(context) = recorded {
            line.text("trace_id", &context.trace_id().to_string());
            line.text("span_id", &context.span_id().to_string());
        }

        let (mut request, mut trace) = (false, recorded.is_some());
        for span in ctx.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            let Some(ids) = extensions.get::<Ids>() else {
                continue;
            };
            if let (false, Some(id)) = (request, &ids.request) {
                line.text("request_id", id);
                request = true;
            }
            if let (false, Some(id)) = (trace, ids.trace) {
                line.text("trace_id", &format!("{id:032x}"));
                trace = true;
            }
        }
    }
}

/// Counts log lines into `log_lines_total`.
pub(crate) struct Count([Counter; 5]);

impl Count {
    pub(crate) fn new() -> Self {
        let levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
        Self(levels.map(|level| counter!("log_lines_total", "level" => level)))
    }
}

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let place = match *event.metadata().level() {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        };
        self.0[place].increment(1);
    }
}

/// Writes fields for a person at a terminal, without those that a span has for its trace alone: their names
/// have a dot (`client.address`).
pub(crate) struct Plain;

impl<'w> FormatFields<'w> for Plain {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Undotted(DefaultVisitor::new(writer, true));
        fields.record(&mut visitor);
        visitor.0.finish()
    }
}

struct Undotted<'a>(DefaultVisitor<'a>);

impl Visit for Undotted<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !field.name().contains('.') {
            self.0.record_str(field, value);
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        if field.name() == "trace_id" {
            self.0.record_debug(field, &format_args!("{value:032x}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if !field.name().contains('.') {
            self.0.record_error(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !field.name().contains('.') {
            self.0.record_debug(field, value);
        }
    }
}

/// One JSON object under construction.
struct Line(String);

impl Line {
    fn begin() -> Self {
        let mut line = String::with_capacity(256);
        line.push('{');
        Self(line)
    }

    fn end(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }

    fn key(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.quoted(name);
        self.0.push(':');
    }

    fn quoted(&mut self, value: &str) {
        // Text cannot fail to become JSON.
        self.0
            .push_str(&serde_json::to_string(value).unwrap_or_default());
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        self.quoted(value);
    }

    fn plain(&mut self, name: &str, value: impl fmt::Display) {
        self.key(name);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{value}");
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field.name(), value);
        } else {
            self.text(field.name(), &value.to_string());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        self.text(field.name(), &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
