//! RPCs whose answers are encoded already.

use std::{future::ready, marker::PhantomData};

use axum::{
    extract::Request as HttpRequest,
    routing::{MethodRouter, post},
};
use bytes::{BufMut, Bytes};
use prost::Message;
use tonic::{
    Request, Response, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::Grpc,
};
use tower::service_fn;

/// An RPC that answers what the function makes of the request.
pub fn unary<Q, F>(answer: F) -> MethodRouter
where
    Q: Message + Default + 'static,
    F: Fn(Q) -> Result<Bytes, Status> + Clone + Send + Sync + 'static,
{
    post(move |request: HttpRequest| {
        let call = service_fn(move |request: Request<Q>| {
            ready(answer(request.into_inner()).map(Response::new))
        });
        async move { Grpc::new(Encoded(PhantomData)).unary(call, request).await }
    })
}

/// Takes messages of one type and gives bytes.
struct Encoded<Q>(PhantomData<Q>);

impl<Q: Message + Default + 'static> Codec for Encoded<Q> {
    type Encode = Bytes;
    type Decode = Q;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(PhantomData)
    }

    fn decoder(&mut self) -> Self {
        Self(PhantomData)
    }
}

impl<Q> Encoder for Encoded<Q> {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl<Q: Message + Default> Decoder for Encoded<Q> {
    type Item = Q;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Q>, Status> {
        let message = Q::decode(from);
        message
            .map(Some)
            .map_err(|error| Status::invalid_argument(error.to_string()))
    }
}
