//! Unary calls whose messages are bytes: what an edge makes, that moves messages and knows no type.

use std::{error::Error, fmt, future::poll_fn, pin::pin, sync::Arc};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::{Reason as Reset, RecvStream, client::ResponseFuture};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, TE, USER_AGENT},
    uri::{PathAndQuery, Scheme},
};
use http_body::Body as _;
use http_body_util::Full;
use portico_proto::error::Reason;
use portico_telemetry::grpc::ClientLayer;
use tonic::{Code, Response, Status, body::Body, metadata::MetadataMap};
use tower::{Service, ServiceExt};

use super::{Backend, BoxError, http2::Http2};

/// What comes before each message: whether it is compressed, and its length (gRPC over HTTP/2).
const PREFIX: usize = 5;

/// A call of an RPC that takes one message and gives one.
#[derive(Debug)]
pub struct Unary {
    /// The RPC, as `/package.Service/Method`.
    pub rpc: PathAndQuery,
    /// The call's metadata. What gRPC itself wants is added.
    pub metadata: HeaderMap,
    /// The request message, encoded.
    pub message: Bytes,
    /// The longest reply message that is taken, in bytes.
    pub limit: usize,
}

/// Stands in the causes of a call's status when the call certainly reached no handler, so that making
/// it again does no harm.
#[derive(Debug)]
pub struct NotSent(BoxError);

/// Whether a call that failed so certainly reached no handler. Without the certainty, `false`.
pub fn never_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<NotSent>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl NotSent {
    /// Around what stood in the way.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call reached nobody")
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl Backend {
    /// Makes a call with an encoded message. Over a plain connection it costs a fraction of what a
    /// generated client's call does; it is measured and traced alike.
    ///
    /// The status of a call that failed says by [`never_sent`] whether it may be made again.
    pub async fn unary(&self, call: Unary) -> Result<Response<Bytes>, Status> {
        match &self.direct {
            Some(direct) => direct.unary(call).await,
            None => self.indirect(call).await,
        }
    }

    /// Through whatever stands between here and the service.
    async fn indirect(&self, call: Unary) -> Result<Response<Bytes>, Status> {
        let Unary {
            rpc,
            metadata,
            message,
            limit,
        } = call;
        let message = Body::new(Full::new(framed(&message)));
        let request = request(Uri::from(rpc), metadata).map(|()| message);
        let mut service = self.service.clone();
        let service = service.ready().await.map_err(Status::from_error)?;
        let response = service.call(request).await.map_err(Status::from_error)?;
        let (head, body) = response.into_parts();
        let mut reply = Reply::begin(head.status, head.headers, limit)?;
        let mut body = pin!(body);
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            match frame?.into_data() {
                Ok(data) => reply.take(data)?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return reply.end(Some(trailers));
                    }
                }
            }
        }
        reply.end(None)
    }
}

/// A connection, and how calls over it are measured.
pub(super) struct Direct {
    connection: Http2,
    layer: ClientLayer,
}

impl Direct {
    pub(super) fn new(connection: Http2, layer: ClientLayer) -> Self {
        Self { connection, layer }
    }

    async fn unary(&self, mut call: Unary) -> Result<Response<Bytes>, Status> {
        let rpc = call.rpc.clone();
        let outgoing = self.layer.begin(rpc.path());
        outgoing.inject(&mut call.metadata);
        let answer = self.exchange(call).await;
        outgoing.finish(
            rpc.path(),
            answer.as_ref().err().map_or(Code::Ok, Status::code),
        );
        answer
    }

    /// Dropped before its end, it resets the stream, which cancels the call over there.
    async fn exchange(&self, call: Unary) -> Result<Response<Bytes>, Status> {
        let mut sender = self.connection.ready().await.map_err(not_sent)?;
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.connection.authority().clone());
        uri.path_and_query = Some(call.rpc);
        let uri = Uri::from_parts(uri).map_err(|error| Status::from_error(error.into()))?;
        let request = request(uri, call.metadata);
        let (response, mut stream) = sender.send_request(request, false).map_err(not_sent)?;
        // What the peer's window has no room for waits in the stream: a body is small and whole.
        stream
            .send_data(framed(&call.message), true)
            .map_err(lost)?;
        receive(response, call.limit).await
    }
}

async fn receive(response: ResponseFuture, limit: usize) -> Result<Response<Bytes>, Status> {
    let (head, mut body) = response.await.map_err(lost)?.into_parts();
    let mut reply = Reply::begin(head.status, head.headers, limit)?;
    while let Some(data) = data(&mut body).await? {
        reply.take(data)?;
    }
    reply.end(poll_fn(|cx| body.poll_trailers(cx)).await.map_err(lost)?)
}

/// The next piece of an answer, for which the peer gets new room.
async fn data(body: &mut RecvStream) -> Result<Option<Bytes>, Status> {
    let Some(data) = poll_fn(|cx| body.poll_data(cx)).await else {
        return Ok(None);
    };
    let data = data.map_err(lost)?;
    let room = body.flow_control().release_capacity(data.len());
    room.map_err(lost)?;
    Ok(Some(data))
}

