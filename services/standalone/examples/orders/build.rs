//! Compiles the contract: types and servers for the code, one descriptor set per file for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use protox::Compiler;

/// Our own files, and copies of what they import: the policy option, and Google's annotations.
const FOLDERS: [&str; 3] = [
    "proto",
    "../../../../proto",
    "../../../../proto/third_party",
];

const FILES: [(&str, &str); 2] = [
    ("orders", "acme/orders/v1/orders.proto"),
    ("shipping", "acme/orders/v1/shipping.proto"),
];

fn main() -> Result<(), Box<dyn Error>> {
    for folder in FOLDERS {
        println!("cargo:rerun-if-changed={folder}");
    }
    #[expect(clippy::disallowed_methods, reason = "cargo says so where to write")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut whole = compiler()?;
    for (name, file) in FILES {
        let mut set = compiler()?;
        set.open_file(file)?;
        let set = set.encode_file_descriptor_set();
        fs::write(out.join(format!("{name}.binpb")), set)?;
        whole.open_file(file)?;
    }
    tonic_prost_build::configure().compile_fds(whole.file_descriptor_set())?;
    Ok(())
}

/// With the comments, which the reference at `/docs` shows.
fn compiler() -> Result<Compiler, protox::Error> {
    let mut compiler = Compiler::new(FOLDERS)?;
    compiler.include_imports(true).include_source_info(true);
    Ok(compiler)
}
