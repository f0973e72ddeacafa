//! The guest allocator: blocks of up to 1 KiB come from one free list per size, larger ones from dlmalloc.
//!
//! A plugin opts in with [`guest_allocator!`](crate::guest_allocator!); without it the default allocator of the target
//! serves. An instance lives for one call on one thread, and makes and drops thousands of short texts and lists in it. A
//! freed block is the next one given out for its size, so neither allocating nor freeing searches for anything. dlmalloc
//! is Rust's own allocator for WebAssembly, in a version that also uses the memory an instance begins with.
//!
//! **Invariant:** a small block is either with its owner or in the free list of its size class, and its class follows from
//! its layout alone, so it returns to the list that it came from.
//!
//! ## Decisions
//!
//! - 2026-11-27: our own lists in front of dlmalloc. Context: of a scan of blocks full of swaps, 8 % went
//!   to dlmalloc by the profile of `bench detect`, now 2 %; TLSF, a general allocator as well, had changed nothing. Price:
//!   unsafe code, held by a property; memory of small blocks is not used for large ones until the instance ends.
//! - 2026-11-29: opt-in, and all state in `Cell`s. Context: an author of a plugin should not get our unsafe code without
//!   asking for it. Six kinds of unsafe operation are left: the backing allocator's calls, reading and writing the link in a
//!   freed block, zeroing, copying, and `Sync`. They run under Miri (`cargo +nightly miri test -p chain-plugin-sdk memory`).
#![expect(unsafe_code, reason = "an allocator hands out raw memory; each block says why it is sound")]

#[cfg(test)]
mod tests;

#[cfg(target_family = "wasm")]
use dlmalloc::GlobalDlmalloc as System;
#[cfg(not(target_family = "wasm"))]
use std::alloc::System;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Sizes are rounded up to a multiple of this, and every small block begins at a multiple of it.
const GRANULE_BYTES: usize = 16;
/// A larger block is the backing allocator's.
const MAX_SMALL_BYTES: usize = 1024;
/// One size class for each multiple of a granule.
const SIZE_CLASSES: usize = MAX_SMALL_BYTES / GRANULE_BYTES;
/// Small blocks are cut from slabs of this size.
const SLAB: Layout = match Layout::from_size_align(256 << 10, GRANULE_BYTES) {
    Ok(layout) => layout,
    Err(_) => panic!("a granule is a power of two and divides the size of a slab"),
};

/// The allocator; `B` gives it slabs and large blocks.
pub struct GuestAllocator<B = System> {
    backing: B,
    free: [FreeList; SIZE_CLASSES],
    slab: Slab,
}

// SAFETY: a component without shared memory has one thread, so nothing is shared between threads.
#[cfg(target_family = "wasm")]
unsafe impl Sync for GuestAllocator {}

impl GuestAllocator {
    /// An allocator that has given out nothing yet.
    pub const fn new() -> Self {
        Self::with_backing(System)
    }
}

impl Default for GuestAllocator {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> GuestAllocator<B> {
    const fn with_backing(backing: B) -> Self {
        Self { backing, free: [const { FreeList::new() }; SIZE_CLASSES], slab: Slab::new() }
    }
}

/// The size class of a block; none where the block is large, or aligned to more than a granule.
#[inline]
const fn size_class(size: usize, align: usize) -> Option<usize> {
    // Nobody may ask for a size of zero; if somebody did, it would not count as small.
    let last_byte = size.wrapping_sub(1);
    if last_byte < MAX_SMALL_BYTES && align <= GRANULE_BYTES { Some(last_byte / GRANULE_BYTES) } else { None }
}

/// Freed blocks of one size class: the one that was freed last, which holds the link to the one before it.
struct FreeList(Cell<Option<NonNull<FreeBlock>>>);

/// What stands in the first bytes of a freed block.
struct FreeBlock {
    next: Option<NonNull<FreeBlock>>,
}

const _: () = assert!(size_of::<FreeBlock>() <= GRANULE_BYTES && align_of::<FreeBlock>() <= GRANULE_BYTES);

impl FreeList {
    const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Adds a block.
    ///
    /// # Safety
    ///
    /// The block begins at a multiple of a granule, is at least a granule long, and nobody uses it until [`Self::pop`]
    /// returns it.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>) {
        let block = block.cast::<FreeBlock>();
        // SAFETY: by the caller's promise the block is this list's alone, and a `FreeBlock` fits into a granule.
        unsafe { block.write(FreeBlock { next: self.0.get() }) };
        self.0.set(Some(block));
    }

