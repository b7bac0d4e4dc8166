//! Unary calls whose messages are bytes: what an edge makes, that moves messages and knows no type.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::future::{Either, select};
use h2::{RecvStream, client::ResponseFuture};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, TE, USER_AGENT},
    uri::PathAndQuery,
};
use http_body::Body as _;
use http_body_util::Full;
use metrics::counter;
use portico_telemetry::grpc::{ClientLayer, Outgoing};
use tokio::time::sleep;
use tonic::{Code, Response, Status, body::Body, metadata::MetadataMap};
use tower::{Service, ServiceExt};

use super::{
    AGENT, Backend,
    balance::{Lease, View},
    lost::{Fate, lost, not_sent},
    narrow::Narrow,
};

/// What comes before each message: whether it is compressed, and its length (gRPC over HTTP/2).
const PREFIX: usize = 5;

/// The same call once more, for another endpoint.
pub struct Spare<F> {
    /// Makes it.
    pub call: F,
    /// How late the first one may be before there is a second one. Without it, being late is no reason.
    pub after: Option<Duration>,
}

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

impl Backend {
    /// Makes a call with an encoded message. Over a plain connection it costs a fraction of what a
    /// generated client's call does; it is measured and traced alike.
    ///
    /// The status of a call that failed says by [`Fate`] whether it may be made again.
    pub async fn unary(&self, call: Unary) -> Result<Response<Bytes>, Status> {
        match &self.direct {
            Some(direct) => direct.unary(call, None::<Spare<fn() -> Unary>>).await,
            None => self.indirect(call).await,
        }
    }

    /// The same for a call that may be made twice without harm: when the endpoint that has it answers
    /// nothing any more, or is late, another one gets it too, and the first answer counts. Within the
    /// budget of repetitions.
    pub async fn unary_repeatable(
        &self,
        call: Unary,
        spare: Spare<impl Fn() -> Unary>,
    ) -> Result<Response<Bytes>, Status> {
        match &self.direct {
            Some(direct) => direct.unary(call, Some(spare)).await,
            None => self.indirect(call).await,
        }
    }

    /// Whether one more call may be made again now. At most a fifth of the calls are, beyond a few.
    pub fn spend_repetition(&self) -> bool {
        self.direct
            .as_ref()
            .is_none_or(|direct| direct.view.budget.spend())
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

/// The endpoints of a service, and how calls to them are measured.
pub(super) struct Direct {
    pub view: Arc<View>,
    layer: ClientLayer,
}

impl Direct {
    pub fn new(view: Arc<View>, layer: ClientLayer) -> Self {
        Self { view, layer }
    }

    async fn unary(
        &self,
        mut call: Unary,
        spare: Option<Spare<impl Fn() -> Unary>>,
    ) -> Result<Response<Bytes>, Status> {
        let rpc = call.rpc.clone();
        let outgoing = self.layer.begin(rpc.path());
        outgoing.inject(&mut call.metadata);
        let answer = self.call(call, spare, &outgoing).await;
        outgoing.finish(
            rpc.path(),
            answer.as_ref().err().map_or(Code::Ok, Status::code),
        );
        answer
    }

    async fn call(
        &self,
        call: Unary,
        spare: Option<Spare<impl Fn() -> Unary>>,
        outgoing: &Outgoing,
    ) -> Result<Response<Bytes>, Status> {
        self.view.budget.earn();
        let (lease, link) = self.view.take::<Narrow>().await.map_err(not_sent)?;
        let Some(spare) = spare.filter(|_| !self.view.is_single()) else {
            return self.exchange(&lease, link, call).await;
        };
        let pulse = Arc::clone(&link.pulse);
        let mut first = pin!(self.exchange(&lease, link, call));
        tokio::select! {
            biased;
            answer = &mut first => return answer,
            () = pulse.stalled() => {}
            () = late(spare.after) => {}
        }
        let Some((other, link)) = self.view.lease::<Narrow>(Some(&lease)) else {
            return first.await;
        };
        if !self.view.budget.spend() {
            return first.await;
        }
        counter!("upstream_second_calls_total").increment(1);
        let mut again = (spare.call)();
        outgoing.inject(&mut again.metadata);
        let second = pin!(self.exchange(&other, link, again));
        let (answer, unlost) = match select(first, second).await {
            Either::Left((answer, second)) => (answer, Either::Left(second)),
            Either::Right((answer, first)) => (answer, Either::Right(first)),
        };
        match &answer {
            // The other one may still get an answer.
            Err(status) if Fate::of(status) != Fate::Answered => unlost.await,
            _ => answer,
        }
    }

    /// Dropped before its end, it resets the stream, which cancels the call over there.
    async fn exchange(
        &self,
        lease: &Lease,
        mut link: Narrow,
        call: Unary,
    ) -> Result<Response<Bytes>, Status> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(lease.dial.scheme());
        uri.authority = Some(lease.dial.authority.clone());
        uri.path_and_query = Some(call.rpc);
        let uri = Uri::from_parts(uri).map_err(|error| Status::from_error(error.into()))?;
        let request = request(uri, call.metadata);
        let (response, mut stream) = link.sender.send_request(request, false).map_err(not_sent)?;
        // What the peer's window has no room for waits in the stream: a body is small and whole.
        let sent = stream.send_data(framed(&call.message), true);
        let answer = match sent {
            Ok(()) => receive(lease, response, call.limit).await,
            Err(error) => Err(lost(error.into())),
        };
        self.view.note(lease, outcome_of(&answer));
        answer
    }
}

/// What an answer says of the endpoint that gave it.
fn outcome_of(answer: &Result<Response<Bytes>, Status>) -> Code {
    match answer {
        Ok(_) => Code::Ok,
        // A server that goes away in an orderly manner is none that fails.
        Err(status) if Fate::of(status) == Fate::Untouched => Code::Cancelled,
        Err(status) => status.code(),
    }
}

async fn late(after: Option<Duration>) {
    match after {
        Some(after) => sleep(after).await,
        None => pending().await,
    }
}

async fn receive(
    lease: &Lease,
    response: ResponseFuture,
    limit: usize,
) -> Result<Response<Bytes>, Status> {
    let (head, mut body) = response
        .await
        .map_err(|error| lost(error.into()))?
        .into_parts();
    lease.load.hear();
    let mut reply = Reply::begin(head.status, head.headers, limit)?;
    while let Some(data) = data(&mut body).await? {
        reply.take(data)?;
    }
    let trailers = poll_fn(|cx| body.poll_trailers(cx)).await;
    reply.end(trailers.map_err(|error| lost(error.into()))?)
}

/// The next piece of an answer, for which the peer gets new room.
async fn data(body: &mut RecvStream) -> Result<Option<Bytes>, Status> {
    let Some(data) = poll_fn(|cx| body.poll_data(cx)).await else {
        return Ok(None);
    };
    let data = data.map_err(|error| lost(error.into()))?;
    let room = body.flow_control().release_capacity(data.len());
    room.map_err(|error| lost(error.into()))?;
    Ok(Some(data))
}

fn request(uri: Uri, mut headers: HeaderMap) -> http::Request<()> {
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

#[cfg(test)]
mod tests;
