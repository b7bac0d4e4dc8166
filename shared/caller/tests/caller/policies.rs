//! Policies as they stand in descriptors, ours and strangers'.

use std::time::Duration;

use portico_caller::{Access, Policies, Policy};
use prost_reflect::DescriptorPool;
use protox::{
    Compiler, Error,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver},
};

const POLICY_PROTO: &str = include_str!("../../../../proto/portico/policy/v1/policy.proto");

/// Sources in memory.
struct Sources(Vec<(&'static str, String)>);

impl FileResolver for Sources {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        match self.0.iter().find(|(known, _)| *known == name) {
            Some((_, source)) => File::from_source(name, source),
            None => Err(Error::file_not_found(name)),
        }
    }
}

/// The encoded descriptors of one stranger's file, with a definition of the option of its own.
fn compile(policy: &str, rpcs: &str) -> Vec<u8> {
    let orders = format!(
        r#"syntax = "proto3";
        package orders.v1;
        import "portico/policy/v1/policy.proto";
        service OrderService {{ {rpcs} }}
        message Request {{
          string id = 1;
          int64 number = 2;
          repeated string ids = 3;
          map<string, string> labels = 4;
          Order order = 5;
          repeated Order orders = 6;
          oneof either {{ string one = 7; Order other = 8; }}
          optional string maybe = 9;
        }}
        message Order {{ string user_id = 1; Order parent = 2; bytes raw = 3; }}
        message Answer {{}}"#
    );
    let sources = Sources(vec![
        ("portico/policy/v1/policy.proto", policy.to_owned()),
        ("orders.proto", orders),
    ]);
    let mut resolver = ChainFileResolver::new();
    resolver.add(sources);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .open_file("orders.proto")
        .unwrap();
    compiler.encode_file_descriptor_set()
}

fn rpc(name: &str, policy: &str) -> String {
    format!(
        "rpc {name}(Request) returns (Answer) {{
          option (portico.policy.v1.policy) = {{ {policy} }};
        }}"
    )
}

/// The policies of a service whose methods have the given options.
fn policies(rpcs: &[(&str, &str)]) -> Policies {
    let rpcs: String = rpcs
        .iter()
        .map(|(name, policy)| rpc(name, policy))
        .collect();
    let set = compile(POLICY_PROTO, &rpcs);
    Policies::from_pool(&DescriptorPool::decode(set.as_slice()).unwrap())
}

fn closed() -> Policy {
    Policy {
        access: Access::Internal,
        ..Policy::default()
    }
}

#[test]
fn our_own_methods_are_as_their_proto_says() {
    let pool = DescriptorPool::decode(portico_proto::DESCRIPTOR_SET).unwrap();
    let policies = Policies::from_pool(&pool);
    assert_eq!(policies.faults(), [] as [&str; 0]);
    let get = policies.get("/portico.user.v1.UserService/GetUser");
    let expected = Policy {
        access: Access::Authenticated,
        scopes: vec!["users:read".into()],
        self_field: Some("id".into()),
        rate_limit: None,
        idempotent: true,
        timeout: None,
    };
    assert_eq!(*get, expected);
    let update = policies.get("/portico.user.v1.UserService/UpdateUser");
    assert_eq!(update.self_field.as_deref(), Some("user.id"));
    let provision = policies.get("/portico.user.v1.ProvisioningService/ProvisionUser");
    assert_eq!(provision.access, Access::Internal);
    let keys = policies.get("/portico.auth.v1.KeyService/GetJsonWebKeySet");
    assert_eq!(keys.access, Access::Public);
}

#[test]
fn an_rpc_may_ask_for_another_time_than_the_gateway_gives() {
    let policies = policies(&[
        ("Slow", "timeout: { seconds: 60 nanos: 500000000 }"),
        ("None", "timeout: { }"),
        ("Negative", "timeout: { seconds: -1 }"),
        ("Endless", "timeout: { seconds: 100000 }"),
    ]);
    let get = |name: &str| policies.get(&format!("/orders.v1.OrderService/{name}"));
    assert_eq!(get("Slow").timeout, Some(Duration::from_millis(60_500)));
    for name in ["None", "Negative", "Endless"] {
        assert_eq!(*get(name), closed(), "{name}");
    }
}

#[test]
fn every_service_of_ours_says_who_may_call_each_method() {
    let pool = DescriptorPool::decode(portico_proto::DESCRIPTOR_SET).unwrap();
    let extension = pool
        .get_extension_by_name(portico_proto::policy::EXTENSION)
        .unwrap();
    for service in pool.services() {
        for method in service.methods() {
            assert!(
                method.options().has_extension(&extension),
                "{}",
                method.full_name()
            );
        }
    }
}

