//! What a merge was considered with: the request and its neighbours as they were. For `explain`.

use crate::store::{VmaId, VmaStore};
use crate::{
    AnonName, AnonVmaId, Attributes, Backing, Mm, NewRangeRequest, PageOffset, PageRange, Policy,
    UffdCtxId, VmFlags, Vma, VmaHooks,
};

/// A VMA, or a range that is to be one, as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmaView {
    /// Its addresses.
    pub range: PageRange,
    /// Its offset.
    pub pgoff: PageOffset,
    /// Its flags.
    pub flags: VmFlags,
    /// What it maps.
    pub backing: Backing,
    /// Its userfaultfd context.
    pub uffd: Option<UffdCtxId>,
    /// Its memory policy.
    pub policy: Option<Policy>,
    /// Its anonymous name.
    pub anon_name: Option<AnonName>,
    /// Its own anon_vma.
    pub anon_vma: Option<AnonVmaId>,
    /// The anon_vmas that its chain leads to, the own one included.
    pub chain: Vec<AnonVmaId>,
    /// Hooks of the driver.
    pub hooks: VmaHooks,
}

impl VmaView {
    /// A VMA as it is.
    pub fn of(vma: &Vma) -> Self {
        Self::with(vma, vma.range(), &Attributes::of(vma))
    }

    /// A part of a VMA with the attributes that it is to have.
    fn with(vma: &Vma, range: PageRange, wanted: &Attributes<'_>) -> Self {
        Self {
            pgoff: vma.pgoff_of(range.start()),
            anon_vma: vma.anon_vma(),
            chain: vma.chain().collect(),
            hooks: vma.hooks(),
            ..Self::new(range, vma.pgoff(), wanted)
        }
    }

    /// A range that is not mapped yet.
    fn new(range: PageRange, pgoff: PageOffset, wanted: &Attributes<'_>) -> Self {
        Self {
            range,
            pgoff,
            flags: wanted.flags,
            backing: wanted.backing,
            uffd: wanted.uffd,
            policy: wanted.policy,
            anon_name: wanted.anon_name.cloned(),
            anon_vma: None,
            chain: Vec::new(),
            hooks: VmaHooks::empty(),
        }
    }
}

/// The request and its neighbours before anything was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeScene {
    /// The range with the attributes that it is to have.
    pub wanted: VmaView,
    /// The VMA that the range is a part of, if it is mapped.
    pub middle: Option<VmaView>,
    /// The VMA below, adjacent or not.
    pub below: Option<VmaView>,
    /// The VMA above, adjacent or not.
    pub above: Option<VmaView>,
}

impl<S: VmaStore> Mm<S> {
    /// The scene of a part of a VMA that is about to change; nothing while no events are recorded.
    pub(crate) fn scene_of_part(
        &self,
        id: VmaId,
        range: PageRange,
        wanted: &Attributes<'_>,
    ) -> Option<Box<MergeScene>> {
        self.events.is_enabled().then(|| {
            let middle = self.vma(id);
            Box::new(MergeScene {
                wanted: VmaView::with(middle, range, wanted),
                middle: Some(VmaView::of(middle)),
                below: self.view(self.prev_of(id)),
                above: self.view(self.next_of(id)),
            })
        })
    }

    /// The scene of a new range; nothing while no events are recorded.
    pub(crate) fn scene_of_new(&self, request: &NewRangeRequest<'_>) -> Option<Box<MergeScene>> {
        self.events.is_enabled().then(|| {
            let (below, above) = self.around(request.range.start());
            let mut wanted = VmaView::new(request.range, request.pgoff, &request.attributes);
            if let Some(source) = request.copied_from {
                let source = self.vma(source);
                wanted.anon_vma = source.anon_vma();
                wanted.chain = source.chain().collect();
            }
            Box::new(MergeScene {
                wanted,
                middle: None,
                below: self.view(below),
                above: self.view(above),
            })
        })
    }

    /// The scene of a VMA that grows upwards in place; nothing while no events are recorded.
    pub(crate) fn scene_of_growth(&self, id: VmaId, range: PageRange) -> Option<Box<MergeScene>> {
        self.events.is_enabled().then(|| {
            let vma = self.vma(id);
            Box::new(MergeScene {
                wanted: VmaView::with(vma, range, &Attributes::of(vma)),
                middle: None,
                below: Some(VmaView::of(vma)),
                above: self.view(self.next_of(id)),
            })
        })
    }

    fn view(&self, id: Option<VmaId>) -> Option<VmaView> {
        id.map(|id| VmaView::of(self.vma(id)))
    }
}
