//! The same message on the wire in other orders, pieces and packings.

use super::make::Entropy;
use crate::{
    MessageId,
    plan::{FieldPlan, Kind, Label},
    testing::PLANS,
    wire::{self, Value},
};

/// Shuffles the fields, and inside of each message field too; splits messages and packed lists, packs
/// and unpacks, repeats scalars, and strews in unknown fields.
pub(super) fn message(
    id: MessageId,
    bytes: &[u8],
    entropy: &mut Entropy<'_>,
    depth: u32,
) -> Vec<u8> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for field in wire::fields(bytes) {
        let (number, value) = field.expect("well-formed");
        let plan = PLANS.get(id);
        match plan.index_of(number, 0) {
            Some(index) => one(&plan.fields[index], value, entropy, depth, &mut pieces),
            None => pieces.push(made(number, value)),
        }
    }
    if entropy.byte() % 4 == 1 {
        pieces.push(made(19_000, Value::Group(&[0x08, 0x05])));
    }
    let mut out = Vec::new();
    while !pieces.is_empty() {
        let next = match entropy.byte() % 3 {
            0 => 0,
            _ => entropy.below(pieces.len()),
        };
        out.extend(pieces.remove(next));
    }
    out
}

fn one(
    field: &FieldPlan,
    value: Value<'_>,
    entropy: &mut Entropy<'_>,
    depth: u32,
    pieces: &mut Vec<Vec<u8>>,
) {
    let number = field.number;
    match (field.label, field.kind, value) {
        (Label::Singular, Kind::Message(id), Value::Bytes(inner)) if depth < 4 => {
            let inner = message(id, inner, entropy, depth + 1);
            for part in halves(&inner, entropy) {
                pieces.push(made(number, Value::Bytes(part)));
            }
        }
        (Label::Singular, Kind::Group(id), Value::Group(inner)) if depth < 4 => {
            let inner = message(id, inner, entropy, depth + 1);
            for part in halves(&inner, entropy) {
                pieces.push(made(number, Value::Group(part)));
            }
        }
        (Label::Repeated { .. } | Label::Map, Kind::Message(id), Value::Bytes(inner))
            if depth < 4 =>
        {
            let inner = message(id, inner, entropy, depth + 1);
            pieces.push(made(number, Value::Bytes(&inner)));
        }
        (Label::Repeated { .. }, kind, Value::Varint(one)) if entropy.byte() % 2 == 1 => {
            let mut packed = Vec::new();
            wire::put_varint(one, &mut packed);
            assert!(kind.is_packable());
            pieces.push(made(number, Value::Bytes(&packed)));
        }
        (Label::Repeated { .. }, kind, Value::Bytes(mut packed))
            if kind.wire_type() == wire::VARINT && entropy.byte() % 2 == 1 =>
        {
            while !packed.is_empty() {
                let length = packed.iter().take_while(|b| **b >= 0x80).count() + 1;
                let mut piece = Vec::new();
                wire::put_tag(number, wire::VARINT, &mut piece);
                piece.extend_from_slice(&packed[..length]);
                pieces.push(piece);
                packed = &packed[length..];
            }
        }
        (Label::Singular, _, value) if entropy.byte() % 4 == 1 => {
            pieces.push(made(number, value));
            pieces.push(made(number, value));
        }
        _ => pieces.push(made(number, value)),
    }
}

fn made(number: u32, value: Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    wire::put(number, value, &mut out);
    out
}

/// A message in one or two parts, split between two of its fields.
fn halves<'b>(bytes: &'b [u8], entropy: &mut Entropy<'_>) -> Vec<&'b [u8]> {
    let mut ends = vec![0];
    for field in wire::fields(bytes) {
        let (number, value) = field.expect("well-formed");
        ends.push(ends[ends.len() - 1] + made(number, value).len());
    }
    // Only a canonical encoding has the lengths that writing it again has.
    if entropy.byte().is_multiple_of(2) || ends.last() != Some(&bytes.len()) {
        return vec![bytes];
    }
    let (first, second) = bytes.split_at(ends[entropy.below(ends.len())]);
    vec![first, second]
}
