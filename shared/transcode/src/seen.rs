//! A set of small numbers.

/// Which fields of one message came already. Nothing is allocated while all indexes are under 64.
#[derive(Default)]
pub(crate) struct Seen {
    low: u64,
    high: Vec<u64>,
}

impl Seen {
    /// Adds an index; gives `false` when it was in the set.
    #[inline]
    pub fn insert(&mut self, index: usize) -> bool {
        let word = match index / 64 {
            0 => &mut self.low,
            word => {
                if self.high.len() < word {
                    self.high.resize(word, 0);
                }
                &mut self.high[word - 1]
            }
        };
        let bit = 1 << (index % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_new_once() {
        let mut seen = Seen::default();
        for index in [0, 63, 64, 127, 128, 1_000] {
            assert!(seen.insert(index));
            assert!(!seen.insert(index));
        }
    }
}
