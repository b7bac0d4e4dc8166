//! Method options as the bytes that they were sent as.
//!
//! Reflected options would be nicer to read, but decoding them panics on bytes that are no good. A pool
//! checks only options that it knows when a file is added, and a stranger's file may come before the
//! definition of the option.

use prost::{
    DecodeError, Message,
    bytes::Bytes,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

/// As much of `google.protobuf.FileDescriptorProto` as is needed.
#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(bytes = "bytes", tag = "4")]
    options: Bytes,
}

/// The encoded options of each method of each service of a file, in the order of the file.
pub(super) fn method_options(file: &[u8]) -> Vec<Vec<Bytes>> {
    let file = File::decode(file).unwrap_or_default();
    let methods = |service: Service| service.methods.into_iter().map(|method| method.options);
    file.services
        .into_iter()
        .map(|service| methods(service).collect())
        .collect()
}

/// The bytes are no protobuf message.
pub(super) struct Unreadable;

impl From<DecodeError> for Unreadable {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

/// A message field of an encoded message. Its pieces are joined, since protobuf merges them.
pub(super) fn field(mut message: &[u8], number: u32) -> Result<Option<Vec<u8>>, Unreadable> {
    let mut found: Option<Vec<u8>> = None;
    while !message.is_empty() {
        let (tag, wire_type) = decode_key(&mut message)?;
        if tag != number {
            skip_field(wire_type, tag, &mut message, DecodeContext::default())?;
            continue;
        }
        if wire_type != WireType::LengthDelimited {
            return Err(Unreadable);
        }
        let length = decode_varint(&mut message)?;
        let length = usize::try_from(length).map_err(|_| Unreadable)?;
        let (piece, rest) = message.split_at_checked(length).ok_or(Unreadable)?;
        found.get_or_insert_default().extend_from_slice(piece);
        message = rest;
    }
    Ok(found)
}
