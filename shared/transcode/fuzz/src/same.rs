//! When two JSON values mean the same.

use serde_json::Value;

/// Equality, with `1` equal to `1.0`, and apart from the last digit of doubles: `serde_json` reads it
/// wrong at times. That ours is right shows when it is read back.
pub fn same(a: &Value, b: &Value) -> bool {
    same_apart_from(a, b, |_| false)
}

/// The same, where `b` may lack members whose value in `a` may be missing.
pub fn same_apart_from(a: &Value, b: &Value, may_miss: fn(&Value) -> bool) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-15,
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| same_apart_from(a, b, may_miss))
        }
        (Value::Object(a), Value::Object(b)) => {
            b.keys().all(|name| a.contains_key(name))
                && a.iter().all(|(name, a)| match b.get(name) {
                    Some(b) => same_apart_from(a, b, may_miss),
                    None => may_miss(a),
                })
        }
        _ => a == b,
    }
}
