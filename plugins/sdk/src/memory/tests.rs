//! The allocator against a model: no two blocks overlap, each is aligned and keeps its bytes, and zeroed means zero.

use super::{GRANULE_BYTES, GuestAllocator, MAX_SMALL_BYTES, SIZE_CLASSES, SLAB, size_class};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// What fresh memory is filled with: anything but zero.
const FRESH_BYTE: u8 = 0xa5;

/// A backing allocator that knows what it gave out, and frees at its end what the allocator keeps (Miri reports leaks).
#[derive(Default)]
struct Backing {
    live: RefCell<BTreeMap<usize, (*mut u8, Layout)>>,
    is_exhausted: Cell<bool>,
    /// How often something was freed that was not given out like that.
    wrongly_freed: Cell<usize>,
}

// SAFETY: it hands on the blocks of the system's allocator.
unsafe impl GlobalAlloc for Backing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.is_exhausted.get() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on; the block is as long as its layout.
        let block = unsafe {
            let block = System.alloc(layout);
            block.write_bytes(FRESH_BYTE, layout.size());
            block
        };
        self.live.borrow_mut().insert(block.addr(), (block, layout));
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.live.borrow_mut().remove(&block.addr()) {
            // SAFETY: it was given out with this layout.
            Some((block, given)) if given == layout => unsafe { System.dealloc(block, layout) },
            _ => self.wrongly_freed.set(self.wrongly_freed.get() + 1),
        }
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        for (block, layout) in std::mem::take(self.live.get_mut()).into_values() {
            // SAFETY: it was given out with this layout and not freed since.
            unsafe { System.dealloc(block, layout) };
        }
    }
}

type Tested = GuestAllocator<Backing>;

