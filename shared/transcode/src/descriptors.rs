//! Descriptor sets as they come from reflection, made ready for a `DescriptorPool`.
//!
//! prost-reflect knows the syntaxes `proto2` and `proto3` only. A file of an edition is therefore
//! handed to it as `proto2`, with the edition's defaults written out as file features; [`features`]
//! reads them back, so that nothing of the edition is lost.
//!
//! [`features`]: crate::features

use prost::{Message, bytes::Bytes};
use prost_reflect::DescriptorPool;

use crate::{features::Features, wire};

/// A descriptor set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The bytes are no `FileDescriptorSet`.
    #[error("the descriptor set is not well-formed protobuf")]
    Malformed,
    /// A file is of an edition that is newer than this crate.
    #[error("the edition {0} is not supported")]
    Edition(u64),
    /// The descriptors contradict each other.
    #[error(transparent)]
    Descriptor(#[from] prost_reflect::DescriptorError),
}

/// Fields of `google.protobuf.FileDescriptorProto`.
const OPTIONS: u32 = 8;
const SYNTAX: u32 = 12;
const EDITION: u32 = 14;

/// Makes a pool of an encoded `google.protobuf.FileDescriptorSet`, whose files may be of the syntaxes
/// proto2 and proto3 and of the editions 2023 and 2024.
pub fn pool(set: &[u8]) -> Result<DescriptorPool, PoolError> {
    let mut lowered = Vec::with_capacity(set.len());
    for field in wire::fields(set) {
        let (number, value) = field.map_err(|_| PoolError::Malformed)?;
        if let (1, wire::Value::Bytes(file)) = (number, value) {
            wire::put_bytes(1, &lower(file)?, &mut lowered);
        }
    }
    Ok(DescriptorPool::decode(Bytes::from(lowered))?)
}

fn lower(file: &[u8]) -> Result<Vec<u8>, PoolError> {
    let (mut edition, mut options, mut rest) = (None, Vec::new(), Vec::with_capacity(file.len()));
    for field in wire::fields(file) {
        let (number, value) = field.map_err(|_| PoolError::Malformed)?;
        match (number, value) {
            (EDITION, wire::Value::Varint(year)) => edition = Some(year),
            (SYNTAX, wire::Value::Bytes(b"editions")) => {}
            (OPTIONS, wire::Value::Bytes(bytes)) => options.extend_from_slice(bytes),
            _ => wire::put(number, value, &mut rest),
        }
    }
    if let Some(edition) = edition {
        let defaults = Features::of_edition(edition).ok_or(PoolError::Edition(edition))?;
        wire::put_str(SYNTAX, "proto2", &mut rest);
        // What the file says itself comes later, and so wins.
        let mut all = defaults.as_file_options().encode_to_vec();
        all.append(&mut options);
        options = all;
    }
    if !options.is_empty() {
        wire::put_bytes(OPTIONS, &options, &mut rest);
    }
    Ok(rest)
}

#[cfg(test)]
mod tests;
