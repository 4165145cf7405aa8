//! Frames of devices: what mappings of raw frames map.

use std::collections::BTreeMap;

use sim_core::FileId;
use sim_pagetable::Pfn;
use sim_sync::{Mutex, class};

use crate::file::{Files, Lookup};

/// log2 of the frames that each device has.
const DEVICE_SHIFT: u32 = 22;

/// The memory of devices: only what was written to is kept.
#[derive(Debug, Default)]
pub struct Devices {
    written: Mutex<BTreeMap<u64, u8>, class::Device>,
}

impl Devices {
    /// The frame of a page of a device.
    pub fn frame(file: FileId, index: u64) -> Pfn {
        let device = u64::from(file.0) << DEVICE_SHIFT;
        Pfn::DEVICE_BASE.add((device + index) % (Pfn::TABLE_BASE.get() - Pfn::DEVICE_BASE.get()))
    }

    /// What a frame contains.
    pub fn content(&self, files: &Files, pfn: Pfn) -> u32 {
        let number = pfn.get() - Pfn::DEVICE_BASE.get();
        if let Some(&byte) = self.written.lock().get(&number) {
            return u32::from(byte);
        }
        let file = FileId((number >> DEVICE_SHIFT) as u32);
        let index = number & ((1 << DEVICE_SHIFT) - 1);
        let looked_up = files.get(file).map(|object| object.lock().lookup(index));
        match looked_up {
            Some(Lookup::Pristine(content) | Lookup::OnDisk(content)) => content,
            Some(Lookup::Present(_) | Lookup::Swapped(_) | Lookup::Hole | Lookup::Beyond)
            | None => 0,
        }
    }

    /// Stores the first byte of a frame.
    pub fn store(&self, pfn: Pfn, byte: u8) {
        let number = pfn.get() - Pfn::DEVICE_BASE.get();
        self.written.lock().insert(number, byte);
    }
}
