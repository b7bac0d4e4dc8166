//! Statements of few shapes.
//!
//! A connection prepares each text that it is given, and remembers a hundred of them, on both sides. A list of
//! any length in a statement makes a text for each length, with a place for every value: megabytes that are used
//! once. With lengths that are powers of two up to 128 there are eight such texts where there were five hundred.

use std::iter;

/// The longest piece, as a power of two: every connection keeps the texts of all lengths.
const LONGEST: u32 = 7;

/// A list in pieces whose lengths are powers of two up to 128, the longest first: one statement for each.
pub fn pieces<T>(mut list: &[T]) -> impl Iterator<Item = &[T]> {
    iter::from_fn(move || {
        let length = 1 << list.len().checked_ilog2()?.min(LONGEST);
        let (piece, rest) = list.split_at(length);
        list = rest;
        Some(piece)
    })
}

/// The values of `IN (…)`, the last one again and again until their number is a power of two.
pub fn filled<T: Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_list_in_its_order() {
        let list: Vec<u32> = (0..500).collect();
        let lengths: Vec<usize> = pieces(&list).map(<[_]>::len).collect();
        assert_eq!(lengths, [128, 128, 128, 64, 32, 16, 4]);
        assert_eq!(pieces(&list).flatten().count(), 500);
        assert!(pieces(&list).flatten().eq(&list));
        assert_eq!(pieces::<u32>(&[]).count(), 0);
        assert_eq!(pieces(&[7]).collect::<Vec<_>>(), [[7]]);
    }

    #[test]
    fn what_is_filled_holds_the_same_values() {
        assert_eq!(filled([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5, 5, 5, 5]);
        assert_eq!(filled([1]), [1]);
        assert!(filled(Vec::<u8>::new()).is_empty());
    }
}
