//! A table from names to numbers.

/// Finds a number by a name, without hashing what a stranger sent.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Shorter names first, so that most comparisons end at the length.
    sorted: Box<[(Box<[u8]>, u32)]>,
}

impl Names {
    /// A table of these names. The first of several equal names counts.
    pub fn new<'n>(names: impl IntoIterator<Item = (&'n str, u32)>) -> Self {
        let mut all: Vec<(Box<[u8]>, u32)> = names
            .into_iter()
            .map(|(name, number)| (name.as_bytes().into(), number))
            .collect();
        all.sort_by(|a, b| order(&a.0, &b.0));
        all.dedup_by(|later, earlier| later.0 == earlier.0);
        Self { sorted: all.into() }
    }

    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<u32> {
        let at = self.sorted.binary_search_by(|(n, _)| order(n, name)).ok()?;
        Some(self.sorted[at].1)
    }
}

#[inline]
fn order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_names_counts() {
        let names = Names::new([("b", 1), ("aa", 2), ("b", 3), ("", 4)]);
        assert_eq!(names.get(b"b"), Some(1));
        assert_eq!(names.get(b"aa"), Some(2));
        assert_eq!(names.get(b""), Some(4));
        assert_eq!(names.get(b"c"), None);
    }
}