#[test]
fn a_method_without_the_option_needs_a_token_and_nothing_more() {
    let set = compile(
        POLICY_PROTO,
        &format!("rpc Bare(Request) returns (Answer); {}", rpc("Empty", "")),
    );
    let policies = Policies::from_pool(&DescriptorPool::decode(set.as_slice()).unwrap());
    for path in [
        "/orders.v1.OrderService/Bare",
        "/orders.v1.OrderService/Empty",
        "/no.Such/Method",
        "",
    ] {
        assert_eq!(*policies.get(path), Policy::default(), "{path}");
    }
    assert_eq!(Policy::default().access, Access::Authenticated);
}

#[test]
fn a_pool_that_never_heard_of_the_option_is_all_default() {
    let policies = Policies::from_pool(&DescriptorPool::new());
    assert_eq!(
        policies.get("/orders.v1.OrderService/Get").access,
        Access::Authenticated
    );
    assert!(policies.faults().is_empty());
}

#[test]
fn each_part_of_a_policy_is_read() {
    let policies = policies(&[
        ("Public", "access: ACCESS_PUBLIC rate_limit: \"sign-in\""),
        (
            "Unspecified",
            "access: ACCESS_UNSPECIFIED scopes: [\"a\", \"b\"]",
        ),
        ("Internal", "access: ACCESS_INTERNAL idempotent: true"),
    ]);
    let public = policies.get("/orders.v1.OrderService/Public");
    assert_eq!(
        (public.access, public.rate_limit.as_deref()),
        (Access::Public, Some("sign-in"))
    );
    let unspecified = policies.get("/orders.v1.OrderService/Unspecified");
    assert_eq!(unspecified.access, Access::Authenticated);
    assert_eq!(unspecified.scopes, ["a", "b"]);
    let internal = policies.get("/orders.v1.OrderService/Internal");
    assert!(internal.access == Access::Internal && internal.idempotent);
}

#[test]
fn self_must_lead_to_one_text() {
    let good = [
        "id",
        "order.user_id",
        "order.parent.parent.user_id",
        "one",
        "other.user_id",
        "maybe",
    ];
    let bad = [
        "user",
        "number",
        "ids",
        "labels",
        "order",
        "orders.user_id",
        "order.raw",
        "order.id",
        "id.id",
        "order.",
        ".id",
        ".",
        " id",
        "Id",
        "order..user_id",
        "labels.value",
    ];
    for (path, ok) in good
        .map(|path| (path, true))
        .into_iter()
        .chain(bad.map(|path| (path, false)))
    {
        let policies = policies(&[("Get", &format!("self: \"{path}\" scopes: \"orders:read\""))]);
        let policy = policies.get("/orders.v1.OrderService/Get");
        if ok {
            assert_eq!(policy.self_field.as_deref(), Some(path));
            assert!(policies.faults().is_empty());
        } else {
            assert_eq!(*policy, closed(), "{path}");
            assert_eq!(policies.faults().len(), 1, "{path}");
        }
    }
}

#[test]
fn a_policy_that_contradicts_itself_closes_its_method() {
    let policies = policies(&[
        ("Scoped", "access: ACCESS_PUBLIC scopes: \"a\""),
        ("Owned", "access: ACCESS_PUBLIC self: \"id\""),
        ("Good", "access: ACCESS_PUBLIC"),
    ]);
    assert_eq!(*policies.get("/orders.v1.OrderService/Scoped"), closed());
    assert_eq!(*policies.get("/orders.v1.OrderService/Owned"), closed());
    assert_eq!(
        policies.get("/orders.v1.OrderService/Good").access,
        Access::Public
    );
    assert_eq!(policies.faults().len(), 2);
}

#[test]
fn an_option_that_makes_no_sense_closes_its_method_and_no_other() {
    let theirs = |definition: &str| {
        format!(
            r#"syntax = "proto3"; package portico.policy.v1;
            import "google/protobuf/descriptor.proto";
            extend google.protobuf.MethodOptions {{ {definition} }}"#
        )
    };
    let good = "rpc Good(Request) returns (Answer);";
    for (definition, value) in [
        // Not the fields that we know.
        (
            "Policy policy = 50051; } message Policy { string access = 1;",
            "{ access: \"all\" }",
        ),
        (
            "Policy policy = 50051; } message Policy { int32 access = 1;",
            "{ access: 9 }",
        ),
        (
            "Policy policy = 50051; } message Policy { int32 access = 1;",
            "{ access: -1 }",
        ),
        // No message at all.
        ("int32 policy = 50051;", "1"),
    ] {
        let odd = format!(
            "rpc Odd(Request) returns (Answer) {{ option (portico.policy.v1.policy) = {value}; }}"
        );
        let set = compile(&theirs(definition), &format!("{odd} {good}"));
        let policies = Policies::from_pool(&DescriptorPool::decode(set.as_slice()).unwrap());
        assert_eq!(
            *policies.get("/orders.v1.OrderService/Odd"),
            closed(),
            "{definition}"
        );
        assert_eq!(
            *policies.get("/orders.v1.OrderService/Good"),
            Policy::default()
        );
        assert_eq!(policies.faults().len(), 1);
    }
}

