//! Rules that do not fit their RPC.

use std::path::Path;

use prost_reflect::DescriptorPool;
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, IncludeFileResolver},
};

use crate::{Binding, Plans, pool};

/// A file that only exists here.
struct Written(String);

impl FileResolver for Written {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == "written.proto" {
            File::from_source(name, &self.0)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

fn service(rule: &str) -> DescriptorPool {
    let third_party = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/third_party");
    let mut resolver = ChainFileResolver::new();
    resolver.add(Written(format!(
        r#"
        syntax = "proto3";
        package written;
        import "google/api/annotations.proto";
        message Thing {{
          string name = 1;
          Thing thing = 2;
          repeated string names = 3;
          map<string, string> labels = 4;
        }}
        service Things {{
          rpc Do(Thing) returns (Thing) {{ option (google.api.http) = {{ {rule} }}; }}
        }}
        "#
    )));
    resolver.add(IncludeFileResolver::new(third_party));
    resolver.add(protox::file::GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .open_file("written.proto")
        .expect("valid");
    pool(&compiler.encode_file_descriptor_set()).expect("valid")
}

fn fault(rule: &str) -> String {
    let pool = service(rule);
    let method = pool
        .services()
        .next()
        .and_then(|s| s.methods().next())
        .expect("one");
    Binding::all(&Plans::compile(&pool), &method)
        .expect_err(rule)
        .to_string()
}

#[test]
fn rules_that_do_not_fit_are_refused_with_the_reason() {
    for (rule, reason) in [
        (r#"body: "*""#, "has no pattern"),
        (r#"get: "things""#, "must begin with `/`"),
        (r#"get: "/{nope}""#, "captures `nope`, which is no field"),
        (
            r#"get: "/{name.x}""#,
            "captures `name.x`, which is no field",
        ),
        (
            r#"get: "/{thing}""#,
            "captures `thing`, which a path cannot set",
        ),
        (
            r#"get: "/{names}""#,
            "captures `names`, which a path cannot set",
        ),
        (
            r#"get: "/{labels}""#,
            "captures `labels`, which a path cannot set",
        ),
        (
            r#"post: "/" body: "nope""#,
            "names `nope`, which is no field",
        ),
        (
            r#"get: "/" response_body: "nope""#,
            "names `nope`, which is no field",
        ),
        (
            r#"custom: { path: "/" }"#,
            "has a custom pattern without a method",
        ),
        (
            r#"get: "/" additional_bindings { get: "/a" additional_bindings { get: "/b" } }"#,
            "has additional bindings inside of additional bindings",
        ),
    ] {
        let shown = fault(rule);
        assert!(
            shown.starts_with("the HTTP rule of written.Things.Do"),
            "{shown}"
        );
        assert!(shown.contains(reason), "{rule}: {shown}");
    }
}