    /// Takes the block that was added last.
    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let block = self.0.get()?;
        // SAFETY: `push` wrote a `FreeBlock` there, and nobody has used the block since.
        self.0.set(unsafe { block.read() }.next);
        Some(block.cast())
    }
}

/// The part of the newest slab that was never given out.
struct Slab {
    next: Cell<*mut u8>,
    left_bytes: Cell<usize>,
}

impl Slab {
    const fn new() -> Self {
        Self { next: Cell::new(ptr::null_mut()), left_bytes: Cell::new(0) }
    }

    /// Cuts off `size` bytes, which must be a multiple of a granule and at most [`MAX_SMALL_BYTES`]; null where no new slab
    /// can be had. The rest of a slab that is too short, less than the largest small block, is given up.
    fn cut(&self, size: usize, backing: &impl GlobalAlloc) -> *mut u8 {
        if self.left_bytes.get() < size {
            // SAFETY: the size of a slab is not zero.
            let start = unsafe { backing.alloc(SLAB) };
            if start.is_null() {
                return start;
            }
            self.next.set(start);
            self.left_bytes.set(SLAB.size());
        }
        let block = self.next.get();
        self.next.set(block.wrapping_add(size));
        self.left_bytes.set(self.left_bytes.get() - size);
        block
    }
}

// SAFETY: a block is as long and as aligned as its layout asks, because its class is at least as long and a slab is cut in
// granules. It is nobody else's until it is freed: one from a free list was freed before, one from a slab was never given out.
unsafe impl<B: GlobalAlloc> GlobalAlloc for GuestAllocator<B> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match size_class(layout.size(), layout.align()) {
            Some(class) => match self.free[class].pop() {
                Some(block) => block.as_ptr(),
                None => self.slab.cut((class + 1) * GRANULE_BYTES, &self.backing),
            },
            // SAFETY: the caller's promise is passed on.
            None => unsafe { self.backing.alloc(layout) },
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if size_class(layout.size(), layout.align()).is_none() {
            // The backing allocator knows which memory was never written to.
            // SAFETY: the caller's promise is passed on.
            return unsafe { self.backing.alloc_zeroed(layout) };
        }
        // SAFETY: the caller's promise is passed on.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: the block was just given out and is at least as long as its layout.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match (size_class(layout.size(), layout.align()), NonNull::new(block)) {
            // SAFETY: the caller gives the block up and names the layout it was given out with, so it is of this class.
            (Some(class), Some(block)) => unsafe { self.free[class].push(block) },
            (Some(_), None) => {}
            // SAFETY: the caller's promise is passed on; a block without a class came from the backing allocator.
            (None, _) => unsafe { self.backing.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match (size_class(layout.size(), layout.align()), size_class(size, layout.align())) {
            (Some(before), Some(after)) if before == after => block,
            // SAFETY: the caller's promise is passed on; the block came from the backing allocator and stays with it.
            (None, None) => unsafe { self.backing.realloc(block, layout, size) },
            // SAFETY: the caller's promise is passed on.
            _ => unsafe { self.move_block(block, layout, size) },
        }
    }
}

impl<B: GlobalAlloc> GuestAllocator<B> {
    /// Copies a block into a new one and frees it; null, with the block as it was, where no new one can be had.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::realloc`].
    unsafe fn move_block(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: the caller promises that the new size is not zero.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both blocks are at least as long as what is copied, and the new one is nobody else's. The caller gives
            // the old one up and names the layout it was given out with.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}
