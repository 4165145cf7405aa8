//! The arrays of nodes. Stores to them are atomic, as readers without a lock may be looking; who
//! holds the store reads them plainly, since comparing many slots at once needs plain loads.
//!
//! Slots of 32 bits are stored in pairs, so that moving them takes half as many stores.

use sim_sync::prim::atomic::{AtomicU64, Ordering::Relaxed};

/// An array of slots that may be looked at while it changes.
pub(super) trait Slots {
    /// What a slot holds.
    type Value: Copy;

    /// The value in a slot, by an atomic load.
    fn get(&self, slot: usize) -> Self::Value;

    /// Sets a slot. Only through a [`NodeMut`](super::arena::NodeMut).
    fn set(&self, slot: usize, value: Self::Value);

    /// Makes room at `at` in an array of which `len` slots are used.
    #[inline]
    fn open(&self, len: usize, at: usize, value: Self::Value) {
        for slot in (at..len).rev() {
            self.set(slot + 1, self.get(slot));
        }
        self.set(at, value);
    }

    /// Closes the slot at `at` in an array of which `len` slots are used; the last one of them
    /// becomes `unused`.
    #[inline]
    fn close(&self, len: usize, at: usize, unused: Self::Value) {
        for slot in at + 1..len {
            self.set(slot - 1, self.get(slot));
        }
        self.set(len - 1, unused);
    }

    /// Moves the last `count` of `len` slots before the `next_len` ones of the following node.
    fn give_to(&self, len: usize, next: (&Self, usize), count: usize, unused: Self::Value) {
        let (next, next_len) = next;
        for slot in (0..next_len).rev() {
            next.set(slot + count, next.get(slot));
        }
        for slot in 0..count {
            next.set(slot, self.get(len - count + slot));
            self.set(len - count + slot, unused);
        }
    }

    /// Moves the first `count` of the `next_len` slots of the following node behind the `len` ones
    /// of this node.
    fn take_from(&self, len: usize, next: (&Self, usize), count: usize, unused: Self::Value) {
        let (next, next_len) = next;
        for slot in 0..count {
            self.set(len + slot, next.get(slot));
        }
        for slot in count..next_len {
            next.set(slot - count, next.get(slot));
        }
        for slot in next_len - count..next_len {
            next.set(slot, unused);
        }
    }
}

/// A value of 32 bits.
pub(super) trait Half: Copy {
    /// As a number.
    fn to_bits(self) -> u32;
    /// From one.
    fn from_bits(bits: u32) -> Self;
}

impl Half for u32 {
    #[inline]
    fn to_bits(self) -> u32 {
        self
    }
    #[inline]
    fn from_bits(bits: u32) -> Self {
        bits
    }
}

impl Half for i32 {
    #[inline]
    fn to_bits(self) -> u32 {
        self.cast_unsigned()
    }
    #[inline]
    fn from_bits(bits: u32) -> Self {
        bits.cast_signed()
    }
}

/// `N` slots of 64 bits.
#[derive(Debug)]
pub(super) struct Wholes<const N: usize>([AtomicU64; N]);

impl<const N: usize> Wholes<N> {
    /// All slots alike.
    pub(super) fn filled(value: u64) -> Self {
        Self([const { AtomicU64::new(0) }; N].map(|_| AtomicU64::new(value)))
    }

    /// The slots, to be read plainly.
    ///
    /// # Safety
    /// Nobody changes them while the result lives.
    #[expect(unsafe_code, reason = "comparing many slots at once needs plain loads")]
    #[inline]
    pub(super) unsafe fn plain(&self) -> &[u64; N] {
        const { assert!(size_of::<AtomicU64>() == size_of::<u64>(), "plain atomics") };
        // SAFETY: `AtomicU64` has the size, alignment (this array's is no smaller) and bit validity
        // of `u64`; that nothing is stored meanwhile is the caller's to see to.
        unsafe { &*(&raw const self.0).cast() }
    }
}

impl<const N: usize> Slots for Wholes<N> {
    type Value = u64;

    #[inline]
    fn get(&self, slot: usize) -> u64 {
        self.0[slot].load(Relaxed)
    }

    #[inline]
    fn set(&self, slot: usize, value: u64) {
        self.0[slot].store(value, Relaxed);
    }
}

/// `N` slots of 32 bits, in `W` pairs.
#[derive(Debug)]
pub(super) struct Halves<T, const N: usize, const W: usize> {
    pairs: [AtomicU64; W],
    of: std::marker::PhantomData<T>,
}

/// The two slots in a pair, in the order that they have in memory.
#[inline]
fn unpack<T: Half>(pair: u64) -> [T; 2] {
    let slots = [pair as u32, (pair >> 32) as u32].map(T::from_bits);
    in_memory_order(slots)
}

#[inline]
fn pack<T: Half>(slots: [T; 2]) -> u64 {
    let [lower, upper] = in_memory_order(slots).map(T::to_bits);
    u64::from(lower) | u64::from(upper) << 32
}

/// Where a slot is in its pair.
#[inline]
fn shift_of(slot: usize) -> u32 {
    let is_upper = (slot % 2 == 1) != cfg!(target_endian = "big");
    32 * u32::from(is_upper)
}

