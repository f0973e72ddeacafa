//! Contracts for tests, put together instruction by instruction: what deceives, and what carries out any list of calls.

use alloy_primitives::keccak256;
use anyhow::{Context, ensure};

/// Bytecode.
#[derive(Default)]
pub struct Code(Vec<u8>);

/// In a call of the caller's list: all native coin that the contract has by then.
pub const ALL: u128 = u128::MAX;

/// A call in the list that [`Code::calls`] carries out.
pub struct InnerCall<'a> {
    /// Who is called.
    pub to: &'a str,
    /// With how much native coin, or [`ALL`].
    pub value: u128,
    /// The call's data, in hex with prefix.
    pub data: String,
}

/// The data of a call that has the contract of [`Code::calls`] carry out these, in their order.
pub fn calls_data(calls: &[InnerCall<'_>]) -> String {
    let call = |InnerCall { to, value, data }: &InnerCall<'_>| {
        let data = data.trim_start_matches("0x");
        let value = if *value == ALL { "f".repeat(64) } else { format!("{value:064x}") };
        format!("{:0>64}{value}{:064x}{data}", to.trim_start_matches("0x"), data.len() / 2)
    };
    format!("0x{}", calls.iter().map(call).collect::<String>())
}

impl Code {
    /// Adds instructions.
    #[must_use]
    pub fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Pushes up to 32 bytes.
    #[must_use]
    pub fn push(self, bytes: &[u8]) -> Self {
        // At most 32, so it always fits.
        let code = 0x5f_u8.saturating_add(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        self.op(&[code]).op(bytes)
    }

    /// Stores a number at a place in memory.
    #[must_use]
    pub fn store(self, value: u128, place: u8) -> Self {
        self.push(&value.to_be_bytes()).push(&[place]).op(&[0x52])
    }

    /// Answers a call whose data begins with this selector with one word.
    pub fn answers(self, name: &str, address: &str) -> anyhow::Result<Self> {
        let next = u8::try_from(self.0.len() + 45).context("the code is too long for short jumps")?;
        let word = hex::decode(address.trim_start_matches("0x"))?;
        // CALLDATALOAD(0) >> 224 == selector, else on to the next.
        Ok(self
            .push(&[0])
            .op(&[0x35])
            .push(&[0xe0])
            .op(&[0x1c])
            .push(&keccak256(name)[..4])
            .op(&[0x14, 0x15])
            .push(&[next])
            .op(&[0x57])
            .push(&word)
            .push(&[0])
            .op(&[0x52])
            .push(&[0x20])
            .push(&[0])
            .op(&[0xf3])
            .op(&[0x5b]))
    }

    /// Emits one event with the contract and its caller as indexed addresses, and `size` bytes of memory, so many times.
    pub fn emits(self, event: &str, size: u8, times: u16) -> anyhow::Result<Self> {
        let code = self.push(&times.to_be_bytes());
        let start = u16::try_from(code.0.len()).context("the code is too long")?;
        Ok(code
            .op(&[0x5b, 0x33, 0x30])
            .push(keccak256(event).as_slice())
            .push(&[size])
            .push(&[0])
            .op(&[0xa3])
            .push(&[1])
            .op(&[0x90, 0x03, 0x80])
            .push(&start.to_be_bytes())
            .op(&[0x57, 0x50]))
    }

    /// Carries out the calls that the data lists, whoever asks; all fail if one does. A router, or what an account that lends
    /// its address a contract's code runs. Called without data it takes what it is paid.
    #[must_use]
    pub fn calls() -> Self {
        // On the stack: where in the data the next call begins.
        let (start, skip, fail, end) = ([2], [38], [54], [58]);
        Self::default()
            .push(&[0])
            // JUMPDEST; if !(size > place) end
            .op(&[0x5b, 0x80, 0x36, 0x11, 0x15])
            .push(&end)
            .op(&[0x57])
            // The size of the call's data, and the data into memory.
            .op(&[0x80])
            .push(&[64])
            .op(&[0x01, 0x35, 0x80, 0x82])
            .push(&[96])
            .op(&[0x01, 0x5f, 0x37])
            // CALL(gas, to, value, 0, size, 0, 0); a value of all ones is what there is.
            .op(&[0x5f, 0x5f, 0x82, 0x5f, 0x85])
            .push(&[32])
            .op(&[0x01, 0x35, 0x80, 0x19])
            .push(&skip)
            .op(&[0x57, 0x50, 0x47, 0x5b])
            .op(&[0x86, 0x35, 0x5a, 0xf1, 0x15])
            .push(&fail)
            .op(&[0x57, 0x01])
            .push(&[96])
            .op(&[0x01])
            .push(&start)
            .op(&[0x56])
            // fail: JUMPDEST; REVERT(0, 0). end: JUMPDEST; STOP
            .op(&[0x5b, 0x5f, 0x5f, 0xfd])
            .op(&[0x5b, 0x00])
    }

    /// The transaction's data that deploys it.
    pub fn deploying(self) -> anyhow::Result<String> {
        let code = self.op(&[0x00]).0;
        let size = u16::try_from(code.len()).context("the code is too long")?.to_be_bytes();
        // CODECOPY(0, 12, size); RETURN(0, size)
        let start = Self::default().push(&size).op(&[0x80]).push(&[12]).push(&[0]).op(&[0x39]).push(&[0]).op(&[0xf3]);
        ensure!(start.0.len() == 12, "the code begins behind 12 bytes");
        Ok(format!("0x{}{}", hex::encode(start.0), hex::encode(code)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jumps lead to where a JUMPDEST stands.
    #[test]
    fn jumps_of_the_list_of_calls_land() {
        let code = Code::calls().0;
        for place in [2, 38, 54, 58] {
            assert_eq!(code.get(place), Some(&0x5b), "at {place}: {}", hex::encode(&code));
        }
    }
}
