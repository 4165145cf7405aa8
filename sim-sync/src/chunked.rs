//! An array that grows while threads use what is in it.

use std::fmt;
use std::sync::OnceLock;

/// Room for 2^32 elements, even if the first chunk has 32 only.
const CHUNKS: usize = 28;

/// Elements that never move: chunks of which each has twice as many as the one before, found from
/// an index by arithmetic. `FIRST` is how many the first one has, a power of two.
///
/// A chunk is made when it is first needed, and stays as long as the array does, so that who has an
/// index reads the element without a lock.
pub struct Chunked<T, const FIRST: usize> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T, const FIRST: usize> Default for Chunked<T, FIRST> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const FIRST: usize> Chunked<T, FIRST> {
    /// Without elements.
    pub const fn new() -> Self {
        const { assert!(FIRST.is_power_of_two(), "places are found by shifting") };
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// The chunk of an element, and its place there.
    #[inline]
    const fn place(index: usize) -> (usize, usize) {
        let number = index + FIRST;
        let log = number.ilog2();
        ((log - FIRST.ilog2()) as usize, number ^ (1 << log))
    }

    /// An element, if it has been made.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        let (chunk, at) = Self::place(index);
        self.chunks.get(chunk)?.get()?.get(at)
    }

    /// An element; its chunk is made by `chunk`, which is told how many it has, if that is missing.
    ///
    /// # Panics
    /// If `index` is 2^32 or more, or `chunk` makes fewer elements.
    #[inline]
    pub fn get_or_make(&self, index: usize, chunk: impl FnOnce(usize) -> Box<[T]>) -> &T {
        let (number, at) = Self::place(index);
        let chunk = self.chunks[number].get_or_init(|| chunk(FIRST << number));
        &chunk[at]
    }

    /// The same where there may be no memory for the chunk: then there is no element. Two threads
    /// that want the same chunk may both make it, and one of them in vain.
    pub fn try_make(
        &self,
        index: usize,
        chunk: impl FnOnce(usize) -> Option<Box<[T]>>,
    ) -> Option<&T> {
        let (number, _) = Self::place(index);
        if self.chunks.get(number)?.get().is_none() {
            let made = chunk(FIRST << number)?;
            return Some(self.get_or_make(index, |_| made));
        }
        self.get(index)
    }

    /// How many elements have been made.
    pub fn made(&self) -> usize {
        self.chunks
            .iter()
            .filter_map(OnceLock::get)
            .map(|chunk| chunk.len())
            .sum()
    }

    /// The index from which the next chunk goes on, if all before `index` are made.
    pub const fn chunk_end(index: usize) -> usize {
        let (chunk, _) = Self::place(index);
        (FIRST << (chunk + 1)) - FIRST
    }
}

impl<T, const FIRST: usize> fmt::Debug for Chunked<T, FIRST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunked")
            .field("made", &self.made())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_distinct_and_dense() {
        let mut want = (0, 0);
        for index in 0..1000 {
            assert_eq!(Chunked::<(), 8>::place(index), want, "element {index}");
            want.1 += 1;
            if want.1 == 8 << want.0 {
                want = (want.0 + 1, 0);
                assert_eq!(Chunked::<(), 8>::chunk_end(index), index + 1);
            }
        }
    }

    #[test]
    fn chunks_are_made_when_needed() {
        let array: Chunked<usize, 4> = Chunked::new();
        assert_eq!(array.get(0), None);
        assert_eq!(array.get_or_make(5, |len| (0..len).collect()), &1);
        assert_eq!(
            (array.get(3), array.get(4), array.made()),
            (None, Some(&0), 8)
        );
        assert_eq!(array.get(usize::MAX >> 1), None, "never made");
        assert_eq!(array.try_make(20, |_| None), None, "no memory");
        assert_eq!(array.try_make(usize::MAX >> 1, |_| None), None, "too many");
        let made = array.try_make(20, |len| Some((0..len).collect()));
        assert_eq!(made, Some(&8));
    }
}