/// Exchanges lower and upper half on machines that store the upper one first.
#[inline]
fn in_memory_order<T: Half>([lower, upper]: [T; 2]) -> [T; 2] {
    if cfg!(target_endian = "big") {
        [upper, lower]
    } else {
        [lower, upper]
    }
}

impl<T: Half, const N: usize, const W: usize> Halves<T, N, W> {
    /// All slots alike.
    pub(super) fn filled(value: T) -> Self {
        const { assert!(N == W * 2, "pairs") };
        let value = pack([value; 2]);
        Self {
            pairs: [const { AtomicU64::new(0) }; W].map(|_| AtomicU64::new(value)),
            of: std::marker::PhantomData,
        }
    }

    /// Sets all slots.
    pub(super) fn fill(&self, value: T) {
        for pair in 0..W {
            self.set_pair(pair, [value; 2]);
        }
    }

    /// As one of several [`Rows`].
    #[inline]
    pub(super) fn row(&self) -> &[AtomicU64; W] {
        &self.pairs
    }

    /// Two slots at once, by an atomic load.
    #[inline]
    pub(super) fn pair(&self, pair: usize) -> [T; 2] {
        unpack(self.pairs[pair].load(Relaxed))
    }

    #[inline]
    fn set_pair(&self, pair: usize, slots: [T; 2]) {
        self.pairs[pair].store(pack(slots), Relaxed);
    }
}

impl<const N: usize, const W: usize> Halves<i32, N, W> {
    /// The slots, to be read plainly.
    ///
    /// # Safety
    /// Nobody changes them while the result lives.
    #[expect(unsafe_code, reason = "comparing many slots at once needs plain loads")]
    #[inline]
    pub(super) unsafe fn plain(&self) -> &[i32; N] {
        const { assert!(N == W * 2, "pairs") };
        const { assert!(size_of::<AtomicU64>() == size_of::<u64>(), "plain atomics") };
        // SAFETY: `W` atomics of 64 bits have the size of `N` numbers of 32 bits, their alignment
        // is no smaller, and any bits are valid; that nothing is stored meanwhile is the caller's
        // to see to.
        unsafe { &*(&raw const self.pairs).cast() }
    }
}

impl<T: Half, const N: usize, const W: usize> Slots for Halves<T, N, W> {
    type Value = T;

    #[inline]
    fn get(&self, slot: usize) -> T {
        T::from_bits((self.pairs[slot / 2].load(Relaxed) >> shift_of(slot)) as u32)
    }

    #[inline]
    fn set(&self, slot: usize, value: T) {
        let pair = &self.pairs[slot / 2];
        let others = pair.load(Relaxed) & !(u64::from(u32::MAX) << shift_of(slot));
        pair.store(
            others | u64::from(value.to_bits()) << shift_of(slot),
            Relaxed,
        );
    }
}

/// The same slots of several arrays. What is done to all of them in one loop mispredicts its end
/// once.
#[derive(Debug)]
pub(super) struct Rows<'a, const R: usize, const W: usize>(pub(super) [&'a [AtomicU64; W]; R]);

impl<const R: usize, const W: usize> Rows<'_, R, W> {
    #[inline]
    fn pair(&self, row: usize, pair: usize) -> [u32; 2] {
        unpack(self.0[row][pair].load(Relaxed))
    }

    #[inline]
    fn set_pair(&self, row: usize, pair: usize, slots: [u32; 2]) {
        self.0[row][pair].store(pack(slots), Relaxed);
    }

    /// [`Slots::open`], for all rows. Unused slots move as well, up to the end of a pair.
    #[inline]
    pub(super) fn open(&self, len: usize, at: usize, values: [u32; R]) {
        let mut first = at / 2;
        let mut carry = values;
        if at % 2 == 1 {
            for row in 0..R {
                let [stays, moves] = self.pair(row, first);
                self.set_pair(row, first, [stays, values[row]]);
                carry[row] = moves;
            }
            first += 1;
        }
        for pair in first..=(len / 2).min(W - 1) {
            for (row, carry) in carry.iter_mut().enumerate() {
                let [lower, upper] = self.pair(row, pair);
                self.set_pair(row, pair, [*carry, lower]);
                *carry = upper;
            }
        }
    }

    /// [`Slots::close`], for all rows.
    #[inline]
    pub(super) fn close(&self, len: usize, at: usize, unused: [u32; R]) {
        let (first, last) = (at / 2, (len - 1) / 2);
        let mut kept = [0; R];
        for (row, kept) in kept.iter_mut().enumerate() {
            *kept = self.pair(row, first)[usize::from(at.is_multiple_of(2))];
        }
        for pair in first..last.min(W - 1) {
            for (row, kept) in kept.iter_mut().enumerate() {
                let [lower, upper] = self.pair(row, pair + 1);
                self.set_pair(row, pair, [*kept, lower]);
                *kept = upper;
            }
        }
        for row in 0..R {
            self.set_pair(row, last, [kept[row], unused[row]]);
        }
    }
}
