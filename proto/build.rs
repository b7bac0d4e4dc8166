//! Compiles the contract without `protoc`: Rust types, clients and servers, and one descriptor set per
//! service for reflection and for the gateway.

use std::{env, error::Error, fs, path::PathBuf};

use protox::Compiler;

/// Each descriptor set and the files that it starts from; imports come along.
const SETS: [(&str, &[&str]); 2] = [
    (
        "user",
        &[
            "portico/user/v1/user.proto",
            "portico/user/v1/events.proto",
            "portico/user/v1/provisioning.proto",
        ],
    ),
    (
        "auth",
        &["portico/auth/v1/auth.proto", "portico/auth/v1/keys.proto"],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for folder in ["portico", "third_party"] {
        println!("cargo:rerun-if-changed={folder}");
    }

    let mut whole = compiler()?;
    for (name, files) in SETS {
        let mut set = compiler()?;
        set.open_files(files)?;
        fs::write(
            out.join(format!("{name}.binpb")),
            set.encode_file_descriptor_set(),
        )?;
        whole.open_files(files)?;
    }
    fs::write(
        out.join("portico.binpb"),
        whole.encode_file_descriptor_set(),
    )?;

    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(whole.file_descriptor_set())?;
    Ok(())
}

fn compiler() -> Result<Compiler, protox::Error> {
    let mut compiler = Compiler::new([".", "third_party"])?;
    compiler.include_imports(true).include_source_info(true);
    Ok(compiler)
}
