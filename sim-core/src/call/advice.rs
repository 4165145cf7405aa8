//! `MADV_*`.

macro_rules! advice {
    ($($(#[$meta:meta])* $variant:ident = $value:literal, $name:literal;)+) => {
        /// `MADV_*` of Linux 6.19.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Advice {
            $($(#[$meta])* $variant,)+
            /// A number that is none of them.
            Other(i32),
        }

        impl Advice {
            /// Every advice that has a name, by ascending number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in scenarios: as in the man page, lower case, without prefix.
            pub const fn name(self) -> Option<&'static str> {
                match self { $(Self::$variant => Some($name),)+ Self::Other(_) => None }
            }

            /// Its number.
            pub const fn number(self) -> i32 {
                match self { $(Self::$variant => $value,)+ Self::Other(n) => n }
            }

            /// The advice with this number.
            pub const fn from_number(number: i32) -> Self {
                match number { $($value => Self::$variant,)+ n => Self::Other(n) }
            }

            /// The advice with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|a| a.name() == Some(name))
            }
        }
    };
}

advice! {
    /// No special treatment.
    Normal = 0, "normal";
    /// Expect random access.
    Random = 1, "random";
    /// Expect sequential access.
    Sequential = 2, "sequential";
    /// Read ahead.
    Willneed = 3, "willneed";
    /// Drop the pages.
    Dontneed = 4, "dontneed";
    /// Free lazily.
    Free = 8, "free";
    /// Punch a hole in the mapped object.
    Remove = 9, "remove";
    /// Not inherited by fork.
    Dontfork = 10, "dontfork";
    /// Undoes it.
    Dofork = 11, "dofork";
    /// Same-page merging may act.
    Mergeable = 12, "mergeable";
    /// Undoes it.
    Unmergeable = 13, "unmergeable";
    /// Huge pages wanted.
    Hugepage = 14, "hugepage";
    /// Huge pages refused.
    Nohugepage = 15, "nohugepage";
    /// Left out of core dumps.
    Dontdump = 16, "dontdump";
    /// Undoes it.
    Dodump = 17, "dodump";
    /// Zero in the child of a fork.
    Wipeonfork = 18, "wipeonfork";
    /// Undoes it.
    Keeponfork = 19, "keeponfork";
    /// Deactivate.
    Cold = 20, "cold";
    /// Reclaim.
    Pageout = 21, "pageout";
    /// Fault in for reading.
    PopulateRead = 22, "populate_read";
    /// Fault in for writing.
    PopulateWrite = 23, "populate_write";
    /// Drop the pages, locked ones too.
    DontneedLocked = 24, "dontneed_locked";
    /// Collapse to huge pages.
    Collapse = 25, "collapse";
    /// Poison pages (testing).
    Hwpoison = 100, "hwpoison";
    /// Offline pages (testing).
    SoftOffline = 101, "soft_offline";
    /// Install guard markers.
    GuardInstall = 102, "guard_install";
    /// Remove guard markers.
    GuardRemove = 103, "guard_remove";
}
