//! Descriptors for the tests beside the code.

use std::sync::Arc;

use prost_reflect::DescriptorPool;
use protox::Compiler;
use serde_json::Value;

use super::{document, json::Json};
use crate::contract::{Contract, Descriptors, Mount};

/// The descriptor set of `tests/proto/reference`.
pub fn set() -> &'static [u8] {
    let root = env!("CARGO_MANIFEST_DIR");
    let folders = [
        format!("{root}/tests/proto"),
        format!("{root}/../proto"),
        format!("{root}/../proto/third_party"),
    ];
    let mut compiler = Compiler::new(folders).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("reference/v1/reference.proto").unwrap();
    compiler.encode_file_descriptor_set().leak()
}

/// A pool of it.
pub fn pool() -> DescriptorPool {
    portico_transcode::pool(set()).unwrap()
}

/// A contract of upstreams with these descriptor sets.
pub fn contract(sets: &[&'static [u8]]) -> Contract {
    let mut contract = Contract::empty(sets.len());
    for (upstream, set) in sets.iter().enumerate() {
        let descriptors = Descriptors::embedded(set).unwrap();
        let mount = Mount::compile(upstream, "test", true, descriptors).unwrap();
        contract = contract.with(Arc::new(mount)).0;
    }
    contract
}

/// The document of such a contract.
pub fn document(sets: &[&'static [u8]]) -> Value {
    plain(&document::describe(&contract(sets)))
}

/// A value as tests compare it.
pub fn plain(json: &Json) -> Value {
    serde_json::to_value(json).unwrap()
}
