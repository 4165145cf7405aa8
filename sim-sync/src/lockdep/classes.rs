//! The locks there are, and what may be taken within what.

macro_rules! classes {
    ($($name:ident = ($level:literal, $nesting:ident, $text:literal),)*) => {
        /// A kind of lock.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Class {
            $(#[doc = $text] $name,)*
        }

        impl Class {
            /// All of them, outermost first.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// A lock may be taken within those of lower levels; within those of its own level as
            /// long as there is no cycle.
            pub const fn level(self) -> u8 {
                match self { $(Self::$name => $level,)* }
            }

            /// What it is, in a few words.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// May a thread have two of the kind?
            pub const fn nesting(self) -> Nesting {
                match self { $(Self::$name => Nesting::$nesting,)* }
            }
        }

        /// Each kind of lock as a type, for [`Mutex`](crate::Mutex) and [`RwLock`](crate::RwLock).
        pub mod class {
            $(
                #[doc = $text]
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl super::LockClass for $name {
                    const CLASS: super::Class = super::Class::$name;
                }
            )*
        }
    };
}

/// A type that stands for a kind of lock.
pub trait LockClass {
    /// Which.
    const CLASS: Class;
}

/// Whether a thread may have two locks of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Nesting {
    /// No.
    Never,
    /// If it only reads, and says so.
    Readers,
    /// Yes: there is an order among them.
    Ordered,
}

classes! {
    Objects = (0, Never, "pages of objects: many bring them in, or one takes them away (invalidate_lock)"),
    Processes = (0, Readers, "the table of processes"),
    Mmap = (1, Readers, "mmap_lock"),
    Vma = (2, Readers, "a VMA's lock, for reading"),
    Files = (3, Never, "the table of files"),
    File = (4, Never, "a file's size and page cache (i_rwsem, invalidate_lock, i_pages)"),
    Uffd = (4, Never, "the userfaultfd of an address space"),
    Device = (4, Never, "a device's memory"),
    Khugepaged = (4, Never, "khugepaged's list of processes"),
    AnonVmas = (4, Never, "the arena of anon_vmas"),
    PageTable = (5, Ordered, "a page table: PMD table, then PTE table; two PTE tables by number"),
    Swap = (6, Never, "the places in swap"),
    FolioCounts = (6, Never, "the counts of mappings of huge pages"),
    Lru = (6, Never, "pages that wait for reclaim's lists"),
    SmallFolios = (7, Never, "the same of the smallest large folios"),
    FrameCache = (7, Never, "a thread's free frames"),
    FreeFrames = (8, Never, "the free frames"),
    FreeTables = (8, Never, "the free page tables"),
    StoreChunks = (9, Never, "the memory of a store's nodes"),
    Events = (9, Never, "the log of events"),
    Recent = (9, Never, "the process of the last call"),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/concurrency.md shows this order.
    #[test]
    fn the_order_is_documented() {
        let text = include_str!("../../../docs/concurrency.md");
        for class in Class::ALL {
            let nesting = match class.nesting() {
                Nesting::Never => "never",
                Nesting::Readers => "for reading, said so",
                Nesting::Ordered => "in order",
            };
            let (level, what) = (class.level(), class.text());
            let row = format!("| {level} | `{class:?}` | {what} | {nesting} |");
            assert!(text.contains(&row), "no row {row}");
        }
    }

    #[test]
    fn classes_are_listed_outermost_first() {
        assert!(Class::ALL.is_sorted_by_key(|class| class.level()));
    }
}
