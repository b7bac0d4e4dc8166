//! What the build makes of annotations that it does not know: an error that names the field.

#[path = "../build/validate/mod.rs"]
mod validate;

use prost_reflect::DescriptorPool;
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver},
};

/// A single file that is not on any disk.
struct Source(String);

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == "test.proto" {
            File::from_source(name, &self.0)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

/// What the generator says to a message with these fields.
fn generate(body: &str) -> Result<String, String> {
    let source = format!(
        "syntax = \"proto3\";
        package portico.test.v1;
        import \"buf/validate/validate.proto\";
        import \"google/protobuf/duration.proto\";
        message Message {{ {body} }}"
    );
    let mut resolver = ChainFileResolver::new();
    resolver.add(Source(source));
    resolver.add(IncludeFileResolver::new("third_party".into()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler
        .open_file("test.proto")
        .expect("the source compiles");
    let set = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(set.as_slice()).expect("the set is whole");
    validate::generate(&pool, "portico.", &|_| "test".to_owned())
}

#[test]
fn a_known_rule_becomes_a_call() {
    let code = generate("string a = 1 [(buf.validate.field).string.min_len = 3];").unwrap();
    assert!(code.contains("impl Check for test::Message"), "{code}");
    assert!(
        code.contains("report.min_len(&at, self.a.as_str(), 3);"),
        "{code}"
    );
}

#[test]
fn an_unknown_rule_fails_and_names_the_field() {
    for (field, error) in [
        (
            "string a = 1 [(buf.validate.field).string.hostname = true];",
            "portico.test.v1.Message.a: rule `string.hostname` is not supported",
        ),
        (
            "bytes a = 1 [(buf.validate.field).bytes.pattern = \"x\"];",
            "portico.test.v1.Message.a: rule `bytes.pattern` is not supported",
        ),
        (
            "google.protobuf.Duration a = 1 [(buf.validate.field).duration.gt = {}];",
            "portico.test.v1.Message.a: rule `duration.*` is not supported",
        ),
        (
            "string a = 1 [(buf.validate.field).cel = {id: \"x\", expression: \"true\"}];",
            "portico.test.v1.Message.a: rule `field.cel` is not supported",
        ),
        (
            "repeated float a = 1 [(buf.validate.field).repeated.unique = true];",
            "portico.test.v1.Message.a: rule `repeated.unique` is not supported for its type",
        ),
        (
            "repeated string a = 1 [(buf.validate.field).repeated.items.required = true];",
            "portico.test.v1.Message.a: rule `field.required` is not supported",
        ),
        (
            "string a = 1 [(buf.validate.field).int32.gt = 1];",
            "portico.test.v1.Message.a: has `int32` rules where its type takes `string` rules",
        ),
        (
            "int32 a = 1 [(buf.validate.field).int32 = {gt: 5, lt: 1}];",
            "portico.test.v1.Message.a: a lower bound above the upper bound is not supported",
        ),
        (
            "option (buf.validate.message).cel = {id: \"x\", expression: \"true\"};",
            "portico.test.v1.Message: rules for whole messages are not supported",
        ),
        (
            "map<string, string> a = 1 [(buf.validate.field).map.values.string.ip = true];",
            "portico.test.v1.Message.AEntry.value: rule `string.ip` is not supported",
        ),
    ] {
        assert_eq!(generate(field).unwrap_err(), error);
    }
}

#[test]
fn a_pattern_that_does_not_compile_fails() {
    let error =
        generate("string a = 1 [(buf.validate.field).string.pattern = \"(\"];").unwrap_err();
    assert!(
        error.starts_with("portico.test.v1.Message.a: regex parse error"),
        "{error}"
    );
}