#[test]
fn an_older_or_newer_copy_of_the_definition_is_understood() {
    for definition in [
        "message Policy { Access access = 1; }",
        "message Policy { Access access = 1; string later = 99; }",
    ] {
        let policy = format!(
            r#"syntax = "proto3"; package portico.policy.v1;
            import "google/protobuf/descriptor.proto";
            extend google.protobuf.MethodOptions {{ Policy policy = 50051; }}
            enum Access {{ NOTHING = 0; EVERYBODY = 1; }} {definition}"#
        );
        let set = compile(&policy, &rpc("Get", "access: EVERYBODY"));
        let policies = Policies::from_pool(&DescriptorPool::decode(set.as_slice()).unwrap());
        assert_eq!(
            policies.get("/orders.v1.OrderService/Get").access,
            Access::Public
        );
    }
}

#[test]
fn an_option_of_the_same_number_but_another_name_is_not_ours() {
    let theirs = r#"syntax = "proto3"; package portico.policy.v1;
        import "google/protobuf/descriptor.proto";
        extend google.protobuf.MethodOptions { Theirs theirs = 50051; }
        message Theirs { int32 access = 1; }"#;
    let rpc =
        "rpc Get(Request) returns (Answer) { option (portico.policy.v1.theirs) = {access: 1}; }";
    let set = compile(theirs, rpc);
    let policies = Policies::from_pool(&DescriptorPool::decode(set.as_slice()).unwrap());
    assert_eq!(
        *policies.get("/orders.v1.OrderService/Get"),
        Policy::default()
    );
}

/// A pool checks options that it knows when files are added. A stranger's file may come before the
/// definition of the option, and then nothing has looked at its bytes.
#[test]
fn broken_bytes_in_an_option_close_their_method() {
    let rpcs = [
        rpc("Broken", "rate_limit: \"BREAKTHIS\""),
        rpc("Good", "access: ACCESS_PUBLIC"),
    ];
    let set = compile(POLICY_PROTO, &rpcs.concat());
    let pool = DescriptorPool::decode(set.as_slice()).unwrap();
    let orders = pool
        .get_file_by_name("orders.proto")
        .unwrap()
        .encode_to_vec();
    let definition = pool
        .get_file_by_name("portico/policy/v1/policy.proto")
        .unwrap();
    // The import, so that the file can stand alone. Unknown fields are passed over.
    let import = b"\x1a\x1eportico/policy/v1/policy.proto";
    let at = orders
        .windows(import.len())
        .position(|window| window == import)
        .unwrap();
    let alone = [&orders[..at], &orders[at + import.len()..]].concat();

    let at = alone
        .windows(9)
        .position(|window| window == b"BREAKTHIS")
        .unwrap();
    // No UTF-8; a length that reaches too far; a group that never ends.
    for (offset, byte) in [(0, 0xff_u8), (-1, 0x7f), (-2, 0x23)] {
        let mut broken = alone.clone();
        broken[at.checked_add_signed(offset).unwrap()] = byte;
        let mut pool = DescriptorPool::new();
        pool.decode_file_descriptor_proto(broken.as_slice())
            .unwrap();
        for import in ["descriptor", "duration"] {
            let import = pool_file(&format!("google/protobuf/{import}.proto"));
            pool.decode_file_descriptor_proto(import.as_slice())
                .unwrap();
        }
        pool.decode_file_descriptor_proto(definition.encode_to_vec().as_slice())
            .unwrap();

        let policies = Policies::from_pool(&pool);
        assert_eq!(
            *policies.get("/orders.v1.OrderService/Broken"),
            closed(),
            "{offset}"
        );
        assert_eq!(
            policies.get("/orders.v1.OrderService/Good").access,
            Access::Public
        );
    }
}

fn pool_file(name: &str) -> Vec<u8> {
    DescriptorPool::global()
        .get_file_by_name(name)
        .unwrap()
        .encode_to_vec()
}
