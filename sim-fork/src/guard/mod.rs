//! Guard regions: `MADV_GUARD_INSTALL`, `MADV_GUARD_REMOVE` (`mm/madvise.c`, 6.19).

mod install;
mod remove;

pub(crate) use self::install::{install, install_locked};
pub(crate) use self::remove::remove;
