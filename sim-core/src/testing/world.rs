//! An address space under test; see the module's head for the notation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::store::VmaId;
use crate::{
    AnonVmaId, Backing, BrkFields, Detached, FileId, FileRef, MappedKind, Mm, MmConfig, MmShared,
    NoPages, PageOffset, PageRange, Policy, Profile, Setup, UffdCtxId, VirtAddr, VmFlags, Vma,
    VmaHooks,
};

/// Page 0 of a layout.
pub(crate) const BASE: VirtAddr = VirtAddr::new(0x1000_0000);

/// The heap's first page.
pub(super) const HEAP: u64 = 1000;

/// Flags of a VMA without attributes: readable, writable.
pub(crate) const RW: VmFlags = VmFlags::READ
    .union(VmFlags::WRITE)
    .union(VmFlags::MAY_FLAGS);

/// Flags that the layout does not name.
const SILENT: VmFlags = VmFlags::ACCESS_FLAGS
    .union(VmFlags::MAY_FLAGS)
    .union(VmFlags::SHARED)
    .union(VmFlags::MAYSHARE)
    .union(VmFlags::ACCOUNT);

/// The pages `[start, end)` of a layout.
pub(crate) fn page_range(start: u64, end: u64) -> PageRange {
    PageRange::new(BASE.add_pages(start), BASE.add_pages(end))
}

/// An attribute of a VMA in the notation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Attr {
    Anon(char),
    Fork,
    Close,
    Flag(VmFlags),
    NoFlag(VmFlags),
    Pgoff(u64),
    File(char),
    Policy,
    Uffd,
    Name,
}

impl Attr {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let letter = || text.chars().next().expect("an attribute has a name");
        match text {
            "D" | "E" => Self::Anon(letter()),
            "f" | "g" => Self::File(letter()),
            "fork" => Self::Fork,
            "close" => Self::Close,
            "pol" => Self::Policy,
            "uffd" => Self::Uffd,
            "name" => Self::Name,
            _ => Self::parse_flag(text),
        }
    }

    #[track_caller]
    fn parse_flag(text: &str) -> Self {
        if let Some(page) = text.strip_prefix('@') {
            return Self::Pgoff(page.parse().expect("a page number after @"));
        }
        let flag = |name| VmFlags::from_mnemonic(name).expect("a known attribute");
        match text.strip_prefix('-') {
            Some(name) => Self::NoFlag(flag(name)),
            None => Self::Flag(flag(text)),
        }
    }

    /// `VMA:attribute,… VMA:…`
    #[track_caller]
    pub(crate) fn parse_list(text: &str) -> BTreeMap<char, Vec<Self>> {
        text.split_whitespace()
            .map(|item| {
                let (vma, attrs) = item.split_once(':').expect("VMA:attributes");
                let name = vma.chars().next().expect("a VMA's name");
                (name, attrs.split(',').map(Self::parse).collect())
            })
            .collect()
    }
}

/// An address space with names for its VMAs.
pub(crate) struct World {
    pub(crate) mm: Mm,
    pub(crate) pages: NoPages,
    names: BTreeMap<char, VmaId>,
    /// VMAs of other processes, which keep `D` and `E` alive.
    holders: BTreeMap<char, Detached>,
    /// Processes that forked; `mm` is the newest child.
    pub(crate) parents: Vec<Mm>,
}

impl World {
    pub(crate) fn new(profile: Profile) -> Self {
        Self::with_setup(&Setup::new(profile))
    }

    pub(crate) fn with_setup(setup: &Setup) -> Self {
        let mut config = MmConfig::new(setup);
        config.soft_dirty = false;
        config.anon_names = true;
        Self::with_config(config)
    }

    pub(crate) fn with_config(config: MmConfig) -> Self {
        let shared = MmShared::new(&config.limits);
        let mut mm = Mm::new(Arc::new(config), &shared);
        let heap = BASE.add_pages(HEAP);
        mm.set_brk_fields(BrkFields {
            start_brk: heap,
            brk: heap,
            start_stack: VirtAddr::ZERO,
        });
        Self {
            mm,
            pages: NoPages::default(),
            names: BTreeMap::new(),
            holders: BTreeMap::new(),
            parents: Vec::new(),
        }
    }

    /// Adds the VMAs of a layout.
    #[track_caller]
    pub(crate) fn lay_out(&mut self, layout: &str, attrs: &str) {
        let attrs = Attr::parse_list(attrs);
        for (name, start, end) in runs(layout) {
            let none = Vec::new();
            let vma = self.make(start, end, attrs.get(&name).unwrap_or(&none));
            let id = self.mm.insert_vma(&mut self.pages, vma).expect("no limit");
            self.names.insert(name, id);
        }
        self.check();
    }

    fn make(&mut self, start: u64, end: u64, attrs: &[Attr]) -> Detached {
        let pgoff = attrs.iter().find_map(|attr| match attr {
            Attr::Pgoff(page) => Some(*page),
            _ => None,
        });
        let pgoff = pgoff.unwrap_or(start) + BASE.page_number();
        let backing = attrs.iter().find_map(|attr| match attr {
            Attr::File(name) => Some(file(*name)),
            _ => None,
        });
        let backing = backing.unwrap_or(Backing::Anon);
        let mut vma = Vma::new(page_range(start, end), PageOffset::new(pgoff), RW, backing);
        for attr in attrs {
            self.apply(&mut vma, attr);
        }
        vma
    }