fn request(uri: Uri, mut headers: HeaderMap) -> http::Request<()> {
    const AGENT: &str = concat!("portico/", env!("CARGO_PKG_VERSION"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let mut request = http::Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    request
}

fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    // A message beyond 4 GiB has no length. None comes near: bodies are limited.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// A reply on its way.
struct Reply {
    metadata: HeaderMap,
    limit: usize,
    /// The message with its prefix, as far as it is there: one piece as it came, or a copy of several.
    one: Bytes,
    several: BytesMut,
}

impl Reply {
    /// A failed call may say so at once, in its head.
    fn begin(status: StatusCode, metadata: HeaderMap, limit: usize) -> Result<Self, Status> {
        outcome(&metadata).unwrap_or(Ok(()))?;
        if status != StatusCode::OK {
            return Err(not_grpc(status));
        }
        Ok(Self {
            metadata,
            limit,
            one: Bytes::new(),
            several: BytesMut::new(),
        })
    }

    fn take(&mut self, data: Bytes) -> Result<(), Status> {
        if self.several.is_empty() && self.one.is_empty() {
            self.one = data;
        } else {
            if self.several.is_empty() {
                let expected = expected(&self.one, self.limit)?.unwrap_or(PREFIX);
                self.several
                    .reserve(expected.max(self.one.len() + data.len()));
                self.several.put(std::mem::take(&mut self.one));
            }
            self.several.put(data);
        }
        let there: &[u8] = if self.several.is_empty() {
            &self.one
        } else {
            &self.several
        };
        match expected(there, self.limit)? {
            Some(expected) if there.len() > expected => {
                Err(Status::internal("the reply has more than one message"))
            }
            _ => Ok(()),
        }
    }

    fn end(self, trailers: Option<HeaderMap>) -> Result<Response<Bytes>, Status> {
        let mut metadata = self.metadata;
        if let Some(trailers) = trailers {
            outcome(&trailers).unwrap_or_else(|| Err(no_status()))?;
            // Beside the status that was just read.
            if trailers.len() > 1 {
                metadata.extend(trailers);
            }
        } else {
            outcome(&metadata).unwrap_or_else(|| Err(no_status()))?;
        }
        let mut whole = if self.several.is_empty() {
            self.one
        } else {
            self.several.freeze()
        };
        if expected(&whole, self.limit)? != Some(whole.len()) {
            return Err(Status::internal("the reply has no whole message"));
        }
        whole.advance(PREFIX);
        Ok(Response::from_parts(
            MetadataMap::from_headers(metadata),
            whole,
            tonic::Extensions::default(),
        ))
    }
}

/// How long a message will be with its prefix, once that is there.
fn expected(there: &[u8], limit: usize) -> Result<Option<usize>, Status> {
    let Some((&[compressed, a, b, c, d], _)) = there.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    if compressed != 0 {
        return Err(Status::internal(
            "the reply is compressed, which was not asked for",
        ));
    }
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > limit {
        // In tonic's words, so that there is one way to tell.
        return Err(Status::out_of_range(format!(
            "Error, decoded message length too large: found {length} bytes, the limit is: {limit} bytes"
        )));
    }
    Ok(Some(PREFIX + length))
}

/// What headers or trailers say of the call's end, if they do.
fn outcome(headers: &HeaderMap) -> Option<Result<(), Status>> {
    let code = headers.get(Status::GRPC_STATUS)?;
    if code.as_bytes() == b"0" {
        return Some(Ok(()));
    }
    let details = HeaderName::from_static("grpc-status-details-bin");
    let status = match headers.get(&details).map(is_base64) {
        Some(false) => {
            let mut headers = headers.clone();
            headers.remove(details);
            Status::from_header_map(&headers)
        }
        _ => Status::from_header_map(headers),
    };
    status.map(Err)
}

/// tonic takes it for granted.
fn is_base64(value: &HeaderValue) -> bool {
    use base64::{
        Engine,
        alphabet::STANDARD,
        engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    };
    const EITHER: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    EITHER.decode(value.as_bytes()).is_ok()
}

fn no_status() -> Status {
    Status::unknown("the reply ended without a status")
}

/// What an answer of something that speaks no gRPC means ("HTTP to gRPC Status Code Mapping" of gRPC).
fn not_grpc(status: StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(
        code,
        format!(
            "the answer is not gRPC's but HTTP status {}",
            status.as_u16()
        ),
    )
}

fn unavailable(cause: Arc<dyn Error + Send + Sync>) -> Status {
    let mut status = Reason::Unavailable.status("the service cannot be reached");
    status.set_source(cause);
    status
}

pub(super) fn not_sent(error: impl Into<BoxError>) -> Status {
    unavailable(Arc::new(NotSent::new(error)))
}

/// A call whose stream or connection failed. The peer says which streams it never looked at: those
/// beyond its last one when it goes away, and those that it refuses (RFC 9113, sections 6.8 and 8.7).
fn lost(error: h2::Error) -> Status {
    let reason = error.reason();
    let untouched = error.is_remote()
        && (error.is_go_away() && reason == Some(Reset::NO_ERROR)
            || error.is_reset() && reason == Some(Reset::REFUSED_STREAM));
    tracing::debug!(error = &error as &dyn Error, untouched, "connection lost");
    if untouched {
        not_sent(error)
    } else {
        unavailable(Arc::new(error))
    }
}

#[cfg(test)]
mod tests;
