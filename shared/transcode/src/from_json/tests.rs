use crate::{
    Fault, Options,
    testing::{PLANS, id, json, oracle, wire},
};

/// What a JSON text becomes, as the JSON of what the oracle reads from the bytes.
fn through(name: &str, text: &str) -> String {
    let wire = wire(name, text);
    serde_json::to_string(&oracle(id(name), &wire)).expect("a JSON form")
}

fn fault(name: &str, text: &str) -> (String, Fault) {
    let mut out = vec![42];
    let error = PLANS
        .to_wire(id(name), text.as_bytes(), &mut out)
        .expect_err(text);
    assert_eq!(out, [42], "an error leaves what was there");
    assert!(!error.detail.is_empty() && error.offset <= text.len());
    (error.path, error.fault)
}

#[test]
fn both_names_of_a_field_are_known() {
    let expected = r#"{"fInt32":5,"@na\"me":"x"}"#;
    assert_eq!(through("Everything", expected), expected);
    assert_eq!(
        through("Everything", r#"{"f_int32":5,"renamed":"x"}"#),
        expected
    );
}

#[test]
fn every_spelling_of_a_number_is_read() {
    for (text, expected) in [
        (r#"{"fInt32":1e3}"#, r#"{"fInt32":1000}"#),
        (r#"{"fInt32":"-1.0"}"#, r#"{"fInt32":-1}"#),
        (
            r#"{"fInt64":-9223372036854775808}"#,
            r#"{"fInt64":"-9223372036854775808"}"#,
        ),
        (
            r#"{"fUint64":"18446744073709551615"}"#,
            r#"{"fUint64":"18446744073709551615"}"#,
        ),
        (
            r#"{"fSint32":-2147483648,"fSint64":"-1"}"#,
            r#"{"fSint32":-2147483648,"fSint64":"-1"}"#,
        ),
        (
            r#"{"fFixed32":4294967295,"fFixed64":1}"#,
            r#"{"fFixed32":4294967295,"fFixed64":"1"}"#,
        ),
        (
            r#"{"fSfixed32":-1,"fSfixed64":-1}"#,
            r#"{"fSfixed32":-1,"fSfixed64":"-1"}"#,
        ),
        (
            r#"{"fDouble":"1.5","fFloat":"-Infinity"}"#,
            r#"{"fDouble":1.5,"fFloat":"-Infinity"}"#,
        ),
        (
            r#"{"fDouble":"NaN","fFloat":3.4028235e38}"#,
            r#"{"fDouble":"NaN","fFloat":3.4028235e+38}"#,
        ),
    ] {
        assert_eq!(through("Everything", text), expected);
    }
}

#[test]
fn bytes_come_in_either_alphabet_padded_or_not() {
    for text in ["+/8=", "-_8=", "+/8", "-_8"] {
        let wire = wire("Everything", &format!(r#"{{"fBytes":"{text}"}}"#));
        assert_eq!(json("Everything", &wire), r#"{"fBytes":"+/8="}"#, "{text}");
    }
    assert_eq!(
        json("Everything", &wire("Everything", r#"{"oBytes":""}"#)),
        r#"{"oBytes":""}"#
    );
}

#[test]
fn enums_come_by_name_alias_or_number() {
    for (value, expected) in [
        ("\"GREEN\"", "\"GREEN\""),
        ("\"CRIMSON\"", "\"RED\""),
        ("1", "\"RED\""),
        ("-1.0", "\"INFRARED\""),
        ("77", "77"),
    ] {
        let wire = wire("Everything", &format!(r#"{{"fColor":{value}}}"#));
        assert_eq!(
            json("Everything", &wire),
            format!(r#"{{"fColor":{expected}}}"#)
        );
    }
}

#[test]
fn null_is_absence_except_where_it_is_a_value() {
    let text = r#"{"fInt32":null,"fMessage":null,"rInt32":null,"mString":null,"wInt32":null,
        "timestamp":null,"oInt64":null,"rValue":null}"#;
    assert!(wire("Everything", text).is_empty());
    let wire = wire(
        "Everything",
        r#"{"value":null,"rValue":[null],"mValue":{"a":null},"null":null}"#,
    );
    assert_eq!(
        json("Everything", &wire),
        r#"{"value":null,"rValue":[null],"mValue":{"a":null}}"#,
        "`null` of NullValue is the default of its field"
    );
    let chosen = crate::testing::wire("Everything", r#"{"cInt64":null,"cNull":null}"#);
    assert_eq!(json("Everything", &chosen), r#"{"cNull":null}"#);
}

#[test]
fn defaults_of_fields_with_presence_are_kept() {
    let text = r#"{"oDouble":0,"oInt64":"0","oBool":false,"oString":"","oColor":"COLOR_UNSPECIFIED","oMessage":{}}"#;
    assert_eq!(json("Everything", &wire("Everything", text)), text);
}

#[test]
fn maps_of_every_key_kind_are_read() {
    let text = r#"{"mInt32":{"-1":"a"},"mInt64":{"-9223372036854775808":"b"},"mUint32":{"4294967295":"c"},"mUint64":{"18446744073709551615":"d"},"mSint32":{"-2":"e"},"mSint64":{"-3":"f"},"mFixed32":{"1":"g"},"mFixed64":{"2":"h"},"mSfixed32":{"-4":"i"},"mSfixed64":{"-5":"j"},"mBool":{"true":1.5},"mString":{"":"k"},"mBytes":{"l":"AA=="},"mColor":{"m":"RED"},"mMessage":{"n":{"name":"o"}}}"#;
    let wire = wire("Everything", text);
    assert_eq!(json("Everything", &wire), text);
    assert_eq!(
        serde_json::to_string(&oracle(id("Everything"), &wire)).expect("JSON"),
        text
    );
}

#[test]
fn well_known_types_have_their_own_forms() {
    let text = r#"{"timestamp":"2030-01-31T12:00:00.500Z","duration":"-1.500s","mask":"a,fooBar.bazQux","struct":{"a":[1,"b",{"c":null}]},"value":{"d":true},"list":[null,false,{}],"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"},"empty":{},"wDouble":0.5,"wFloat":1,"wInt64":"-1","wUint64":"1","wInt32":0,"wUint32":1,"wBool":false,"wString":"","wBytes":"AA=="}"#;
    let wire = wire("Everything", text);
    assert_eq!(json("Everything", &wire), text);
    assert_eq!(
        serde_json::to_value(oracle(id("Everything"), &wire)).expect("JSON")["any"],
        serde_json::json!({"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"})
    );
}

#[test]
fn the_type_of_an_any_may_stand_anywhere() {
    for text in [
        r#"{"any":{"@type":"x/test.Inner","name":"a","inner":{"count":1}}}"#,
        r#"{"any":{"name":"a","inner":{"count":1},"@type":"x/test.Inner"}}"#,
    ] {
        let wire = wire("Everything", text);
        assert_eq!(
            json("Everything", &wire),
            r#"{"any":{"@type":"x/test.Inner","name":"a","inner":{"count":1}}}"#
        );
    }
    for text in [
        r#"{"any":{}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Empty","value":{}}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Any","value":{"@type":"x/google.protobuf.Int32Value","value":5}}}"#,
    ] {
        assert_eq!(json("Everything", &wire("Everything", text)), text);
    }
    assert_eq!(
        json(
            "Everything",
            &wire(
                "Everything",
                r#"{"any":{"@type":"x/google.protobuf.Empty"}}"#
            )
        ),
        r#"{"any":{"@type":"x/google.protobuf.Empty","value":{}}}"#
    );
}

#[test]
fn groups_and_extensions_are_read() {
    let text = r#"{"plain":0,"unpacked":[1,300],"packed":[1,300],"closed":"TWO","group":{"name":"g","inner":{"left":"x"},"list":[1]},"groups":[{"number":1},{}],"[test.note]":"n","[test.numbers]":[1,2]}"#;
    let wire = wire("Legacy", text);
    assert_eq!(json("Legacy", &wire), text);
    assert_eq!(
        serde_json::to_string(&oracle(id("Legacy"), &wire)).expect("JSON"),
        text
    );
}

/// What is refused, where, and as what.
const FAULTS: &[(&str, &str, Fault)] = &[
    ("", "", Fault::Syntax),
    ("{", "", Fault::Syntax),
    ("{}x", "", Fault::Syntax),
    ("[]", "", Fault::Type),
    ("null", "", Fault::Type),
    ("\"\u{1}\"", "", Fault::Syntax),
    (r#"{"nope":1}"#, "nope", Fault::UnknownField),
    (
        r#"{"fMessage":{"rMessage":[{},{"nope":1}]}}"#,
        "fMessage.rMessage[1].nope",
        Fault::UnknownField,
    ),
    (r#"{"fInt32":1,"f_int32":2}"#, "f_int32", Fault::Duplicate),
    (
        r#"{"fInt32":null,"fInt32":null}"#,
        "fInt32",
        Fault::Duplicate,
    ),
    (
        r#"{"mMessage":{"a b":{"count":"x"}}}"#,
        r#"mMessage["a b"].count"#,
        Fault::Value,
    ),
    (
        r#"{"mInt32":{"1":"a","1.0":"b"}}"#,
        r#"mInt32["1.0"]"#,
        Fault::Duplicate,
    ),
    (r#"{"mInt32":{"x":"a"}}"#, r#"mInt32["x"]"#, Fault::Value),
    (
        r#"{"mInt32":{"9999999999":"a"}}"#,
        r#"mInt32["9999999999"]"#,
        Fault::Range,
    ),
    (r#"{"mBool":{"yes":1}}"#, r#"mBool["yes"]"#, Fault::Value),
    (r#"{"mString":{"a":null}}"#, r#"mString["a"]"#, Fault::Type),
    (r#"{"cInt64":1,"cString":"a"}"#, "cString", Fault::Oneof),
    (r#"{"fInt32":"x"}"#, "fInt32", Fault::Value),
    (r#"{"fInt32":" 1"}"#, "fInt32", Fault::Value),
    (r#"{"fInt32":1.5}"#, "fInt32", Fault::Value),
    (r#"{"fInt32":2147483648}"#, "fInt32", Fault::Range),
    (r#"{"fUint32":-1}"#, "fUint32", Fault::Range),
    (r#"{"fInt32":true}"#, "fInt32", Fault::Type),
    (r#"{"fInt32":01}"#, "", Fault::Syntax),
    (r#"{"fInt32":tru}"#, "fInt32", Fault::Syntax),
    (r#"{"fFloat":1e39}"#, "fFloat", Fault::Range),
    (r#"{"fDouble":-1e309}"#, "fDouble", Fault::Range),
    (r#"{"fDouble":"nan"}"#, "fDouble", Fault::Value),
    (r#"{"fBool":"true"}"#, "fBool", Fault::Type),
    (r#"{"fBool":1}"#, "fBool", Fault::Type),
    (r#"{"fString":1}"#, "fString", Fault::Type),
    (r#"{"fString":"\ud800"}"#, "fString", Fault::Encoding),
    (r#"{"fBytes":"A"}"#, "fBytes", Fault::Value),
    (r#"{"fBytes":"+_8="}"#, "fBytes", Fault::Value),
    (r#"{"fBytes":"AA==AA=="}"#, "fBytes", Fault::Value),
    (r#"{"fColor":"BLUE"}"#, "fColor", Fault::Value),
    (r#"{"fColor":2147483648}"#, "fColor", Fault::Range),
    (r#"{"rString":["a",null]}"#, "rString[1]", Fault::Type),
    (r#"{"rString":{}}"#, "rString", Fault::Type),
    (r#"{"rString":["a",]}"#, "rString[1]", Fault::Syntax),
    (r#"{"rWrapper":[null]}"#, "rWrapper[0]", Fault::Type),
    (r#"{"fMessage":[]}"#, "fMessage", Fault::Type),
    (r#"{"mString":[]}"#, "mString", Fault::Type),
    (r#"{"timestamp":"yesterday"}"#, "timestamp", Fault::Value),
    (r#"{"timestamp":5}"#, "timestamp", Fault::Type),
    (
        r#"{"rTimestamp":["1970-01-01T00:00:00Z","x"]}"#,
        "rTimestamp[1]",
        Fault::Value,
    ),
    (r#"{"duration":"1"}"#, "duration", Fault::Value),
    (r#"{"mask":"foo_bar"}"#, "mask", Fault::Value),
    (r#"{"mask":"a,,b"}"#, "mask", Fault::Value),
    (
        r#"{"struct":{"a":1,"a":2}}"#,
        r#"struct["a"]"#,
        Fault::Duplicate,
    ),
    (r#"{"value":1e999}"#, "value", Fault::Range),
    (r#"{"list":{}}"#, "list", Fault::Type),
    (r#"{"wInt32":"x"}"#, "wInt32", Fault::Value),
    (r#"{"any":{"a":1}}"#, "any.@type", Fault::Value),
    (r#"{"any":{"@type":"nope"}}"#, "any.@type", Fault::Value),
    (r#"{"any":{"@type":"x/nope"}}"#, "any.@type", Fault::Value),
    (r#"{"any":{"@type":1}}"#, "any.@type", Fault::Type),
    (
        r#"{"any":{"@type":"x/test.Inner","@type":"x/test.Inner"}}"#,
        "any.@type",
        Fault::Duplicate,
    ),
    (
        r#"{"any":{"@type":"x/test.Inner","count":"a"}}"#,
        "any.count",
        Fault::Value,
    ),
    (
        r#"{"any":{"@type":"x/google.protobuf.Duration"}}"#,
        "any.value",
        Fault::Value,
    ),
    (
        r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","a":1}}"#,
        "any.a",
        Fault::UnknownField,
    ),
];

#[test]
fn faults_name_the_member() {
    for &(text, path, expected) in FAULTS {
        assert_eq!(
            fault("Everything", text),
            (path.to_owned(), expected),
            "{text}"
        );
    }
    assert_eq!(
        fault("Legacy", r#"{"closed":3}"#),
        ("closed".to_owned(), Fault::Value)
    );
}

#[test]
fn what_is_not_utf_8_is_refused() {
    let error = PLANS
        .to_wire(id("Everything"), b"{\"fString\":\"\xff\"}", &mut Vec::new())
        .expect_err("not UTF-8");
    assert_eq!((error.fault, error.offset), (Fault::Encoding, 12));
}

#[test]
fn depth_is_bounded_for_every_way_down() {
    for (open, close, path) in [
        (r#"{"fMessage":"#, "}", "fMessage"),
        (r#"{"rMessage":["#, "]}", "rMessage"),
        (r#"{"nope":"#, "}", "nope"),
    ] {
        let text = |levels: usize| {
            let open: String = open.repeat(levels);
            format!("{open}{{}}{}", close.repeat(levels))
        };
        let options = Options {
            ignore_unknown: path == "nope",
        };
        let read = |levels| {
            PLANS.to_wire_with(
                id("Everything"),
                text(levels).as_bytes(),
                options,
                &mut Vec::new(),
            )
        };
        assert_eq!(read(40), Ok(()), "{path}");
        assert_eq!(
            read(101).expect_err("too deep").fault,
            Fault::Depth,
            "{path}"
        );
    }
    for bracket in [["[", "]"], [r#"{"a":"#, "}"]] {
        let text = format!(
            "{{\"value\":{}1{}}}",
            bracket[0].repeat(5_000),
            bracket[1].repeat(5_000)
        );
        assert_eq!(fault("Everything", &text).1, Fault::Depth);
    }
    let any = r#"{"@type":"x/google.protobuf.Any","value":"#;
    let text = format!("{{\"any\":{}{{}}{}}}", any.repeat(5_000), "}".repeat(5_000));
    assert_eq!(fault("Everything", &text).1, Fault::Depth);
}

#[test]
fn unknown_things_can_be_ignored() {
    let text = r#"{"nope":[{"a":1}],"fColor":"BLUE","rColor":["RED","BLUE"],"mColor":{"a":"BLUE","b":"RED"},"fInt32":1}"#;
    let mut out = Vec::new();
    let options = Options {
        ignore_unknown: true,
    };
    PLANS
        .to_wire_with(id("Everything"), text.as_bytes(), options, &mut out)
        .expect("unknown things are ignored");
    assert_eq!(
        json("Everything", &out),
        r#"{"rColor":["RED"],"mColor":{"b":"RED"},"fInt32":1}"#
    );
}

#[test]
fn masks_name_every_member_that_is_given() {
    let mask = |text: &str| PLANS.json_mask(id("Book"), text.as_bytes()).expect("valid");
    assert_eq!(
        mask(
            r#"{"displayTitle":"a","author":{"name":"b","inner":{"count":1}},"tags":[],
            "publishedAt":null,"labels":{"a":"b"},"createdBy":"me","etag":"e"}"#
        ),
        [
            "display_title",
            "author.name",
            "author.inner.count",
            "tags",
            "published_at",
            "labels",
            "etag"
        ]
    );
    assert_eq!(mask(r#"{"author":{}}"#), ["author"]);
    assert_eq!(mask("{}"), [""; 0]);
}

#[test]
fn a_mask_does_not_outgrow_its_body() {
    let book = |depth: usize| {
        let (open, close) = (r#"{"inner":"#.repeat(depth), "}".repeat(depth));
        let tags = r#""tags":[],"name":"a","count":1"#;
        format!(r#"{{"author":{open}{{{tags}}}{close}}}"#)
    };
    let mask = |text: &str| PLANS.json_mask(id("Book"), text.as_bytes());
    assert_eq!(mask(&book(50)).expect("short enough").len(), 3);
    // Two to the power of 14 leaves, each with 14 names above it.
    let tree = (0..14).fold(r#"{"count":1}"#.to_owned(), |tree, _| {
        format!(r#"{{"inner":{tree},"right":{tree}}}"#)
    });
    let refused = mask(&format!(r#"{{"author":{tree}}}"#)).expect_err("too long");
    assert_eq!(refused.fault, Fault::Range);
}
