//! Keccak-256 of many messages, two at a time: most of the time of a proof goes here.
//!
//! The permutation is written once, over a lane that is one 64-bit word, or one word of each of two states side by
//! side where the machine has 128-bit registers. Rounds are written out: compiled to WebAssembly, a permutation over an
//! array with computed places takes three times as long.

#![expect(clippy::inline_always, reason = "a lane's operation is one instruction, and a round only works on registers")]

mod lane;

use alloy_primitives::B256;
use lane::{Lane, Pair};

/// Bytes that one permutation absorbs.
const RATE: usize = 136;

const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// The hash of one message.
pub(crate) fn hash(message: &[u8]) -> B256 {
    let (mut state, mut padded) = ([0_u64; 25], [0; RATE]);
    for block in 0..blocks(message) {
        let block = block_of(message, block, &mut padded);
        for (lane, at) in state.iter_mut().zip(0..RATE / 8) {
            *lane ^= word(block, at);
        }
        permute(&mut state);
    }
    digest(|at| state[at])
}

/// The hash of each message, in their order.
pub(crate) fn hash_all(messages: &[&[u8]]) -> Vec<B256> {
    let mut order: Vec<usize> = (0..messages.len()).collect();
    // Neighbours are of about the same length, so that neither of a pair waits long for the other.
    order.sort_unstable_by_key(|at| blocks(messages[*at]));
    let mut hashes = vec![B256::ZERO; messages.len()];
    for pair in order.chunks(2) {
        match *pair {
            [short, long] => [hashes[short], hashes[long]] = hash_pair(messages[short], messages[long]),
            [last] => hashes[last] = hash(messages[last]),
            _ => {}
        }
    }
    hashes
}

/// Both hashes; the first message is not the longer.
fn hash_pair(short: &[u8], long: &[u8]) -> [B256; 2] {
    let mut state = [Pair::constant(0); 25];
    let mut padded = [[0; RATE]; 2];
    let mut first = B256::ZERO;
    let ends = blocks(short);
    for block in 0..blocks(long) {
        let [one, two] = &mut padded;
        let (one, two) = (block_of(short, block, one), block_of(long, block, two));
        for (lane, at) in state.iter_mut().zip(0..RATE / 8) {
            *lane = lane.xor(Pair::new(word(one, at), word(two, at)));
        }
        permute(&mut state);
        if block + 1 == ends {
            first = digest(|at| state[at].words()[0]);
        }
    }
    [first, digest(|at| state[at].words()[1])]
}

/// How many blocks a message is absorbed in; the padding takes at least one byte.
fn blocks(message: &[u8]) -> usize {
    message.len() / RATE + 1
}

fn digest(word: impl Fn(usize) -> u64) -> B256 {
    let mut bytes = [0; 32];
    for (at, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&word(at).to_le_bytes());
    }
    B256::new(bytes)
}

/// One block of a message; the last is padded in the place lent for it.
#[inline]
fn block_of<'a>(message: &'a [u8], block: usize, padded: &'a mut [u8; RATE]) -> &'a [u8; RATE] {
    let rest = message.get(block * RATE..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return whole;
    }
    padded.fill(0);
    padded[..rest.len()].copy_from_slice(rest);
    padded[rest.len()] = 0x01;
    padded[RATE - 1] |= 0x80;
    padded
}

#[inline(always)]
fn word(block: &[u8; RATE], at: usize) -> u64 {
    block[8 * at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

fn permute<L: Lane>(state: &mut [L; 25]) {
    for constant in ROUNDS {
        round(state, constant);
    }
}

#[inline(always)]
fn round<L: Lane>(s: &mut [L; 25], constant: u64) {
    let column = |x: usize| s[x].xor(s[x + 5]).xor(s[x + 10]).xor(s[x + 15]).xor(s[x + 20]);
    let c = [column(0), column(1), column(2), column(3), column(4)];
    let d = [
        c[4].xor(c[1].turn::<1>()),
        c[0].xor(c[2].turn::<1>()),
        c[1].xor(c[3].turn::<1>()),
        c[2].xor(c[4].turn::<1>()),
        c[3].xor(c[0].turn::<1>()),
    ];
    let a = *s;
    let row = |b: [L; 5]| {
        [b[0].chi(b[1], b[2]), b[1].chi(b[2], b[3]), b[2].chi(b[3], b[4]), b[3].chi(b[4], b[0]), b[4].chi(b[0], b[1])]
    };
    let first = row([
        a[0].xor(d[0]),
        a[6].xor(d[1]).turn::<44>(),
        a[12].xor(d[2]).turn::<43>(),
        a[18].xor(d[3]).turn::<21>(),
        a[24].xor(d[4]).turn::<14>(),
    ]);
    s[..5].copy_from_slice(&first);
    s[0] = s[0].xor(L::constant(constant));
    s[5..10].copy_from_slice(&row([
        a[3].xor(d[3]).turn::<28>(),
        a[9].xor(d[4]).turn::<20>(),
        a[10].xor(d[0]).turn::<3>(),
        a[16].xor(d[1]).turn::<45>(),
        a[22].xor(d[2]).turn::<61>(),
    ]));
    s[10..15].copy_from_slice(&row([
        a[1].xor(d[1]).turn::<1>(),
        a[7].xor(d[2]).turn::<6>(),
        a[13].xor(d[3]).turn::<25>(),
        a[19].xor(d[4]).turn::<8>(),
        a[20].xor(d[0]).turn::<18>(),
    ]));
    s[15..20].copy_from_slice(&row([
        a[4].xor(d[4]).turn::<27>(),
        a[5].xor(d[0]).turn::<36>(),
        a[11].xor(d[1]).turn::<10>(),
        a[17].xor(d[2]).turn::<15>(),
        a[23].xor(d[3]).turn::<56>(),
    ]));
    s[20..25].copy_from_slice(&row([
        a[2].xor(d[2]).turn::<62>(),
        a[8].xor(d[3]).turn::<55>(),
        a[14].xor(d[4]).turn::<39>(),
        a[15].xor(d[0]).turn::<41>(),
        a[21].xor(d[1]).turn::<2>(),
    ]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use proptest::prelude::*;

    #[test]
    fn every_length_around_a_block_hashes_as_the_library_does() {
        let bytes: Vec<u8> = (0..=255).cycle().take(600).collect();
        for length in 0..bytes.len() {
            assert_eq!(hash(&bytes[..length]), keccak256(&bytes[..length]), "{length}");
        }
    }

    proptest! {
        #[test]
        fn many_hash_as_each_alone(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 0..9)) {
            let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            let expected: Vec<B256> = messages.iter().map(keccak256).collect();
            prop_assert_eq!(hash_all(&slices), expected);
        }
    }
}
