//! Compiles the contract without `protoc`: Rust types, clients and servers, the checks of the fields'
//! rules, and one descriptor set per service for reflection and for the gateway.

#[path = "build/validate/mod.rs"]
mod validate;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use prost_reflect::{DescriptorPool, DynamicMessage, Value, prost::Message};
use protox::Compiler;

/// The folders in which imports are looked for.
const CONTRACT: [&str; 2] = [".", "third_party"];
const TESTS: [&str; 2] = ["tests", "third_party"];

/// Each descriptor set and the files that it starts from; imports come along.
const SETS: [(&str, &[&str]); 2] = [
    (
        "user",
        &[
            "portico/user/v1/user.proto",
            "portico/user/v1/events.proto",
            "portico/user/v1/provisioning.proto",
            "portico/user/v1/roles.proto",
            "portico/user/v1/transfer.proto",
        ],
    ),
    (
        "auth",
        &[
            "portico/auth/v1/api_keys.proto",
            "portico/auth/v1/auth.proto",
            "portico/auth/v1/clients.proto",
            "portico/auth/v1/email.proto",
            "portico/auth/v1/import.proto",
            "portico/auth/v1/keys.proto",
            "portico/auth/v1/mfa.proto",
            "portico/auth/v1/oauth.proto",
            "portico/auth/v1/password.proto",
            "portico/auth/v1/service_accounts.proto",
        ],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "cargo says so where to write")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for path in [
        "build",
        "build.rs",
        "portico",
        "tests/portico",
        "third_party",
    ] {
        println!("cargo:rerun-if-changed={path}");
    }

    let mut whole = compiler(CONTRACT)?;
    for (name, files) in SETS {
        let mut set = compiler(CONTRACT)?;
        set.open_files(files)?;
        fs::write(out.join(format!("{name}.binpb")), descriptors(&set, files)?)?;
        whole.open_files(files)?;
    }
    let files: Vec<_> = SETS.iter().flat_map(|(_, files)| *files).copied().collect();
    fs::write(out.join("portico.binpb"), descriptors(&whole, &files)?)?;

    tonic_prost_build::configure()
        .build_transport(false)
        .extern_path(".google.api", "crate::google::api")
        .compile_fds(whole.file_descriptor_set())?;
    write_checks(&whole, "portico.", &out.join("validate.rs"))?;

    // A build script cannot tell whether tests are built, so their messages are always there.
    let mut test = compiler(TESTS)?;
    test.open_file("portico/test/v1/rules.proto")?;
    tonic_prost_build::configure().compile_fds(test.file_descriptor_set())?;
    write_checks(&test, "portico.test.", &out.join("validate_test.rs"))
}

fn compiler(folders: [&str; 2]) -> Result<Compiler, protox::Error> {
    let mut compiler = Compiler::new(folders)?;
    compiler.include_imports(true).include_source_info(true);
    Ok(compiler)
}

/// The descriptor set, its options and our own comments in it. The comments of what we import are two
/// thirds of it, and nobody asks for them; every process would read them several times at its start. A
/// service that only an imported file declares is another process's, and left out too.
fn descriptors(compiler: &Compiler, own: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let set = DescriptorPool::global()
        .get_message_by_name("google.protobuf.FileDescriptorSet")
        .ok_or("the pool lacks google.protobuf.FileDescriptorSet")?;
    let mut set = DynamicMessage::decode(set, compiler.encode_file_descriptor_set().as_slice())?;
    let files = set
        .get_field_by_name_mut("file")
        .and_then(Value::as_list_mut);
    for file in files
        .into_iter()
        .flatten()
        .filter_map(Value::as_message_mut)
    {
        let name = file.get_field_by_name("name");
        let name = name.as_deref().and_then(Value::as_str).unwrap_or_default();
        let (ours, imported) = (name.starts_with("portico/"), !own.contains(&name));
        if !ours {
            file.clear_field_by_name("source_code_info");
        }
        if imported {
            file.clear_field_by_name("service");
        }
    }
    Ok(set.encode_to_vec())
}

/// Writes the checks of the messages in packages below `prefix`, whose types stand in modules named
/// after the packages: `portico.user.v1` in `crate::user::v1`.
fn write_checks(compiler: &Compiler, prefix: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let set = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(set.as_slice())?;
    let module = |package: &str| package.replacen("portico", "crate", 1).replace('.', "::");
    fs::write(file, validate::generate(&pool, prefix, &module)?)?;
    Ok(())
}
