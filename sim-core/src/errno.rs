//! The errors and signals that a simulated program can see. They are ordinary outcomes, not errors
//! of vmsim.

use std::fmt;
use std::str::FromStr;

macro_rules! named_numbers {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        // As wide as a value, so that every outcome moves in two registers: copies of it in pieces of
        // other sizes than those that were written a moment ago cost a tenth of a short call.
        #[repr(u64)]
        #[allow(clippy::upper_case_acronyms, reason = "Linux's names")]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)+ }

        impl $name {
            /// Every one, by ascending number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name as in Linux's headers.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// Its number on Linux (x86_64 and arm64).
            pub const fn number(self) -> i32 {
                self as i32
            }

            /// The one with this number, if it is one that mm can return.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number { $($value => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $name {
            type Err = ();
            fn from_str(name: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|e| e.name() == name).ok_or(())
            }
        }
    };
}

named_numbers! {
    /// An error number that a system call of mm can return.
    Errno {
        /// Operation not permitted (a sealed VMA, a limit of 0).
        EPERM = 1,
        /// No such file.
        ENOENT = 2,
        /// No such process.
        ESRCH = 3,
        /// Interrupted.
        EINTR = 4,
        /// Input/output error (a page that cannot be read).
        EIO = 5,
        /// Strings too long (execve).
        E2BIG = 7,
        /// Bad file descriptor.
        EBADF = 9,
        /// No child process.
        ECHILD = 10,
        /// Try again (a locking or memlock limit, busy pages).
        EAGAIN = 11,
        /// Out of memory, of map areas, or of address space; a hole in a range.
        ENOMEM = 12,
        /// Access not allowed by the mapping or its file.
        EACCES = 13,
        /// Bad address.
        EFAULT = 14,
        /// Busy.
        EBUSY = 16,
        /// Something is there already.
        EEXIST = 17,
        /// No such device: the file cannot be mapped.
        ENODEV = 19,
        /// Not a directory.
        ENOTDIR = 20,
        /// Invalid argument.
        EINVAL = 22,
        /// File table overflow.
        ENFILE = 23,
        /// Text file busy.
        ETXTBSY = 26,
        /// File too big.
        EFBIG = 27,
        /// No space left.
        ENOSPC = 28,
        /// Result out of range.
        ERANGE = 34,
        /// Call not built into this kernel.
        ENOSYS = 38,
        /// Value too large.
        EOVERFLOW = 75,
        /// Operation not supported.
        EOPNOTSUPP = 95,
        /// The page is poisoned.
        EHWPOISON = 133,
    }
}

named_numbers! {
    /// A signal that an access can raise.
    Signal {
        /// Killed (the out-of-memory killer).
        SIGKILL = 9,
        /// The access is beyond the end of a file, or reached a poisoned page or a userfault.
        SIGBUS = 7,
        /// The access is not allowed, or nothing is mapped there.
        SIGSEGV = 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_round_trip() {
        for &e in Errno::ALL {
            assert_eq!(Errno::from_number(e.number()), Some(e));
            assert_eq!(e.name().parse(), Ok(e));
        }
        assert_eq!("EFOO".parse::<Errno>(), Err(()));
        for &s in Signal::ALL {
            assert_eq!(Signal::from_number(s.number()), Some(s));
        }
    }
}
