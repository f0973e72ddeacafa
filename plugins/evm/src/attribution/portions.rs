//! Portions: the fees of native coin that a call tells a router to pay before it pays out the rest, which leave no log.
//!
//! Uniswap's Universal Router (`Commands.sol` and `Dispatcher.sol` of `Uniswap/universal-router`, `Actions.sol` and
//! `V4Router.sol` of `Uniswap/v4-periphery`; PancakeSwap's are the same) carries out a list of commands, each with its input, and does
//! just what they say. Their routers for V3 (`PeripheryPaymentsWithFee.sol` of `Uniswap/v3-periphery` and
//! `PeripheryPaymentsWithFeeExtended.sol` of `Uniswap/swap-router-contracts`) unwrap less a fee, as one of several calls.

use alloy_primitives::{Address, U256};

/// `execute(bytes,bytes[],uint256)` and `execute(bytes,bytes[])`.
const EXECUTE: [[u8; 4]; 2] = [[0x35, 0x93, 0x56, 0x4c], [0x24, 0x85, 0x6b, 0xc3]];

/// `multicall(bytes[])`, and with a deadline or a block's hash before the list: where the place of the list stands.
const MULTICALL: [([u8; 4], usize); 3] =
    [([0xac, 0x96, 0x50, 0xd8], 0), ([0x5a, 0xe4, 0x01, 0xdc], 1), ([0x1f, 0x04, 0x64, 0xd1], 1)];

/// `unwrapWETH9WithFee(uint256,address,uint256,address)` and `unwrapWETH9WithFee(uint256,uint256,address)`: where the fee
/// stands, in ten-thousandths, before who gets it.
const UNWRAP_WITH_FEE: [([u8; 4], usize); 2] = [([0x9b, 0x2c, 0x0a, 0x37], 2), ([0xd4, 0xef, 0x38, 0xde], 1)];

/// `swapExactTokensForETH`, `swapTokensForExactETH` and `swapExactTokensForETHSupportingFeeOnTransferTokens` of V2's routers.
const SELL_FOR_COIN: [[u8; 4]; 3] = [[0x18, 0xcb, 0xaf, 0xe5], [0x4a, 0x25, 0xd9, 0x4a], [0x79, 0x1a, 0xc9, 0x47]];

/// The upper bits of a command are flags.
const COMMAND_MASK: u8 = 0x3f;
/// Pays a part of the router's balance of a token: token, recipient, ten-thousandths.
const PAY_PORTION: u8 = 0x06;
/// Actions on Uniswap V4's manager: `bytes actions, bytes[] params`.
const V4_SWAP: u8 = 0x10;
/// A list of commands inside the list.
const EXECUTE_SUB_PLAN: u8 = 0x21;

/// The action that takes a part of what the manager owes: currency, recipient, ten-thousandths.
const TAKE_PORTION: u8 = 0x10;

/// More commands, or lists within lists, are not looked at.
const MAX_COMMANDS: usize = 64;
const MAX_DEPTH: u8 = 2;

/// A part of native coin, in ten-thousandths, and who gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    recipient: Address,
    bips: U256,
}

/// The portions of native coin in a call, in order; none in a call of anything else.
pub(crate) fn portions_of_coin(call: &[u8]) -> Vec<Portion> {
    let mut portions = vec![];
    let Some((selector, arguments)) = call.split_first_chunk() else { return portions };
    if EXECUTE.contains(selector) {
        read_commands(arguments, 0, &mut portions);
    } else if let Some((_, place)) = MULTICALL.iter().find(|(multicall, _)| multicall == selector)
        && let Some(calls) = list(arguments, *place)
    {
        portions.extend(calls.into_iter().filter_map(fee_of_unwrapping));
    }
    portions
}

/// Whether a call is one of the published routers', which pay out all that they unwrap but for what the call itself tells them
/// to pay on: Uniswap's V2 and V3 routers and its Universal Router. Its selector tells, so their copies count too.
pub(crate) fn is_of_published_router(call: &[u8]) -> bool {
    let Some(selector) = call.first_chunk() else { return false };
    EXECUTE.contains(selector)
        || SELL_FOR_COIN.contains(selector)
        || MULTICALL.iter().any(|(multicall, _)| multicall == selector)
}

