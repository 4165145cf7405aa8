//! The life of a VMA as types.
//!
//! ```text
//!   Vma::new, Vma::duplicate        Mm::link_vma, split, fork        munmap, merge, exit
//!        allocated ──► [`Detached`] ────► attached: a `VmaId` ────► [`Detached`] ──► freed
//!                      an owned value     reached as &Vma           an owned value   gone
//! ```
//!
//! ```
//! use sim_core::*;
//! fn life(mm: &mut Mm, pages: &mut NoPages, range: PageRange) {
//!     let mut vma = Vma::new(range, PageOffset::new(0), VmFlags::READ, Backing::Anon);
//!     vma.insert_flags(VmFlags::MAYREAD); // nobody else sees it yet
//!     let copy = vma.duplicate(range, vma.pgoff());
//!     copy.free(mm.anon_vmas());
//!     let id = mm.link_vma(pages, vma);
//!     assert_eq!(mm.vma(id).range(), range);
//! }
//! ```
//!
//! A VMA that an [`Mm`](crate::Mm) has is only ever borrowed from it; one that no `Mm` has is a
//! [`Detached`], of which nobody makes a second. What Linux asserts (`vma_assert_attached()`,
//! `vma_assert_detached()`, 6.15) does not compile here. Attaching moves the value:
//!
//! ```compile_fail,E0382
//! use sim_core::*;
//! fn twice(mm: &mut Mm, pages: &mut NoPages, range: PageRange) {
//!     let vma = Vma::new(range, PageOffset::new(0), VmFlags::READ, Backing::Anon);
//!     mm.link_vma(pages, vma);
//!     mm.link_vma(pages, vma); // error: use of moved value
//! }
//! ```
//!
//! One that is attached cannot be attached again:
//!
//! ```compile_fail,E0308
//! use sim_core::*;
//! fn again(mm: &mut Mm, other: &Mm, pages: &mut NoPages, id: store::VmaId) {
//!     mm.link_vma(pages, other.vma(id)); // error: expected `Detached`, found `&Vma`
//! }
//! ```
//!
//! Nor can it be overwritten, as a new one is stored: nobody outside gets a `&mut` of it.
//!
//! ```compile_fail,E0624
//! use sim_core::*;
//! fn overwrite(mm: &mut Mm, mut new: Detached, id: store::VmaId) {
//!     std::mem::swap(mm.vma_mut(id), &mut new); // error: private method
//! }
//! ```
//!
//! A VMA that may be gone is not used any more:
//!
//! ```compile_fail,E0502
//! use sim_core::*;
//! fn stale(mm: &mut Mm, pages: &mut NoPages, id: store::VmaId, range: PageRange) -> VirtAddr {
//!     let vma = mm.vma(id);
//!     let _ = mm.do_munmap(pages, range);
//!     vma.start() // error: `*mm` was changed while borrowed
//! }
//! ```
//!
//! Nor is one that was freed:
//!
//! ```compile_fail,E0382
//! use sim_core::*;
//! fn freed(anon_vmas: &AnonVmas, vma: Detached) -> VirtAddr {
//!     vma.free(anon_vmas);
//!     vma.start() // error: use of moved value
//! }
//! ```
//!
//! A copy is made on purpose, of a VMA without its anon_vmas:
//!
//! ```compile_fail,E0308
//! use sim_core::*;
//! fn copy(vma: &Detached) -> Detached {
//!     vma.clone() // error: expected `Detached`, found `&Detached`: it is not `Clone`
//! }
//! ```
//!
//! What is left to assertions: a [`VmaId`](crate::store::VmaId) is a number, and the arena refuses
//! that of a VMA that is gone; the store refuses to insert over an entry and to resize or remove one
//! that is not there.

use std::ops::{Deref, DerefMut};

use crate::{AnonVmas, Vma};

/// A VMA that no address space has: new, a copy, or taken out of one.
#[derive(Debug)]
#[must_use = "a detached VMA is attached or freed"]
pub struct Detached(Vma);

impl Detached {
    /// One that was just made, or taken out of the arena.
    pub(crate) const fn new(vma: Vma) -> Self {
        Self(vma)
    }

    /// The value, on its way into the arena (`vma_mark_attached()`).
    pub(crate) fn attach(self) -> Vma {
        self.0
    }

    /// The end of its life: it leaves its anon_vmas, which may go with it (`mm/vma.c:
    /// remove_vma()`).
    pub fn free(mut self, anon_vmas: &AnonVmas) {
        anon_vmas.unlink(&mut self.0);
    }
}

impl Deref for Detached {
    type Target = Vma;

    fn deref(&self) -> &Vma {
        &self.0
    }
}

impl DerefMut for Detached {
    fn deref_mut(&mut self) -> &mut Vma {
        &mut self.0
    }
}
