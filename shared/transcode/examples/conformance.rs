//! The testee of the official protobuf conformance suite, for everything that has JSON in or out.
//!
//! `conformance/run` builds it, gives it the descriptors of the test messages and starts the runner.

use std::io::{self, Read as _, Write as _};

use portico_transcode::{Options, Plans, WireError, WireFault, pool};
use prost::Message as _;

/// `conformance.ConformanceRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(oneof = "Payload", tags = "1, 2, 7, 8")]
    payload: Option<Payload>,
    #[prost(int32, tag = "3")]
    requested_output_format: i32,
    #[prost(string, tag = "4")]
    message_type: String,
    #[prost(int32, tag = "5")]
    test_category: i32,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Payload {
    #[prost(bytes, tag = "1")]
    Protobuf(Vec<u8>),
    /// A string in the suite's own file; here it may hold what is not UTF-8.
    #[prost(bytes, tag = "2")]
    Json(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Jspb(Vec<u8>),
    #[prost(bytes, tag = "8")]
    Text(Vec<u8>),
}

const PROTOBUF: i32 = 1;
const JSON: i32 = 2;
const JSON_IGNORE_UNKNOWN: i32 = 3;

/// `conformance.ConformanceResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(oneof = "Outcome", tags = "1, 3, 4, 5, 6")]
    outcome: Option<Outcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Outcome {
    #[prost(string, tag = "1")]
    ParseError(String),
    #[prost(bytes, tag = "3")]
    Protobuf(Vec<u8>),
    #[prost(bytes, tag = "4")]
    Json(Vec<u8>),
    #[prost(string, tag = "5")]
    Skipped(String),
    #[prost(string, tag = "6")]
    SerializeError(String),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = std::env::args()
        .nth(1)
        .ok_or("usage: conformance DESCRIPTOR_SET")?;
    let plans = Plans::compile(&pool(&std::fs::read(descriptors)?)?);
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut request = vec![0; usize::try_from(u32::from_le_bytes(length))?];
        input.read_exact(&mut request)?;
        let outcome = Some(test(&plans, &Request::decode(&*request)?));
        let response = Response { outcome }.encode_to_vec();
        output.write_all(&u32::try_from(response.len())?.to_le_bytes())?;
        output.write_all(&response)?;
        output.flush()?;
    }
    Ok(())
}

fn test(plans: &Plans, request: &Request) -> Outcome {
    if request.message_type == "conformance.FailureSet" {
        return Outcome::Protobuf(Vec::new());
    }
    let Some(id) = plans.message(&request.message_type) else {
        return Outcome::Skipped(format!("{} is not known", request.message_type));
    };
    let options = Options {
        ignore_unknown: request.test_category == JSON_IGNORE_UNKNOWN,
    };
    let mut wire = Vec::new();
    match (&request.payload, request.requested_output_format) {
        (Some(Payload::Protobuf(_)), PROTOBUF) => {
            return Outcome::Skipped("no JSON on either side".to_owned());
        }
        (Some(Payload::Protobuf(bytes)), JSON) => wire.clone_from(bytes),
        (Some(Payload::Json(json)), PROTOBUF | JSON) => {
            if let Err(error) = plans.to_wire_with(id, json, options, &mut wire) {
                return Outcome::ParseError(error.to_string());
            }
        }
        _ => return Outcome::Skipped("text format and JSPB are not spoken here".to_owned()),
    }
    if request.requested_output_format == PROTOBUF {
        return Outcome::Protobuf(wire);
    }
    let mut json = Vec::new();
    match plans.to_json(id, &wire, &mut json) {
        Ok(()) => Outcome::Json(json),
        Err(WireError {
            fault: WireFault::Unrepresentable(_) | WireFault::UnknownType(_),
            path,
        }) => Outcome::SerializeError(path),
        Err(error) => Outcome::ParseError(error.to_string()),
    }
}
