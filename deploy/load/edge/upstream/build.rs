//! Compiles the open service's descriptors.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use protox::Compiler;

const FOLDERS: [&str; 3] = [
    "proto",
    "../../../../proto",
    "../../../../proto/third_party",
];

fn main() -> Result<(), Box<dyn Error>> {
    for folder in FOLDERS {
        println!("cargo:rerun-if-changed={folder}");
    }
    let mut compiler = Compiler::new(FOLDERS)?;
    compiler.include_imports(true);
    compiler.open_file("open/load/v1/load.proto")?;
    #[expect(clippy::disallowed_methods, reason = "cargo says so where to write")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let set = without_user_service(&compiler.encode_file_descriptor_set())?;
    fs::write(out.join("load.binpb"), set)?;
    Ok(())
}

/// The set with `user.proto` as a mere collection of messages: a server that lists `UserService` would
/// claim its routes too. Done without decoding options, which would be lost.
fn without_user_service(set: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let kind = DescriptorPool::global()
        .get_message_by_name("google.protobuf.FileDescriptorSet")
        .ok_or("the descriptors of descriptors are missing")?;
    let mut set = DynamicMessage::decode(kind, set)?;
    let files = set
        .get_field_by_name_mut("file")
        .and_then(Value::as_list_mut);
    for file in files.ok_or("a set has files")? {
        let file = file.as_message_mut().ok_or("a file is a message")?;
        let name = file.get_field_by_name("name");
        if name.is_some_and(|name| name.as_str() == Some("portico/user/v1/user.proto")) {
            file.clear_field_by_name("service");
        }
    }
    Ok(set.encode_to_vec())
}
