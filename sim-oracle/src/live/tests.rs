//! Facts about the running kernel, asked through calls. Where it cannot be asked, tests say so.
