//! Messages as they are: the gateway moves protobuf bytes and knows no type.

use bytes::{Buf, BufMut, Bytes};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// A codec whose messages are encoded protobuf on both sides.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawCodec;

/// The same for a request that is a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadCodec;

/// What goes up in a stream.
#[derive(Debug)]
pub enum Part {
    /// An encoded message.
    Message(Bytes),
    /// Nothing more will come, and the messages so far are not all: the call is reset. A stream that
    /// merely ended would look complete to the service.
    Cut,
}

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let message = src.copy_to_bytes(src.remaining());
        Ok(Some(message))
    }
}

impl Codec for UploadCodec {
    type Encode = Part;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> RawCodec {
        RawCodec
    }
}

impl Encoder for UploadCodec {
    type Item = Part;
    type Error = Status;

    fn encode(&mut self, item: Part, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match item {
            Part::Message(message) => {
                dst.put(message);
                Ok(())
            }
            Part::Cut => Err(Status::cancelled("the caller's stream was cut off")),
        }
    }
}
