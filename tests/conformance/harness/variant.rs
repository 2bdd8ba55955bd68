//! The back-ends under test, and how the program stores under each.

use std::sync::Arc;

use strandline::dirty::{
    AllDirty, CardTable, Cards, Model, ModelMmu, Mprotect, TrackError, TrackerBackend, Uffd,
    UffdOptions,
};
use strandline::os::PageRange;

/// A back-end with its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Uffd,
    UffdSparse,
    UffdOneSlot,
    UffdThreeSlots,
    Mprotect,
    Cards,
    AllDirty,
    Model,
}

/// Threads that may store at once under [`Variant::Model`].
pub(crate) const PROCESSORS: usize = 4;

impl Variant {
    pub(crate) const ALL: [Self; 8] = [
        Self::Uffd,
        Self::UffdSparse,
        Self::UffdOneSlot,
        Self::UffdThreeSlots,
        Self::Mprotect,
        Self::Cards,
        Self::AllDirty,
        Self::Model,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uffd => "uffd",
            Self::UffdSparse => "uffd-sparse",
            Self::UffdOneSlot => "uffd-1-slot",
            Self::UffdThreeSlots => "uffd-3-slots",
            Self::Mprotect => "mprotect",
            Self::Cards => "cards",
            Self::AllDirty => "all-dirty",
            Self::Model => "model",
        }
    }

    /// Whether it stands on userfaultfd.
    pub(crate) fn is_uffd(self) -> bool {
        self.uffd_options().is_some()
    }

    fn uffd_options(self) -> Option<UffdOptions> {
        let default = UffdOptions::default();
        match self {
            Self::Uffd => Some(default),
            Self::UffdSparse => Some(UffdOptions { sparse: true, ..default }),
            Self::UffdOneSlot => Some(UffdOptions { result_slots: 1, ..default }),
            Self::UffdThreeSlots => Some(UffdOptions { result_slots: 3, ..default }),
            _ => None,
        }
    }

    /// Opens the back-end for memory inside `span`.
    pub(crate) fn open(
        self,
        span: PageRange,
    ) -> Result<(Box<dyn TrackerBackend>, Stores), TrackError> {
        if let Some(options) = self.uffd_options() {
            return Ok((Box::new(Uffd::open(options)?), Stores::Plain));
        }
        Ok(match self {
            Self::Mprotect => (Box::new(Mprotect::new(span)?), Stores::Plain),
            Self::Cards => {
                let cards = Cards::new(span);
                let table = cards.cards().expect("cards have a table").clone();
                (Box::new(cards), Stores::Barrier(table))
            }
            Self::Model => {
                let mmu = Arc::new(ModelMmu::new(span, PROCESSORS));
                (Box::new(Model::new(Arc::clone(&mmu))), Stores::Modelled(mmu))
            }
            _ => (Box::new(AllDirty), Stores::Plain),
        })
    }
}

/// What a store of the program is.
#[derive(Debug, Clone)]
pub(crate) enum Stores {
    /// A store.
    Plain,
    /// A store and its write barrier.
    Barrier(CardTable),
    /// A store through the modelled MMU.
    Modelled(Arc<ModelMmu>),
}

impl Stores {
    /// Runs `store`, which stores to the page of `address` only, on behalf of `thread`.
    pub(crate) fn run<R>(&self, thread: usize, address: usize, store: impl FnOnce() -> R) -> R {
        match self {
            Self::Plain => store(),
            Self::Barrier(table) => {
                let result = store();
                table.mark(address);
                result
            }
            Self::Modelled(mmu) => mmu.store(thread, address, store),
        }
    }
}