fn fee_of_unwrapping(call: &[u8]) -> Option<Portion> {
    let (selector, arguments) = call.split_first_chunk()?;
    let (_, place) = UNWRAP_WITH_FEE.iter().find(|(unwrap, _)| unwrap == selector)?;
    new_portion(word(arguments, place + 1)?, word(arguments, *place)?)
}

/// What is left of an amount after the portions, and what each of them is.
pub(crate) fn without_portions(amount: U256, portions: &[Portion]) -> (U256, Vec<(Address, U256)>) {
    let mut left = amount;
    let mut take = |portion: &Portion| {
        let part = left.saturating_mul(portion.bips) / U256::from(10_000);
        left = left.saturating_sub(part);
        (portion.recipient, part)
    };
    let paid = portions.iter().map(&mut take).collect();
    (left, paid)
}

fn read_commands(arguments: &[u8], depth: u8, portions: &mut Vec<Portion>) {
    let Some((commands, inputs)) = bytes_and_list(arguments) else { return };
    for (command, input) in commands.iter().zip(inputs) {
        match command & COMMAND_MASK {
            PAY_PORTION => portions.extend(portion(input)),
            EXECUTE_SUB_PLAN if depth < MAX_DEPTH => read_commands(input, depth + 1, portions),
            V4_SWAP => {
                let Some((actions, inputs)) = bytes_and_list(input) else { continue };
                let taken = actions.iter().zip(inputs).filter(|(action, _)| **action == TAKE_PORTION);
                portions.extend(taken.filter_map(|(_, input)| portion(input)));
            }
            _ => {}
        }
    }
}

/// A portion of native coin, which is the zero address.
fn portion(input: &[u8]) -> Option<Portion> {
    let [token, recipient, bips] = [word(input, 0)?, word(input, 1)?, word(input, 2)?];
    new_portion(recipient, bips).filter(|_| token.is_zero())
}

fn new_portion(recipient: U256, bips: U256) -> Option<Portion> {
    let recipient = Address::from_slice(&recipient.to_be_bytes::<32>()[12..]);
    (bips <= U256::from(10_000)).then_some(Portion { recipient, bips })
}

/// The first two of some arguments, as `bytes` and `bytes[]`.
fn bytes_and_list(arguments: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let bytes = bytes_at(arguments, usize::try_from(word(arguments, 0)?).ok()?)?;
    Some((bytes, list(arguments, 1)?))
}

/// A `bytes[]` among some arguments, by the number of the word that says where it is.
fn list(arguments: &[u8], place: usize) -> Option<Vec<&[u8]>> {
    let list = arguments.get(usize::try_from(word(arguments, place)?).ok()?..)?;
    let count = usize::try_from(word(list, 0)?).ok()?.min(MAX_COMMANDS);
    let elements = list.get(32..)?;
    let element = |at: usize| bytes_at(elements, usize::try_from(word(elements, at)?).ok()?);
    (0..count).map(element).collect()
}

fn bytes_at(data: &[u8], at: usize) -> Option<&[u8]> {
    let data = data.get(at..)?;
    data.get(32..)?.get(..usize::try_from(word(data, 0)?).ok()?)
}

