//! Small address spaces for tests, in an ASCII notation.
//!
//! A layout is one character a page: `.` is unmapped, equal letters are one VMA, as in `PPP..NN`.
//! Page 0 is at [`BASE`]. Offsets equal page numbers unless an attribute says otherwise. A list of
//! attributes follows, `VMA:attribute,…` separated by blanks:
//!
//! | attribute | |
//! |--|--|
//! | `D`, `E` | has this anon_vma, with a singular chain |
//! | `fork` | has an anon_vma and a chain of two links |
//! | `close` | has a close hook |
//! | `gu` and other mnemonics | has this flag too |
//! | `-wr` | has not this flag |
//! | `@n` | its offset is page n |
//! | `f`, `g` | maps this file |
//! | `pol`, `uffd`, `name` | has a policy, a userfaultfd, a name |

mod script;
mod world;

pub(crate) use script::range;
pub(crate) use world::{Attr, BASE, World, page_range};
