//! The list of venues: whose events are swaps, and how each is read. Adding a venue touches its own file and this list.

pub mod v2;
pub mod v3;
pub mod v4;
pub mod curve;
pub mod balancer;
pub mod dodo;
pub mod maverick;
pub mod book;
pub mod woofi;
pub mod fluid;
pub mod zerox;
pub mod hashflow;
pub mod uniswap_v1;
pub mod saddle;
pub mod izumi;
pub mod carbon;
pub mod infinity;
pub mod bancor;
pub mod psm;
pub mod ekubo;
pub mod dex_lite;
pub mod euler_swap;
pub mod clober;

use crate::hex;
use crate::model::{Emitter, Venue};
use crate::rpc::Log;
use alloy_primitives::Address;

/// All venues; a log carries the index of its own.
pub static VENUES: [Venue; 41] = [
    v2::UNISWAP_V2,
    v3::UNISWAP_V3,
    v4::UNISWAP_V4,
    v2::SOLIDLY,
    v3::PANCAKE_V3,
    v3::ALGEBRA_INTEGRAL,
    curve::CURVE_STABLE,
    curve::CURVE_UNDERLYING,
    curve::CURVE_CRYPTO,
    curve::CURVE_CRYPTO_NG,
    balancer::BALANCER_V1,
    balancer::BALANCER_V2,
    balancer::BALANCER_V3,
    dodo::DODO_V2,
    maverick::MAVERICK_V1,
    maverick::MAVERICK_V2,
    book::LIQUIDITY_BOOK,
    woofi::WOOFI,
    v2::KYBERSWAP_CLASSIC,
    fluid::FLUID,
    zerox::ZEROX_RFQ,
    zerox::ZEROX_OTC,
    zerox::ZEROX_LIMIT,
    hashflow::HASHFLOW_V1,
    hashflow::HASHFLOW_V2,
    uniswap_v1::UNISWAP_V1_BUY,
    uniswap_v1::UNISWAP_V1_SELL,
    saddle::SADDLE,
    izumi::IZISWAP,
    carbon::CARBON,
    infinity::PANCAKE_INFINITY_CL,
    infinity::PANCAKE_INFINITY_BIN,
    bancor::BANCOR_V2,
    bancor::BANCOR_V3,
    psm::PSM_SELL,
    psm::PSM_BUY,
    ekubo::EKUBO,
    dex_lite::DEX_LITE,
    euler_swap::EULER_SWAP_V1,
    euler_swap::EULER_SWAP_V2,
    clober::CLOBER_V2,
];

/// A vault or manager that the settings list, beside those that are built in: its address, its venue's name.
pub type ListedVault = (Address, &'static str);

/// The venues that others run vaults or managers of.
pub const VENUES_OF_VAULTS: [&str; 3] = [balancer::BALANCER_V2.name, balancer::BALANCER_V3.name, v4::UNISWAP_V4.name];

/// The name of a venue that others run vaults or managers of.
pub fn vault_venue(name: &str) -> Option<&'static str> {
    VENUES_OF_VAULTS.into_iter().find(|known| *known == name)
}

