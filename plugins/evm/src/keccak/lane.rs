//! What the permutation works on: one word, or two words of two states side by side.

/// A lane of the state.
pub(super) trait Lane: Copy {
    /// The same word in every state.
    fn constant(word: u64) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// `self ^ (!b & c)`.
    fn chi(self, b: Self, c: Self) -> Self;
    /// Rotated to the left.
    fn turn<const BY: u32>(self) -> Self;
}

impl Lane for u64 {
    #[inline(always)]
    fn constant(word: u64) -> Self {
        word
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        self ^ (!b & c)
    }

    #[inline(always)]
    fn turn<const BY: u32>(self) -> Self {
        self.rotate_left(BY)
    }
}

pub(super) use pair::Pair;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod pair {
    use super::Lane;
    use std::arch::wasm32::{u64x2, u64x2_extract_lane, u64x2_shl, u64x2_shr, u64x2_splat, v128};
    use std::arch::wasm32::{v128_andnot, v128_or, v128_xor};

    #[derive(Clone, Copy)]
    pub(in super::super) struct Pair(v128);

    impl Pair {
        #[inline(always)]
        pub(in super::super) fn new(one: u64, two: u64) -> Self {
            Self(u64x2(one, two))
        }

        pub(in super::super) fn words(self) -> [u64; 2] {
            [u64x2_extract_lane::<0>(self.0), u64x2_extract_lane::<1>(self.0)]
        }
    }

    impl Lane for Pair {
        #[inline(always)]
        fn constant(word: u64) -> Self {
            Self(u64x2_splat(word))
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            Self(v128_xor(self.0, other.0))
        }

        #[inline(always)]
        fn chi(self, b: Self, c: Self) -> Self {
            Self(v128_xor(self.0, v128_andnot(c.0, b.0)))
        }

        #[inline(always)]
        fn turn<const BY: u32>(self) -> Self {
            Self(v128_or(u64x2_shl(self.0, BY), u64x2_shr(self.0, 64 - BY)))
        }
    }
}

/// The processor's instructions used here belong to every processor of this kind: that is why each call is safe.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the intrinsics are unsafe to call without a target feature of their caller")]
mod pair {
    use super::Lane;
    use std::arch::x86_64::_mm_unpackhi_epi64;
    use std::arch::x86_64::{__m128i, _mm_cvtsi32_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi64x};
    use std::arch::x86_64::{_mm_andnot_si128, _mm_or_si128, _mm_sll_epi64, _mm_srl_epi64, _mm_xor_si128};

    #[derive(Clone, Copy)]
    pub(in super::super) struct Pair(__m128i);

    impl Pair {
        #[inline(always)]
        pub(in super::super) fn new(one: u64, two: u64) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm_set_epi64x(two.cast_signed(), one.cast_signed()) })
        }

        pub(in super::super) fn words(self) -> [u64; 2] {
            // SAFETY: see above.
            let [low, high] = unsafe {
                let high = _mm_unpackhi_epi64(self.0, self.0);
                [_mm_cvtsi128_si64(self.0), _mm_cvtsi128_si64(high)]
            };
            [low.cast_unsigned(), high.cast_unsigned()]
        }
    }

    impl Lane for Pair {
        #[inline(always)]
        fn constant(word: u64) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm_set1_epi64x(word.cast_signed()) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm_xor_si128(self.0, other.0) })
        }

        #[inline(always)]
        fn chi(self, b: Self, c: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm_xor_si128(self.0, _mm_andnot_si128(b.0, c.0)) })
        }

        #[inline(always)]
        fn turn<const BY: u32>(self) -> Self {
            // SAFETY: see above.
            Self(unsafe {
                let left = _mm_sll_epi64(self.0, _mm_cvtsi32_si128(BY.cast_signed()));
                let right = _mm_srl_epi64(self.0, _mm_cvtsi32_si128((64 - BY).cast_signed()));
                _mm_or_si128(left, right)
            })
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
mod pair {
    use super::Lane;

    #[derive(Clone, Copy)]
    pub(in super::super) struct Pair([u64; 2]);

    impl Pair {
        pub(in super::super) fn new(one: u64, two: u64) -> Self {
            Self([one, two])
        }

        pub(in super::super) fn words(self) -> [u64; 2] {
            self.0
        }
    }

    impl Lane for Pair {
        fn constant(word: u64) -> Self {
            Self([word; 2])
        }

        fn xor(self, other: Self) -> Self {
            Self([self.0[0] ^ other.0[0], self.0[1] ^ other.0[1]])
        }

        fn chi(self, b: Self, c: Self) -> Self {
            Self([self.0[0].chi(b.0[0], c.0[0]), self.0[1].chi(b.0[1], c.0[1])])
        }

        fn turn<const BY: u32>(self) -> Self {
            Self(self.0.map(u64::turn::<BY>))
        }
    }
}