fn word(data: &[u8], at: usize) -> Option<U256> {
    data.get(at.checked_mul(32)?..)?.get(..32).map(U256::from_be_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NATIVE: Address = Address::ZERO;
    const PAYEE: Address = Address::repeat_byte(7);

    fn words(words: &[U256]) -> Vec<u8> {
        words.iter().flat_map(U256::to_be_bytes::<32>).collect()
    }

    fn padded(bytes: &[u8]) -> Vec<u8> {
        let mut padded = words(&[U256::from(bytes.len())]);
        padded.extend(bytes);
        padded.resize(padded.len().next_multiple_of(32), 0);
        padded
    }

    /// `bytes, bytes[]` as arguments.
    fn plan(commands: &[u8], inputs: &[Vec<u8>]) -> Vec<u8> {
        let first = padded(commands);
        let elements: Vec<Vec<u8>> = inputs.iter().map(|input| padded(input)).collect();
        let mut offset = 32 * elements.len();
        let mut offsets = vec![U256::from(elements.len())];
        for element in &elements {
            offsets.push(U256::from(offset));
            offset += element.len();
        }
        [words(&[U256::from(64), U256::from(64 + first.len())]), first, words(&offsets), elements.concat()].concat()
    }

    fn of(token: Address, bips: u64) -> Vec<u8> {
        words(&[token.into_word().into(), PAYEE.into_word().into(), U256::from(bips)])
    }

    fn found(commands: &[u8], inputs: &[Vec<u8>]) -> Vec<u64> {
        let call = [&EXECUTE[0][..], &plan(commands, inputs)].concat();
        portions_of_coin(&call).into_iter().map(|portion| portion.bips.to()).collect()
    }

    #[test]
    fn portions_of_native_coin_are_found_wherever_they_stand() {
        let swap = vec![0; 32];
        assert_eq!(found(&[0, PAY_PORTION, 4], &[swap.clone(), of(NATIVE, 25), swap.clone()]), [25]);
        assert_eq!(found(&[PAY_PORTION | 0x80], &[of(NATIVE, 25)]), [25], "it may fail");
        assert_eq!(found(&[PAY_PORTION], &[of(PAYEE, 25)]), [0_u64; 0], "a token's transfer has a log");
        let actions = plan(&[6, 0x0b, TAKE_PORTION, 0x0e], &[swap.clone(), swap.clone(), of(NATIVE, 15), swap.clone()]);
        assert_eq!(found(&[V4_SWAP, PAY_PORTION], &[actions, of(NATIVE, 25)]), [15, 25]);
        assert_eq!(found(&[EXECUTE_SUB_PLAN], &[plan(&[PAY_PORTION], &[of(NATIVE, 9)])]), [9]);
        assert_eq!(found(&[0], std::slice::from_ref(&swap)), [0_u64; 0]);
        assert_eq!(portions_of_coin(&[&[1, 2, 3, 4][..], &plan(&[PAY_PORTION], &[of(NATIVE, 25)])].concat()), []);
        // V3's routers: with who gets the rest before the fee, and without.
        let rest = PAYEE.into_word().into();
        let with_fee = |(selector, place): ([u8; 4], usize)| {
            let arguments = [U256::ZERO, rest, U256::from(25), PAYEE.into_word().into()];
            [&selector[..], &words(&arguments[2 - place..])].concat()
        };
        let several = |(selector, place): ([u8; 4], usize)| {
            let calls = plan(&[], &[swap.clone(), with_fee(UNWRAP_WITH_FEE[0]), with_fee(UNWRAP_WITH_FEE[1])]);
            // The list alone, behind what stands before it.
            let offset = U256::from(32 * (place + 1));
            [&selector[..], &words(&[vec![U256::from(7); place], vec![offset]].concat()), &calls[96..]].concat()
        };
        for multicall in MULTICALL {
            let bips: Vec<u64> = portions_of_coin(&several(multicall)).iter().map(|of| of.bips.to()).collect();
            assert_eq!(bips, [25, 25], "{multicall:?}");
            assert!(portions_of_coin(&several(multicall)).iter().all(|of| of.recipient == PAYEE));
        }
        let portions = [100, 50].map(|bips| Portion { recipient: PAYEE, bips: U256::from(bips) });
        let (left, paid) = without_portions(U256::from(10_000), &portions);
        assert_eq!((left, paid[0].1, paid[1].1), (U256::from(9_851), U256::from(100), U256::from(49)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut call in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 4..500)) {
            call[..4].copy_from_slice(&EXECUTE[1]);
            let _ = portions_of_coin(&call);
        }
    }
}