/// The venue whose swap event this log may be, and whose word it is; `listed` are the vaults of the settings.
#[inline]
pub fn venue_of(log: &Log<'_>, listed: &[ListedVault]) -> Option<(&'static Venue, Emitter)> {
    let venue = &VENUES[log.venue()?];
    if !venue.is_vault() {
        return Some((venue, Emitter::Pool));
    }
    let emitter = hex::address(log.address)?;
    let is_listed = venue.emitters.contains(&emitter) || listed.contains(&(emitter, venue.name));
    Some((venue, if is_listed { Emitter::ListedVault } else { Emitter::UnlistedVault }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events;
    use alloy_primitives::keccak256;
    use chain_plugin_sdk::json::Cursor;
    use proptest::prelude::*;

    /// As explorers show them for the large venues.
    #[test]
    fn topics_are_those_that_the_chain_has() {
        let topic = |venue: Venue| hex::encode(keccak256(venue.signature));
        let known = [
            (v2::UNISWAP_V2, "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822"),
            (v3::UNISWAP_V3, "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"),
            (v4::UNISWAP_V4, "0x40e9cecb9f5f1f1c5b9c97dec2917b7ee92e57ba5563708daca94dd84ad7112f"),
            (v2::SOLIDLY, "0xb3e2773606abfd36b5bd91394b3a54d1398336c65005baf7bf7a05efeffaf75b"),
            (v3::PANCAKE_V3, "0x19b47279256b2a23a1665c810c8d55a1758940ee09377d4f8d26497a3577dc83"),
            (curve::CURVE_STABLE, "0x8b3e96f2b889fa771c53c981b40daf005f63f637f1869f707052d15a3dd97140"),
            (curve::CURVE_UNDERLYING, "0xd013ca23e77a65003c2c659c5442c00c805371b7fc1ebd4c206c41d1536bd90b"),
            (curve::CURVE_CRYPTO, "0xb2e76ae99761dc136e598d4a629bb347eccb9532a5f8bbd72e18467c3c34cc98"),
            (curve::CURVE_CRYPTO_NG, "0x143f1f8e861fbdeddd5b46e844b7d3ac7b86a122f36e8c463859ee6811b1f29c"),
            (balancer::BALANCER_V1, "0x908fb5ee8f16c6bc9bc3690973819f32a4d4b10188134543c88706e0e1d43378"),
            (balancer::BALANCER_V2, "0x2170c741c41531aec20e7c107c24eecfdd15e69c9bb0a8dd37b1840b9e0b207b"),
            (maverick::MAVERICK_V1, "0x3b841dc9ab51e3104bda4f61b41e4271192d22cd19da5ee6e292dc8e2744f713"),
            (maverick::MAVERICK_V2, "0x103ed084e94a44c8f5f6ba8e3011507c41063177e29949083c439777d8d63f60"),
            (book::LIQUIDITY_BOOK, "0xad7d6f97abf51ce18e17a38f4d70e975be9c0708474987bb3e26ad21bd93ca70"),
            (fluid::FLUID, "0xdc004dbca4ef9c966218431ee5d9133d337ad018dd5b5c5493722803f75c64f7"),
            (zerox::ZEROX_RFQ, "0x829fa99d94dc4636925b38632e625736a614c154d55006b7ab6bea979c210c32"),
            (zerox::ZEROX_OTC, "0xac75f773e3a92f1a02b12134d65e1f47f8a14eabe4eaf1e24624918e6a8b269f"),
            (zerox::ZEROX_LIMIT, "0xab614d2b738543c0ea21f56347cf696a3a0c42a7cbec3212a5ca22a4dcff2124"),
            (hashflow::HASHFLOW_V1, "0x8cf3dec1929508e5677d7db003124e74802bfba7250a572205a9986d86ca9f1e"),
            (hashflow::HASHFLOW_V2, "0x34f57786fb01682fb4eec88d340387ef01a168fe345ea5b76f709d4e560c10eb"),
            (uniswap_v1::UNISWAP_V1_BUY, "0xcd60aa75dea3072fbc07ae6d7d856b5dc5f4eee88854f5b4abf7b680ef8bc50f"),
            (uniswap_v1::UNISWAP_V1_SELL, "0x7f4091b46c33e918a0f3aa42307641d17bb67029427a5369e54b353984238705"),
            (saddle::SADDLE, "0xc6c1e0630dbe9130cc068028486c0d118ddcea348550819defd5cb8c257f8a38"),
            (v2::KYBERSWAP_CLASSIC, "0x606ecd02b3e3b4778f8e97b2e03351de14224efaa5fa64e62200afc9395c2499"),
            (izumi::IZISWAP, "0x0fe977d619f8172f7fdbe8bb8928ef80952817d96936509f67d66346bc4cd10f"),
            (carbon::CARBON, "0x95f3b01351225fea0e69a46f68b164c9dea10284f12cd4a907ce66510ab7af6a"),
            (woofi::WOOFI, "0x0e8e403c2d36126272b08c75823e988381d9dc47f2f0a9a080d95f891d95c469"),
            (infinity::PANCAKE_INFINITY_CL, "0x04206ad2b7c0f463bff3dd4f33c5735b0f2957a351e4f79763a4fa9e775dd237"),
            (bancor::BANCOR_V2, "0x276856b36cbc45526a0ba64f44611557a2a8b68662c5388e9fe6d72e86e1c8cb"),
            (psm::PSM_SELL, "0xef75f5a47cc9a929968796ceb84f19e7541617b4577f2c228ea95200e1572081"),
            (psm::PSM_BUY, "0x085d06ecf4c34b237767a31c0888e121d89546a77f186f1987c6b8715e1a8caa"),
            (dex_lite::DEX_LITE, "0xfbce846c23a724e6e61161894819ec46c90a8d3dd96e90e7342c6ef49ffb539c"),
            (euler_swap::EULER_SWAP_V1, "0x4813b0ad1586a6c47f088a07b488c1eadc58e7e7a9c3f1a71b3f33c5379133aa"),
            (clober::CLOBER_V2, "0xc4c20b9c4a5ada3b01b7a391a08dd81a1be01dd8ef63170dd9da44ecee3db11b"),
            (dodo::DODO_V2, "0xc2c0245e056d5fb095f04cd6373bc770802ebd1e6c918eb78fdef843cdb37b0f"),
        ];
        for (venue, expected) in known {
            assert_eq!(topic(venue), expected, "{}", venue.name);
        }
    }

    proptest! {
        /// Whatever a log holds, no venue panics.
        #[test]
        fn any_bytes_are_read_or_refused(
            venue in 0..VENUES.len(), topics in 0_u64..5, data in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..4
        ) {
            let venue = &VENUES[venue];
            let topics: Vec<String> = (0..topics).map(|topic| format!(r#""0x{:064x}""#, u128::MAX - u128::from(topic))).collect();
            let encoded = hex::encode(&data);
            let json = format!(
                r#"{{"address":"0x{}","topics":[{}],"data":"{}"}}"#,
                "ab".repeat(20 - cut / 3), topics.iter().take(4).cloned().collect::<Vec<_>>().join(","), &encoded[..encoded.len() - cut.min(encoded.len())]
            );
            if let Ok(log) = Log::read(&mut Cursor::new(&json), events::table()) {
                let _ = (venue.read)(&log);
            }
            let _ = hex::padded_address(&json);
        }

        #[test]
        fn any_words_are_read_or_refused(venue in 0..VENUES.len(), words in prop::collection::vec(any::<[u8; 32]>(), 0..10)) {
            let venue = &VENUES[venue];
            for topics in 0..4 {
                let topics: Vec<String> = (0..topics).map(|topic| format!(r#""0x{topic:064x}""#)).collect();
                let json = format!(
                    r#"{{"address":"0x{}","topics":[{}],"data":"{}"}}"#,
                    "ab".repeat(20), topics.join(","), hex::encode(words.concat())
                );
                if let Ok(log) = Log::read(&mut Cursor::new(&json), events::table()) {
                    let _ = (venue.read)(&log);
                }
            }
        }
    }
}
