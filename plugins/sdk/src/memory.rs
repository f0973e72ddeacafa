//! The memory of an instance: small pieces by size, from lists of what was given back; larger ones as dlmalloc gives them,
//! which is Rust's own allocator for WebAssembly, in a version that also uses what memory an instance begins with.
//!
//! An instance lives for one call on one thread, and makes and drops thousands of short texts and lists in it. A piece
//! that was given back is next in line for whoever wants that size, so neither way looks for anything.
//!
//! ## Decisions
//!
//! - 2026-11-27: our own lists in front of dlmalloc. Context: of a scan of blocks full of swaps, 8 % went
//!   to dlmalloc by the profile of `bench detect`, now 2 %; TLSF, a general allocator as well, had changed nothing. Price:
//!   unsafe code, held by a property; what small pieces took is not used for large ones until the instance ends.

#[cfg(target_family = "wasm")]
use dlmalloc::GlobalDlmalloc as System;
#[cfg(not(target_family = "wasm"))]
use std::alloc::System;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};

/// Sizes are rounded up to this, and every piece begins at a multiple of it.
const STEP: usize = 16;
/// The largest small piece.
const MOST: usize = 1024;
/// What small pieces are cut from.
const SLAB: Layout = match Layout::from_size_align(256 << 10, STEP) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two divides its multiples"),
};

/// The allocator.
pub struct Pieces(UnsafeCell<Lists>);

struct Lists {
    /// By size in steps: the piece that was given back last; in it stands the one before.
    given_back: [Option<NonNull<Link>>; MOST / STEP + 1],
    /// What is left of the slab, and where it begins.
    left: usize,
    next: *mut u8,
}

struct Link(Option<NonNull<Link>>);

// SAFETY: a component without shared memory has one thread.
#[cfg(target_family = "wasm")]
unsafe impl Sync for Pieces {}

impl Pieces {
    /// With nothing to give yet.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(Lists { given_back: [None; MOST / STEP + 1], left: 0, next: ptr::null_mut() }))
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Self::new()
    }
}

/// How many steps a small piece has; none where it is not small.
#[inline]
fn steps(layout: Layout) -> Option<usize> {
    (layout.size() <= MOST && layout.align() <= STEP).then(|| layout.size().div_ceil(STEP))
}

impl Lists {
    #[inline]
    unsafe fn take(&mut self, steps: usize) -> *mut u8 {
        let list = &mut self.given_back[steps];
        if let Some(piece) = *list {
            // SAFETY: it was written when the piece was given back, and nobody has had the piece since.
            *list = unsafe { piece.read() }.0;
            return piece.as_ptr().cast();
        }
        self.cut(steps * STEP)
    }

    fn cut(&mut self, size: usize) -> *mut u8 {
        if self.left < size {
            // The rest of the slab is left alone: less than the largest small piece.
            // SAFETY: the layout has a size.
            let slab = unsafe { System.alloc(SLAB) };
            if slab.is_null() {
                return slab;
            }
            (self.next, self.left) = (slab, SLAB.size());
        }
        let piece = self.next;
        self.left -= size;
        // SAFETY: that much was left.
        self.next = unsafe { piece.add(size) };
        piece
    }

    #[inline]
    #[expect(clippy::cast_ptr_alignment, reason = "every piece begins at a multiple of `STEP`")]
    unsafe fn give_back(&mut self, piece: *mut u8, steps: usize) {
        let Some(piece) = NonNull::new(piece.cast::<Link>()) else { return };
        let list = &mut self.given_back[steps];
        // SAFETY: the piece is nobody's now, holds a link, and begins at a multiple of `STEP`.
        unsafe { piece.write(Link(*list)) };
        *list = Some(piece);
    }
}

// SAFETY: what is given out is as large and as aligned as wanted, and nobody else's until it is given back: from a list it
// was given back before, from the slab it was never given.
unsafe impl GlobalAlloc for Pieces {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match steps(layout) {
            // SAFETY: one thread, and nothing in here calls back.
            Some(steps) => unsafe { (*self.0.get()).take(steps) },
            // SAFETY: as the caller promises.
            None => unsafe { System.alloc(layout) },
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if steps(layout).is_none() {
            // It knows what was never written to.
            // SAFETY: as the caller promises.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as the caller promises; the piece is that long.
        unsafe {
            let piece = self.alloc(layout);
            if !piece.is_null() {
                ptr::write_bytes(piece, 0, layout.size());
            }
            piece
        }
    }