fn new_allocator() -> Tested {
    GuestAllocator::with_backing(Backing::default())
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// A block that somebody holds, and the byte that it is filled with.
struct Held {
    block: *mut u8,
    layout: Layout,
    byte: u8,
}

impl Held {
    fn fill(block: *mut u8, layout: Layout, byte: u8) -> Self {
        // SAFETY: the block is at least as long as its layout.
        unsafe { block.write_bytes(byte, layout.size()) };
        Self { block, layout, byte }
    }
}

/// Whether the first bytes of a block are all the same.
fn holds(block: *mut u8, count: usize, byte: u8) -> bool {
    // SAFETY: the block is at least that long, and all of it was written to.
    unsafe { std::slice::from_raw_parts(block, count) }.iter().all(|found| *found == byte)
}

fn overlap(held: &[Held]) -> bool {
    let mut ranges: Vec<(usize, usize)> =
        held.iter().map(|held| (held.block.addr(), held.block.addr() + held.layout.size())).collect();
    ranges.sort_unstable();
    ranges.windows(2).any(|pair| pair[0].1 > pair[1].0)
}

#[derive(Clone, Debug)]
enum Operation {
    Allocate { size: usize, align: usize, is_zeroed: bool },
    Reallocate { which: prop::sample::Index, size: usize },
    Free { which: prop::sample::Index },
}

/// Sizes around the borders of the classes, small ones, and large ones.
fn any_size() -> impl Strategy<Value = usize> {
    prop_oneof![
        1..80_usize,
        (1..=SIZE_CLASSES, 0..3_usize).prop_map(|(class, off)| (class * GRANULE_BYTES + off - 1).max(1)),
        1..4 * MAX_SMALL_BYTES,
    ]
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let align = prop_oneof![4 => 0..5_u32, 1 => 5..8_u32].prop_map(|power| 1 << power);
    prop_oneof![
        3 => (any_size(), align, any::<bool>())
            .prop_map(|(size, align, is_zeroed)| Operation::Allocate { size, align, is_zeroed }),
        2 => (any::<prop::sample::Index>(), any_size()).prop_map(|(which, size)| Operation::Reallocate { which, size }),
        2 => any::<prop::sample::Index>().prop_map(|which| Operation::Free { which }),
    ]
}

/// Performs one operation on the allocator and on the model, and checks the block it is about.
fn perform(memory: &Tested, held: &mut Vec<Held>, operation: &Operation, byte: u8) -> Result<(), TestCaseError> {
    match operation {
        Operation::Allocate { size, align, is_zeroed } => {
            let layout = layout(*size, *align);
            // SAFETY: the layout has a size.
            let block = unsafe { if *is_zeroed { memory.alloc_zeroed(layout) } else { memory.alloc(layout) } };
            prop_assert!(block.addr().is_multiple_of(*align), "a block of {layout:?} begins at {block:?}");
            prop_assert!(!is_zeroed || holds(block, *size, 0), "a zeroed block of {layout:?} is not zero");
            held.push(Held::fill(block, layout, byte));
        }
        Operation::Reallocate { which, size } if !held.is_empty() => {
            let Held { block, layout: old, byte: kept } = held.swap_remove(which.index(held.len()));
            // SAFETY: the block was given out with this layout.
            let block = unsafe { memory.realloc(block, old, *size) };
            let new = layout(*size, old.align());
            prop_assert!(block.addr().is_multiple_of(new.align()), "a block of {new:?} begins at {block:?}");
            prop_assert!(holds(block, old.size().min(*size), kept), "from {old:?} to {new:?} the contents changed");
            held.push(Held::fill(block, new, byte));
        }
        Operation::Free { which } if !held.is_empty() => {
            let Held { block, layout, byte: kept } = held.swap_remove(which.index(held.len()));
            prop_assert!(holds(block, layout.size(), kept), "a block of {layout:?} changed while it was held");
            // SAFETY: the block was given out with this layout.
            unsafe { memory.dealloc(block, layout) };
        }
        Operation::Reallocate { .. } | Operation::Free { .. } => {}
    }
    Ok(())
}

/// Few and short cases under Miri, which is a hundred times slower; and no file, which it does not allow.
fn config() -> ProptestConfig {
    ProptestConfig { cases: if cfg!(miri) { 8 } else { 512 }, failure_persistence: None, ..ProptestConfig::default() }
}

const MAX_OPERATIONS: usize = if cfg!(miri) { 40 } else { 200 };

proptest! {
    #![proptest_config(config())]

    /// Whatever is allocated, reallocated and freed in whatever order: blocks do not overlap, are aligned, and keep their
    /// bytes; zeroed ones are zero; and the backing allocator gets back what it gave out.
    #[test]
    fn blocks_are_apart_aligned_and_keep_their_bytes(
        operations in prop::collection::vec(any_operation(), 1..MAX_OPERATIONS)
    ) {
        let memory = new_allocator();
        let mut held: Vec<Held> = vec![];
        for (byte, operation) in (0..=250_u8).cycle().zip(&operations) {
            perform(&memory, &mut held, operation, byte)?;
            prop_assert!(!overlap(&held), "two blocks overlap after {operation:?}");
        }
        for Held { block, layout, byte } in held {
            prop_assert!(holds(block, layout.size(), byte), "a block of {layout:?} changed while it was held");
            // SAFETY: the block was given out with this layout.
            unsafe { memory.dealloc(block, layout) };
        }
        prop_assert_eq!(memory.backing.wrongly_freed.get(), 0);
        prop_assert!(memory.backing.live.borrow().values().all(|(_, layout)| *layout == SLAB), "a large block was kept");
    }
}

#[test]
fn a_size_class_is_long_enough_and_no_longer_than_needed() {
    for size in 1..=MAX_SMALL_BYTES {
        let class = size_class(size, 8).unwrap();
        let length = (class + 1) * GRANULE_BYTES;
        assert!(class < SIZE_CLASSES && length >= size && length - size < GRANULE_BYTES, "{size}");
    }
    assert_eq!([0, MAX_SMALL_BYTES + 1, usize::MAX].map(|size| size_class(size, 1)), [None; 3]);
    assert_eq!(size_class(8, 2 * GRANULE_BYTES), None);
}

#[test]
fn a_freed_block_is_given_out_next_and_may_be_dirty() {
    let memory = new_allocator();
    let layout = layout(40, 8);
    // SAFETY: the layout has a size and is the same throughout.
    unsafe {
        let (first, second) = (memory.alloc(layout), memory.alloc(layout));
        assert_ne!(first, second);
        Held::fill(first, layout, 7);
        memory.dealloc(first, layout);
        assert_eq!(memory.alloc_zeroed(layout), first);
        assert!(holds(first, 40, 0));
        // Of the same size class, so it stays where it is.
        assert_eq!(memory.realloc(first, layout, 48), first);
    }
}

#[test]
fn without_memory_there_is_no_block_and_the_old_one_stays() {
    let memory = new_allocator();
    let small = layout(64, 16);
    // SAFETY: the layouts have sizes; each block is named with its own.
    unsafe {
        let block = memory.alloc(small);
        Held::fill(block, small, 9);
        memory.backing.is_exhausted.set(true);
        assert!(memory.alloc(layout(5_000, 8)).is_null());
        assert!(memory.alloc_zeroed(layout(5_000, 8)).is_null());
        assert!(memory.realloc(block, small, 5_000).is_null());
        assert!(holds(block, 64, 9));
        // The slab has room left.
        assert!(!memory.alloc(small).is_null());
        while !memory.alloc_zeroed(layout(1_024, 16)).is_null() {}
        assert!(holds(block, 64, 9));
    }
}
