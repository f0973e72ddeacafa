//! A small deterministic random generator: the same words give the same numbers on every machine.

/// A byte as two hex digits.
fn digits(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'))
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// A generator that is seeded by words.
    pub fn from_words(words: &[u64]) -> Self {
        let mut random = Self(0x7461_7065);
        for word in words {
            random.0 ^= *word;
            random.0 = random.draw();
        }
        random
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// Random bytes in hexadecimal: `0x…`.
    pub fn hex(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(2 + 2 * bytes);
        text.push_str("0x");
        while text.len() < 2 + 2 * bytes {
            text.extend(self.draw().to_be_bytes().into_iter().flat_map(digits));
        }
        text.truncate(2 + 2 * bytes);
        text
    }
}
