//! Moves of slots within and between the arrays of nodes.

/// Makes room at `at` in an array of which `len` slots are used.
#[inline]
pub(super) fn open<T: Copy>(slots: &mut [T], len: usize, at: usize, value: T) {
    slots.copy_within(at..len, at + 1);
    slots[at] = value;
}

/// Closes the slot at `at` in an array of which `len` slots are used.
#[inline]
pub(super) fn close<T: Copy>(slots: &mut [T], len: usize, at: usize) {
    slots.copy_within(at + 1..len, at);
}

/// A pair of neighbouring arrays with the number of slots that are used in each.
pub(super) struct Pair<'a, T> {
    left: &'a mut [T],
    left_len: usize,
    right: &'a mut [T],
    right_len: usize,
}

impl<'a, T> Pair<'a, T> {
    /// The pair of `left` and `right`, which follows it.
    pub(super) fn new(
        left: &'a mut [T],
        left_len: usize,
        right: &'a mut [T],
        right_len: usize,
    ) -> Self {
        Self {
            left,
            left_len,
            right,
            right_len,
        }
    }

    /// Moves the last `count` slots of the left array before those of the right one.
    pub(super) fn move_right(self, count: usize) {
        self.right[..self.right_len + count].rotate_right(count);
        let moved = &mut self.left[self.left_len - count..self.left_len];
        self.right[..count].swap_with_slice(moved);
    }

    /// Moves the first `count` slots of the right array behind those of the left one.
    pub(super) fn move_left(self, count: usize) {
        let room = &mut self.left[self.left_len..self.left_len + count];
        self.right[..count].swap_with_slice(room);
        self.right[..self.right_len].rotate_left(count);
    }
}
