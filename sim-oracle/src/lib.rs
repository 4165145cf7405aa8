//! What vmsim is compared with: the live kernel, a reference model, generators, the differential runner.