    fn apply(&mut self, vma: &mut Vma, attr: &Attr) {
        match attr {
            Attr::Anon(name) => {
                let id = self.anon(*name);
                let fail = self.mm.fail_points();
                let done = self.mm.anon_vmas().prepare(vma, Some(id), fail);
                done.expect("nothing fails");
            }
            Attr::Fork => {
                self.anon('D');
                let fail = self.mm.fail_points();
                let done = self.mm.anon_vmas().fork(vma, &self.holders[&'D'], fail);
                done.expect("nothing fails");
            }
            Attr::Close => vma.set_hooks(VmaHooks::CLOSE),
            Attr::Flag(flag) => vma.insert_flags(*flag),
            Attr::NoFlag(flag) => vma.remove_flags(*flag),
            Attr::Policy => vma.set_policy(Some(Policy::Bind(1))),
            Attr::Uffd => {
                vma.set_uffd(Some(UffdCtxId(NonZeroU32::MIN)));
                vma.insert_flags(VmFlags::UFFD_MISSING);
            }
            Attr::Name => vma.set_anon_name(Some(Arc::from("name"))),
            Attr::Pgoff(_) | Attr::File(_) => {}
        }
    }

    /// The anon_vma with this letter.
    pub(crate) fn anon(&mut self, name: char) -> AnonVmaId {
        let holder = self
            .holders
            .entry(name)
            .or_insert_with(|| Vma::new(page_range(0, 1), PageOffset::new(0), RW, Backing::Anon));
        let fail = self.mm.fail_points();
        let done = self.mm.anon_vmas().prepare(holder, None, fail);
        done.expect("nothing fails");
        holder.anon_vma().expect("just prepared")
    }

    /// The VMA with this letter, if it is there.
    #[track_caller]
    pub(crate) fn id(&self, name: char) -> VmaId {
        self.names[&name]
    }

    /// The layout now: letters of VMAs that have one, `*` for others.
    pub(crate) fn layout(&self) -> String {
        let mut text = String::new();
        let mut at = BASE;
        for (id, vma) in self.mm.iter() {
            for _hole in 0..(vma.start() - at).pages() {
                text.push('.');
            }
            let named = self.names.iter().find(|&(_, &named)| named == id);
            let name = named.map_or('*', |(&name, _)| name);
            for _page in 0..vma.pages() {
                text.push(name);
            }
            at = vma.end();
        }
        text
    }

    /// Everything that can be seen, to compare.
    pub(crate) fn dump(&self) -> String {
        let mut text = String::new();
        for (id, vma) in self.mm.iter() {
            writeln!(
                text,
                "{id:?} {} {:?} {:?} {:?} {:?}",
                vma.range(),
                vma.pgoff(),
                vma.flags(),
                vma.anon_vma(),
                vma.chain().collect::<Vec<_>>()
            )
            .expect("a string takes all");
        }
        writeln!(
            text,
            "{:?} {}",
            self.mm.counters(),
            self.mm.commit().committed()
        )
        .expect("a string takes all");
        text
    }

    /// The VMAs now, as `0..4 rw | 6..7 r sl`: range, access (`-` for none, `s` for shared), flags
    /// that are neither access nor `MAY*` nor `ACCOUNT`.
    pub(crate) fn vmas(&self) -> String {
        let page = |addr: VirtAddr| addr.page_number() - BASE.page_number();
        let vmas = self.mm.iter().map(|(_, vma)| {
            let flags = vma.flags();
            let mut text = format!("{}..{} ", page(vma.start()), page(vma.end()));
            let access = String::from_utf8_lossy(&flags.perms()[..3]).replace('-', "");
            text += if access.is_empty() { "-" } else { &access };
            if flags.contains(VmFlags::MAYSHARE) {
                text.push('s');
            }
            for name in (flags - SILENT).mnemonics() {
                text.push(' ');
                text += name;
            }
            text
        });
        vmas.collect::<Vec<_>>().join(" | ")
    }

    /// The mnemonics of the VMA at a page.
    #[track_caller]
    pub(crate) fn flags_at(&self, page: u64) -> String {
        let id = self.mm.vma_lookup(BASE.add_pages(page));
        let flags = self.mm.vma(id.expect("a VMA there")).flags();
        flags.mnemonics().collect::<Vec<_>>().join(" ")
    }

    /// Checks every invariant.
    #[track_caller]
    pub(crate) fn check(&self) {
        let all = || self.parents.iter().chain([&self.mm]);
        for mm in all() {
            mm.check_invariants();
        }
        let own = all().flat_map(|mm| mm.iter().map(|(_, vma)| vma));
        self.mm
            .anon_vmas()
            .check_invariants(own.chain(self.holders.values().map(|vma| &**vma)));
    }
}

fn file(name: char) -> Backing {
    Backing::File(FileRef {
        id: FileId(u32::from(name)),
        kind: MappedKind::Memfd,
    })
}

/// The VMAs of a layout: name, first page, page after the last one.
fn runs(layout: &str) -> Vec<(char, u64, u64)> {
    let mut runs: Vec<(char, u64, u64)> = Vec::new();
    for (page, name) in (0..).zip(layout.chars()) {
        match runs.last_mut() {
            Some(run) if run.0 == name && run.2 == page => run.2 += 1,
            _ if name == '.' => {}
            _ => runs.push((name, page, page + 1)),
        }
    }
    runs
}
