use prost_reflect::{
    DescriptorPool,
    prost_types::{
        DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
        MessageOptions,
        field_descriptor_proto::{Label as ProtoLabel, Type},
    },
};

use super::*;
use crate::testing::{PLANS, id};

#[test]
fn messages_are_found_by_their_full_names() {
    let found = PLANS
        .message("google.protobuf.Timestamp")
        .expect("imported");
    assert_eq!(PLANS.get(found).shape, Shape::Timestamp);
    assert!(PLANS.message("test.Nope").is_none());
}

#[test]
fn fields_are_found_by_number_near_and_far() {
    let plan = PLANS.get(id("Everything"));
    for field in &plan.fields {
        for hint in [0, 5, 10_000] {
            let index = plan
                .index_of(field.number, hint)
                .expect("the field is there");
            assert_eq!(plan.fields[index].name, field.name);
        }
    }
    for number in [0, 18, 90, 110, 536_870_910, u32::MAX] {
        assert_eq!(plan.index_of(number, 0), None);
    }
}

#[test]
fn paths_of_services_become_json_paths() {
    let path = |path| PLANS.json_path(id("Everything"), path);
    assert_eq!(
        path("f_message.r_message[3].f_int32"),
        "fMessage.rMessage[3].fInt32"
    );
    assert_eq!(
        path(r#"m_message["a.b]\"c"].name"#),
        r#"mMessage["a.b]\"c"].name"#
    );
    assert_eq!(path("f_int32.no_field.x_y"), "fInt32.no_field.x_y");
    assert_eq!(path("no_field[0].f_int32"), "no_field[0].f_int32");
    assert_eq!(path(""), "");
    assert_eq!(path("a["), "a[");
}

#[test]
fn presence_packing_and_closedness_follow_the_syntax() {
    let field = |message: &str, name: &str| PLANS.field(id(message), name).expect("a field");
    assert!(!field("Everything", "fInt32").presence);
    assert!(field("Everything", "oInt64").presence);
    assert!(field("Everything", "cInt64").presence);
    assert!(
        field("Everything", "oInt64").oneof.is_none(),
        "no oneof that anybody wrote"
    );
    assert_eq!(
        field("Everything", "rInt32").label,
        Label::Repeated { packed: true }
    );
    assert_eq!(
        field("Everything", "rUnpacked").label,
        Label::Repeated { packed: false }
    );
    assert!(field("Legacy", "plain").presence);
    assert_eq!(
        field("Legacy", "unpacked").label,
        Label::Repeated { packed: false }
    );
    assert!(matches!(field("Legacy", "group").kind, Kind::Group(_)));
    let Kind::Enum(closed) = field("Legacy", "closed").kind else {
        panic!("an enum");
    };
    assert!(PLANS.get_enum(closed).closed);
    assert!(field("Book", "createdBy").output_only);
}

fn pool_of(messages: Vec<DescriptorProto>, package: &str) -> DescriptorPool {
    let file = FileDescriptorProto {
        name: Some("strange.proto".to_owned()),
        package: Some(package.to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: messages,
        ..FileDescriptorProto::default()
    };
    DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: vec![file] })
        .expect("valid descriptors")
}

fn field(name: &str, number: i32, kind: Type, label: ProtoLabel) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        ..FieldDescriptorProto::default()
    }
}

#[test]
fn a_message_that_only_bears_a_known_name_is_an_ordinary_one() {
    for name in [
        "Timestamp",
        "FieldMask",
        "Struct",
        "Value",
        "ListValue",
        "Any",
        "Int32Value",
    ] {
        let message = DescriptorProto {
            name: Some(name.to_owned()),
            field: vec![field("text", 7, Type::String, ProtoLabel::Optional)],
            ..DescriptorProto::default()
        };
        let plans = Plans::compile(&pool_of(vec![message], "google.protobuf"));
        let id = plans
            .message(&format!("google.protobuf.{name}"))
            .expect("there");
        let (mut wire, mut json) = (Vec::new(), Vec::new());
        plans
            .to_wire(id, br#"{"text":"a"}"#, &mut wire)
            .expect("an object");
        plans.to_json(id, &wire, &mut json).expect("an object");
        assert_eq!(json, br#"{"text":"a"}"#);
    }
}

#[test]
fn a_map_without_an_entry_of_two_is_a_list() {
    let mut list = field("list", 1, Type::Message, ProtoLabel::Repeated);
    list.type_name = Some(".strange.Holder.ListEntry".to_owned());
    let entry = DescriptorProto {
        name: Some("ListEntry".to_owned()),
        field: vec![field("key", 1, Type::String, ProtoLabel::Optional)],
        options: Some(MessageOptions {
            map_entry: Some(true),
            ..MessageOptions::default()
        }),
        ..DescriptorProto::default()
    };
    let holder = DescriptorProto {
        name: Some("Holder".to_owned()),
        field: vec![list],
        nested_type: vec![entry],
        ..DescriptorProto::default()
    };
    let plans = Plans::compile(&pool_of(vec![holder], "strange"));
    let id = plans.message("strange.Holder").expect("there");
    let (mut wire, mut json) = (Vec::new(), Vec::new());
    plans
        .to_wire(id, br#"{"list":[{"key":"a"}]}"#, &mut wire)
        .expect("a list");
    plans.to_json(id, &wire, &mut json).expect("a list");
    assert_eq!(json, br#"{"list":[{"key":"a"}]}"#);
}
