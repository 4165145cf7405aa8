//! userfaultfd: registration and the requests on registered memory (`fs/userfaultfd.c`,
//! `mm/userfaultfd.c`, 6.19).

mod copy;
mod move_pages;
mod poison;
mod register;
mod writeprotect;
mod zeropage;

pub(crate) use self::copy::copy;
pub(crate) use self::move_pages::move_pages;
pub(crate) use self::poison::poison;
pub(crate) use self::register::{register, unregister};
pub(crate) use self::writeprotect::writeprotect;
pub(crate) use self::zeropage::zeropage;