    #[inline]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match steps(layout) {
            // SAFETY: one thread, and nothing in here calls back; the layout is the one it was given out with.
            Some(steps) => unsafe { (*self.0.get()).give_back(piece, steps) },
            // SAFETY: as the caller promises.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is one that a layout can have.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (steps(layout), steps(wanted)) {
            (Some(before), Some(after)) if before == after => piece,
            // SAFETY: as the caller promises; neither was nor becomes small.
            (None, None) => unsafe { System.realloc(piece, layout, size) },
            _ => {
                // SAFETY: as the caller promises; both pieces are as long as what is copied, and are not the same.
                unsafe {
                    let moved = self.alloc(wanted);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(piece, moved, layout.size().min(size));
                        self.dealloc(piece, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What somebody holds: where, how much, and the byte it is filled with.
    struct Held(*mut u8, Layout, u8);

    fn fill(Held(piece, layout, byte): &Held) {
        // SAFETY: the piece is that long.
        unsafe { ptr::write_bytes(*piece, *byte, layout.size()) };
    }

    fn is_whole(Held(piece, layout, byte): &Held, size: usize) -> bool {
        // SAFETY: the piece is that long and was filled.
        let bytes = unsafe { std::slice::from_raw_parts(*piece, layout.size().min(size)) };
        bytes.iter().all(|found| found == byte) && piece.addr().is_multiple_of(layout.align())
    }

    proptest! {
        /// Whatever is taken, grown, shrunk and given back in whatever order: nobody's bytes change.
        #[test]
        fn what_is_held_stays_as_it_is(
            doings in prop::collection::vec((0..4_u8, 1..3_000_usize, 0..7_u32, any::<prop::sample::Index>()), 1..150)
        ) {
            let memory = Pieces::new();
            let mut held: Vec<Held> = vec![];
            for (number, (doing, size, align, which)) in doings.into_iter().enumerate() {
                let byte = u8::try_from(number % 251).unwrap();
                match doing {
                    0 | 1 => {
                        let layout = Layout::from_size_align(size, 1 << align).unwrap();
                        let is_zeroed = doing == 0;
                        // SAFETY: the layout has a size.
                        let piece = unsafe { if is_zeroed { memory.alloc_zeroed(layout) } else { memory.alloc(layout) } };
                        prop_assert!(!is_zeroed || is_whole(&Held(piece, layout, 0), usize::MAX));
                        held.push(Held(piece, layout, byte));
                        fill(held.last().unwrap());
                    }
                    2 if !held.is_empty() => {
                        let at = which.index(held.len());
                        let Held(piece, layout, old) = held.swap_remove(at);
                        // SAFETY: it was given out with this layout.
                        let moved = unsafe { memory.realloc(piece, layout, size) };
                        let kept = Held(moved, Layout::from_size_align(size, layout.align()).unwrap(), old);
                        prop_assert!(is_whole(&kept, layout.size()));
                        fill(&kept);
                        held.push(kept);
                    }
                    3 if !held.is_empty() => {
                        let at = which.index(held.len());
                        let Held(piece, layout, _) = held.swap_remove(at);
                        // SAFETY: it was given out with this layout.
                        unsafe { memory.dealloc(piece, layout) };
                    }
                    _ => {}
                }
                prop_assert!(held.iter().all(|one| is_whole(one, usize::MAX)));
            }
            for Held(piece, layout, _) in held {
                // SAFETY: it was given out with this layout.
                unsafe { memory.dealloc(piece, layout) };
            }
        }
    }

    #[test]
    fn what_was_given_back_is_given_next() {
        let memory = Pieces::new();
        let layout = Layout::from_size_align(40, 8).unwrap();
        // SAFETY: the layout has a size, and is the same throughout.
        unsafe {
            let (first, second) = (memory.alloc(layout), memory.alloc(layout));
            assert_ne!(first, second);
            memory.dealloc(first, layout);
            assert_eq!(memory.alloc(layout), first);
            // Of the same number of steps, so it stays where it is.
            assert_eq!(memory.realloc(first, layout, 48), first);
        }
    }
}
