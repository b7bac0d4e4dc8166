//! When two JSON values mean the same.

use serde_json::Value;

/// Equality, with `1` equal to `1.0`, and apart from the last digit of doubles: `serde_json` reads it
/// wrong at times. That ours is right shows when it is read back.
///
/// `a` is ours. The oracle takes a negative zero for the default and leaves it out; the conformance suite wants it.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-15,
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            b.keys().all(|name| a.contains_key(name))
                && a.iter().all(|(name, a)| match b.get(name) {
                    Some(b) => same(a, b),
                    None => is_negative_zero(a),
                })
        }
        _ => a == b,
    }
}

fn is_negative_zero(value: &Value) -> bool {
    let number = value.as_f64();
    number.is_some_and(|number| number == 0.0 && number.is_sign_negative())
}
