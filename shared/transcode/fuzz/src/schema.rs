//! The messages and HTTP rules of `tests/proto`.

use std::{path::Path, sync::LazyLock};

use portico_transcode::{Binding, MessageId, Plans, Router, pool};
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};
use protox::Compiler;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // This file is a part of two crates, one inside of the other.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .find(|folder| folder.join("tests/proto").is_dir())
        .expect("inside of portico-transcode");
    let folders = [
        root.join("tests/proto"),
        root.join("../../proto/third_party"),
    ];
    let mut compiler = Compiler::new(folders).expect("the folders are there");
    compiler.include_imports(true);
    compiler
        .open_files([
            "test/everything.proto",
            "test/legacy.proto",
            "test/library.proto",
        ])
        .expect("the protos are valid");
    pool(&compiler.encode_file_descriptor_set()).expect("the descriptors are valid")
});

pub static PLANS: LazyLock<Plans> = LazyLock::new(|| Plans::compile(&POOL));

pub static ROUTES: LazyLock<Router<Binding>> = LazyLock::new(|| {
    let mut routes = Router::builder();
    for method in methods() {
        for binding in Binding::all(&PLANS, &method).expect("the rules are valid") {
            let (verb, path) = (binding.http_method.clone(), binding.template.to_string());
            routes
                .add(&verb, &path, method.full_name(), binding)
                .expect("no two rules are the same");
        }
    }
    routes.build()
});

/// What an input's first byte chooses from, `0` the first.
const MESSAGES: [&str; 8] = [
    "test.Everything",
    "test.Legacy",
    "test.Inner",
    "google.protobuf.Value",
    "google.protobuf.Any",
    "google.protobuf.Struct",
    "google.protobuf.FieldMask",
    "test.Book",
];

/// The message that an input is about, and the rest of the input.
pub fn pick(input: &[u8]) -> Option<(MessageId, MessageDescriptor, &[u8])> {
    let (first, rest) = input.split_first()?;
    let name = MESSAGES[usize::from(first.wrapping_sub(b'0')) % MESSAGES.len()];
    let id = PLANS.message(name).expect("in the pool");
    Some((id, descriptor(name), rest))
}

/// The message that an RPC is asked with.
pub fn asked_with(binding: &Binding) -> MessageDescriptor {
    let path = binding.grpc_path.trim_start_matches('/').replace('/', ".");
    methods()
        .find(|method| method.full_name() == path)
        .expect("of the same pool")
        .input()
}

fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name).expect("in the pool")
}

fn methods() -> impl Iterator<Item = MethodDescriptor> {
    POOL.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
}
