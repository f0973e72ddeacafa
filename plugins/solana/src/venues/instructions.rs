//! The instructions that exchange nothing, by their discriminators: those that move liquidity, fees or loans. The parties
//! of such a call may give one asset and get another like those of a swap.
//!
//! **Invariant:** no list is needed to see a swap. An instruction that is not listed is judged by its transfers.

/// An Anchor instruction: its name, and the first eight bytes of the SHA-256 of `global:` and the name, which begin its
/// data.
type Named = (&'static str, u64);

/// A program that Anchor did not make: the first byte of its data names the instruction.
struct Tagged {
    program: &'static str,
    tags: Tags,
}

enum Tags {
    /// All others exchange nothing.
    Swaps(&'static [u8]),
    /// Others may be swaps.
    NoSwaps(&'static [u8]),
}

impl Tagged {
    fn is_no_swap(&self, tag: u8) -> bool {
        match self.tags {
            Tags::Swaps(swaps) => !swaps.contains(&tag),
            Tags::NoSwaps(no_swaps) => no_swaps.contains(&tag),
        }
    }
}

const fn token_swap(program: &'static str) -> Tagged {
    Tagged { program, tags: Tags::NoSwaps(&[0, 2, 3, 4, 5]) }
}

const TAGGED: [Tagged; 9] = [
    // Raydium's AMM: in and out, with and without an order book.
    Tagged { program: "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8", tags: Tags::Swaps(&[9, 11, 16, 17]) },
    // Phoenix: swaps and orders that may cross the book.
    Tagged { program: "PhoeNiXZ8ByJGLkxNfZRnkUfjvmuYqLR89jjFHGqdXY", tags: Tags::Swaps(&[0, 1, 2, 3]) },
    Tagged { program: "MNFSTqtC93rEfYHB6hF82sKdZpUDFWkViLByLd1k1Ms", tags: Tags::NoSwaps(&[0, 1, 2, 3]) },
    // The token program's own swap: Orca, Saros, Penguin, Step.
    token_swap("DjVE6JNiYqPL2QXyCUUh8rNjHrbz9hXHNYt99MQ59qw1"),
    token_swap("9W959DqEETiGZocYWCQPaJ6sBmUzgfxXfqGeTEdp3aQP"),
    token_swap("SSwapUtytfBdBn1b9NUGG6foMVPtcWgpRU32HToDUZr"),
    token_swap("PSwapMdSai8tjrEXcxFeQth87xC4rRsa4VA5mhGhXkP"),
    token_swap("Dooar9JkhdZ7J3LHN3A7YCuoGRUggXhQaG4kijfLGU2j"),
    // Saber's stable swap.
    Tagged { program: "SSwpkEEcbUqx4vtoEByFjSkhKdCT862DNVb52nZg1UZ", tags: Tags::NoSwaps(&[0, 2, 3, 4]) },
];

/// Programs that lend. Nothing they do is a swap, whoever crosses a pool beside them.
const LENDERS: [&str; 7] = [
    // Kamino, Solend, marginfi, Port.
    "KLend2g3cP87fffoy8q1mQqGKjrxjC8boSyAYavgmjD",
    "So1endDq2YkqhipRh3WViPa8hdiSpxWy6z3Z6tMCpAo",
    "MFv2hWf31Z9kbCa1snEPYctwafyhdvnV7FZnsebVacA",
    "Port7uDYB3wk6GJAw4KT1WpTeMtSu9bTcChBHkX2LfR",
    // Drift, Mango.
    "dRiftyHA39MWEi3m9aunc5MzRF1JYuBsbn6VPcn33UH",
    "4MangoMjqJ2firMokCjjGgoK8d4MXcrgL7XJaL3w6fVg",
    // Jupiter's vaults of loans.
    "jupr81YtYssSyPt8jbnGuiWon5f6x9TcDEFxYe3Bdzi",
];

/// Whether an instruction of a known venue exchanges nothing: it moves liquidity, fees, rewards or loans, or makes or
/// migrates a pool.
pub(crate) fn is_no_swap(program: &str, data: &[u8]) -> bool {
    match TAGGED.iter().find(|tagged| tagged.program == program) {
        Some(tagged) => data.first().is_some_and(|tag| tagged.is_no_swap(*tag)),
        None => discriminator_of(data).is_some_and(|known| is_listed(NO_SWAPS, known)),
    }
}

/// Whether an instruction of a program that is no known venue lends, or moves liquidity.
pub(crate) fn is_loan_or_liquidity(program: &str, data: &[u8]) -> bool {
    let is_one = |known| is_listed(LOANS, known) || is_listed(NO_SWAPS, known);
    LENDERS.contains(&program) || discriminator_of(data).is_some_and(is_one)
}

fn is_listed(list: &[Named], discriminator: u64) -> bool {
    list.iter().any(|(_, known)| *known == discriminator)
}

fn discriminator_of(data: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(data.get(..8)?.try_into().ok()?))
}

/// Instructions of venues that exchange nothing.
const NO_SWAPS: &[Named] = &[
    ("add_balance_liquidity", 0xa8e3_323e_bdab_54b0),
    ("add_imbalance_liquidity", 0x4f23_7a54_ad0f_5dbf),
    ("add_liquidity", 0xb59d_5943_8fb6_3448),
    ("add_liquidity2", 0xe4a2_4e1c_46db_7473),
    ("add_liquidity_by_strategy", 0x0703_967f_9428_3dc8),
    ("add_liquidity_by_strategy2", 0x03dd_95da_6f8d_76d5),
    ("add_liquidity_by_strategy_one_side", 0x2905_eeaf_64e1_06cd),
    ("add_liquidity_by_weight", 0x1c8c_ee63_e7a2_1595),
    ("add_liquidity_by_weight2", 0xd13b_3f5b_6fc8_99e4),
    ("add_liquidity_one_side", 0x5e9b_6797_465f_dca5),
    ("add_liquidity_one_side_precise", 0xa1c2_6754_ab47_fa9a),
    ("add_liquidity_one_side_precise2", 0x2133_a3c9_7562_7de7),
    ("add_liquidity_v2", 0x7e76_d225_50be_1369),
    ("bootstrap_liquidity", 0x04e4_d747_e1fd_77ce),
    ("cancel_all_orders", 0xc453_f3ab_1164_a08f),
    ("cancel_limit_order", 0x849c_841f_4328_e861),
    ("cancel_order", 0x5f81_edf0_0831_df84),
    ("claim_cashback", 0x253a_237e_be35_e4c5),
    ("claim_cashback_v2", 0x7af3_cc41_5e74_1d37),
    ("claim_creator_fee", 0x1a61_8acb_84ab_8dfc),
    ("claim_creator_trading_fee", 0x52dc_fabd_0355_6b2d),
    ("claim_fee", 0xa920_4f89_88e8_4689),
    ("claim_fee2", 0x70bf_65ab_1c90_7fbb),
    ("claim_partner_fee", 0x61ce_2769_5e5e_7e94),
    ("claim_partner_pool_creation_fee", 0xfaee_1a04_8b0a_65f8),
    ("claim_platform_fee", 0x9c27_d087_4ced_3d48),
    ("claim_platform_fee_from_vault", 0x75f1_c6a8_f8da_501d),
    ("claim_position_fee", 0xb426_9a11_8521_a2d3),
    ("claim_protocol_fee", 0xa5e4_8530_63f9_ff21),
    ("claim_protocol_pool_creation_fee", 0x72cd_53bc_f099_1936),
    ("claim_reward", 0x955f_b5f2_5e5a_9ea2),
    ("claim_reward2", 0xbe03_7f77_b257_9db7),
    ("claim_token_incentives", 0x1004_471c_cc01_281b),
    ("claim_trading_fee", 0x08ec_5931_987d_b151),
    ("claim_vested_token", 0x3121_681e_bd9d_4f23),
    ("close_bundled_position", 0x2924_d8f5_1b55_6743),
    ("close_limit_order_if_empty", 0x397c_249b_7ef9_5dab),
    ("close_position", 0x7b86_5100_3144_6262),
    ("close_position2", 0xae5a_2373_ba28_93e2),
    ("close_position_if_empty", 0x3b7c_d476_5b98_6e9d),
    ("close_position_with_token_extensions", 0x01b6_873b_9b19_63df),
    ("collect", 0xd02f_c29b_1162_52ec),
    ("collect_coin_creator_fee", 0xa039_592a_b58b_2b42),
    ("collect_creator_fee", 0x1416_567b_c61c_db84),
    ("collect_creator_fee_permissionless", 0xcaca_2253_e27a_91e5),
    ("collect_creator_fee_v2", 0xcf11_8af2_0422_1338),
    ("collect_fee", 0x3cad_f767_045d_8230),
    ("collect_fees", 0xa498_cf63_1eba_13b6),
    ("collect_fees_v2", 0xcf75_5fbf_e5b4_e20f),
    ("collect_fund_fee", 0xa78a_4e95_dfc2_067e),
    ("collect_migrate_fee", 0xffba_96df_eb76_c9ba),
    ("collect_protocol_fee", 0x8888_fcdd_c242_7e59),
    ("collect_protocol_fees", 0x1643_1762_96b2_46dc),
    ("collect_protocol_fees_v2", 0x6780_de86_72c8_16c8),
    ("collect_remaining_rewards", 0x12ed_a6c5_2210_d590),
    ("collect_reward", 0x4605_8457_56eb_b122),
    ("collect_reward_v2", 0xb16b_25b4_a013_31d1),
    ("create", 0x181e_c828_051c_0777),
    ("create_basket", 0x2f69_9b94_0fa9_cad3),
    ("create_pool", 0xe992_d18e_cf68_40bc),
    ("create_position", 0x30d7_c599_60cb_b485),
    ("create_v2", 0xd690_4cec_5f8b_31b4),
    ("creator_withdraw_surplus", 0xa503_8907_1c86_4c50),
    ("decrease_limit_order", 0x759d_3c67_4231_a300),
    ("decrease_liquidity", 0xa026_d06f_685b_2c01),
    ("decrease_liquidity_v2", 0x3a7f_bc3e_4f52_c460),
    ("deposit", 0xf223_c689_52e1_f2b6),
    ("deposit_all_token_types", 0x205f_453c_4b4f_cdee),
    ("deposit_liquidity", 0xf563_3b19_9747_e9f9),
    ("deposit_single_token_type", 0xaf00_9829_c700_942b),
    ("deposit_single_token_type_exact_amount_in", 0x63cf_042a_589d_2d37),
    ("distribute_creator_fees", 0xa572_6700_79ce_f751),
    ("distribute_creator_fees_v2", 0xffcb_134f_f444_089f),
    ("fund_reward", 0xbc32_f9a5_5d97_263f),
    ("increase_limit_order", 0xb190_59ec_faba_7d63),
    ("increase_liquidity", 0x2e9c_f376_0dcd_fbb2),
    ("increase_liquidity_by_token_amounts", 0xdfcf_453e_c78e_82fd),
    ("increase_liquidity_by_token_amounts_v2", 0xeffb_097c_d2c6_352b),
    ("increase_liquidity_v2", 0x851d_59df_45ee_b00a),
    ("initialize", 0xafaf_6d1f_0d98_9bed),
    ("initialize2", 0x09cb_fe40_5920_b39f),
    ("initialize_customizable_permissionless_constant_product_pool", 0x9118_acc2_db7d_03be),
    ("initialize_customizable_pool", 0x14a1_f118_bddd_b402),
    ("initialize_permissioned_pool", 0x4d55_b29d_3230_d47e),
    ("initialize_permissionless_constant_product_pool_with_config", 0x07a6_8aab_ceab_ecf4),
    ("initialize_permissionless_constant_product_pool_with_config2", 0x3095_dc82_3d0b_09b2),
    ("initialize_permissionless_pool", 0x76ad_299d_ad48_6167),
    ("initialize_permissionless_pool_with_fee_tier", 0x0687_4493_e552_a971),
    ("initialize_pool", 0x5fb4_0aac_54ae_e828),
    ("initialize_pool_v2", 0xcf2d_57f2_1b3f_cc43),
    ("initialize_pool_with_adaptive_fee", 0x8f5e_604c_ac7c_77c7),
    ("initialize_pool_with_dynamic_config", 0x9552_48c5_fdfc_440f),
    ("initialize_position", 0xdbc0_ea47_bebf_6650),
    ("initialize_position2", 0x8f13_f291_d50f_6873),
    ("initialize_position_by_operator", 0xfbbd_bef4_75fe_2394),
    ("initialize_position_pda", 0x2e52_7d92_558d_e499),
    ("initialize_reward", 0x5f87_c0c4_f281_e644),
    ("initialize_reward_v2", 0x5b01_4d32_ebe5_8531),
    ("initialize_v2", 0x4399_af27_da10_2620),
    ("initialize_virtual_pool_with_spl_token", 0x8c55_d7b0_6636_684f),
    ("initialize_virtual_pool_with_token2022", 0xa976_334e_916e_dc9b),
    ("initialize_with_permission", 0x3f37_fe41_31b2_5979),
    ("initialize_with_token_2022", 0x25be_7ede_2c9a_ab11),
    ("lock", 0x1513_d02b_ed3e_ff57),
    ("lock_inner_position", 0x4813_31cc_127a_175a),
    ("lock_position", 0xe33e_02fc_f70a_abb9),
    ("migrate", 0x9bea_e792_ec9e_a21e),
    ("migrate_funds", 0x2ae5_0ae7_bd3e_c1ae),
    ("migrate_meteora_damm", 0x1b01_3016_b43f_76d9),
    ("migrate_meteora_damm_claim_lp_token", 0x8b85_021e_5b91_7f9a),
    ("migrate_meteora_damm_lock_lp_token", 0xb137_ee9d_fb58_a52a),
    ("migrate_to_amm", 0xcf52_c091_fecf_91df),
    ("migrate_to_cpswap", 0x885c_c867_1cda_908c),
    ("migrate_v2", 0xbbcb_121f_ceed_fe29),
    ("migration_damm_v2", 0x9ca9_e667_35e4_5040),
    ("open_bundled_position", 0xa971_7eab_d5ac_d431),
    ("open_limit_order", 0x9d20_dab7_471d_1293),
    ("open_position", 0x8780_2f4d_0f98_f031),
    ("open_position_v2", 0x4db8_4ad6_7056_f1c7),
    ("open_position_with_metadata", 0xf21d_8630_3a6e_0e3c),
    ("open_position_with_token22_nft", 0x4dff_ae52_7d1d_c92e),
    ("open_position_with_token_extensions", 0xd42f_5f5c_7266_83fa),
    ("partner_claim_fee", 0x3935_b01e_7b46_3440),
    ("partner_withdraw_surplus", 0xa8ad_4864_c962_265c),
    ("permanent_lock_position", 0xa5b0_7d06_e7ab_bad5),
    ("place_limit_order", 0x6cb0_21ba_92e5_01c5),
    ("protocol_withdraw_surplus", 0x3688_e18a_acb6_d6a7),
    ("provide_liquidity", 0x286e_6b74_ae7f_61cc),
    ("rebalance_liquidity", 0x5c04_b0c1_77b9_5309),
    ("redeem_basket", 0x2585_de39_bda0_9729),
    ("remove_all_liquidity", 0x0a33_3d23_7069_1855),
    ("remove_balance_liquidity", 0x856d_2cb3_38ee_7221),
    ("remove_liquidity", 0x5055_d148_18ce_b16c),
    ("remove_liquidity2", 0xe6d7_527f_f165_e392),
    ("remove_liquidity_by_range", 0x1a52_6698_f04a_691a),
    ("remove_liquidity_by_range2", 0xcc02_c391_3591_91cd),
    ("remove_liquidity_single_side", 0x5454_b142_feb9_0afb),
    ("remove_liquidity_v2", 0x9be3_15e0_8fc2_e2ee),
    ("remove_position", 0xdb18_ec6e_8a50_8106),
    ("reposition_liquidity", 0x1302_3eae_d682_9b3e),
    ("reposition_liquidity_v2", 0xbfa9_e00b_8313_9efd),
    ("reset_position_range", 0xa47b_b48d_c264_a0af),
    ("set_reward_params", 0x7034_a74b_20c9_d389),
    ("settle_funds", 0xee40_a360_4bab_1021),
    ("settle_limit_order", 0xcd4e_7421_5c69_1a60),
    ("split_position", 0xacf1_dd8a_a11d_fd2a),
    ("split_position2", 0xdd93_e4cf_8cd4_1177),
    ("transfer_creator_fees_to_pump", 0x8b34_8655_e4e5_6cf1),
    ("transfer_creator_fees_to_pump_v2", 0x0121_4eb9_2143_2c5c),
    ("update_reward_infos", 0xa3ac_e034_0b9a_6adf),
    ("withdraw", 0xb712_469c_946d_a122),
    ("withdraw_all_token_types", 0xbdfe_9cae_d209_a4d8),
    ("withdraw_ineligible_reward", 0x94ce_2ac3_f731_6708),
    ("withdraw_leftover", 0x14c6_caed_ebf3_b742),
    ("withdraw_liquidity", 0x959e_21b9_2ff3_fd1f),
    ("withdraw_migration_fee", 0xed8e_2d17_8106_dea2),
    ("withdraw_protocol_fee", 0x9ec9_9ebd_215d_a267),
    ("withdraw_protocol_fees", 0x0b44_a562_12d0_8649),
    ("withdraw_single_token_type", 0x6fab_154d_edb5_f138),
    ("withdraw_single_token_type_exact_amount_out", 0xf3c0_468b_d19c_088b),
    ("zap_protocol_fee", 0xd59b_bb22_38b6_5bf0),
];

/// Instructions of programs that lend.
const LOANS: &[Named] = &[
    ("borrow", 0xe4fd_83ca_cf74_5912),
    ("borrow_obligation_liquidity", 0x797f_12cc_49f5_e141),
    ("borrow_obligation_liquidity_v2", 0xa180_8ff5_abc7_c206),
    ("deposit_and_withdraw", 0x8d99_270f_403d_5854),
    ("deposit_collateral", 0x9c83_8e74_92f7_a278),
    ("deposit_obligation_collateral", 0x6cd1_0448_1516_7685),
    ("deposit_obligation_collateral_v2", 0x8991_975e_a771_0491),
    ("deposit_reserve_liquidity", 0xa9c9_1e7e_06cd_6644),
    ("deposit_reserve_liquidity_and_obligation_collateral", 0x81c7_0402_de27_1a2e),
    ("deposit_reserve_liquidity_and_obligation_collateral_v2", 0xd8e0_bf1b_cc97_66af),
    ("flash_borrow_reserve_liquidity", 0x87e7_34a7_0734_d4c1),
    ("flash_repay_reserve_liquidity", 0xb975_00cb_60f5_b4ba),
    ("flashloan_borrow", 0x6713_4e18_f009_873f),
    ("flashloan_payback", 0xd52f_9989_54f3_5ee8),
    ("lending_account_borrow", 0x047e_7435_3005_d41f),
    ("lending_account_deposit", 0xab5e_eb67_5240_d48c),
    ("lending_account_end_flashloan", 0x697c_c96a_9902_089c),
    ("lending_account_liquidate", 0xd6a9_97d5_fba7_56db),
    ("lending_account_repay", 0x4fd1_acb1_de33_ad97),
    ("lending_account_start_flashloan", 0x0e83_21dc_51ba_b46b),
    ("lending_account_withdraw", 0x2448_4a13_d2d2_c0c0),
    ("liquidate", 0xdfb3_e27d_302e_274a),
    ("liquidate_obligation_and_redeem_reserve_collateral", 0xb147_9abc_e285_4a37),
    ("liquidate_obligation_and_redeem_reserve_collateral_v2", 0xa2a1_238f_1ebb_b967),
    ("mint", 0x3339_e12f_b692_89a6),
    ("operate", 0xd96a_d063_7497_2a87),
    ("redeem", 0xb80c_5695_46c4_61e1),
    ("redeem_reserve_collateral", 0xea75_b57d_b98e_dc1d),
    ("repay", 0xea67_4352_d0ea_dba6),
    ("repay_and_withdraw_and_redeem", 0x0236_9803_9460_6dda),
    ("repay_obligation_liquidity", 0x91b2_0de1_4cf0_9348),
    ("repay_obligation_liquidity_v2", 0x74ae_d54c_b435_d290),
    ("withdraw_collateral", 0x7387_a86a_8bd6_8a96),
    ("withdraw_obligation_collateral", 0x2574_cd67_f3c0_5cc6),
    ("withdraw_obligation_collateral_and_redeem_reserve_collateral", 0x4b5d_5ddc_2296_dac4),
    ("withdraw_obligation_collateral_and_redeem_reserve_collateral_v2", 0xeb34_7798_95c5_1407),
    ("withdraw_obligation_collateral_v2", 0xcaf9_7572_e7c0_2f8a),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base58;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeSet;

    #[test]
    fn every_discriminator_is_that_of_its_name_and_stands_once() {
        let all: Vec<&Named> = NO_SWAPS.iter().chain(LOANS).collect();
        for (name, discriminator) in &all {
            let hash = Sha256::digest(format!("global:{name}"));
            assert_eq!(hash[..8], discriminator.to_be_bytes(), "{name}");
        }
        assert_eq!(all.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn every_program_is_a_key() {
        for program in TAGGED.iter().map(|tagged| tagged.program).chain(LENDERS) {
            assert_eq!(base58::decode(program).map(|key| key.len()), Some(32), "{program}");
        }
    }
}
