//! Any bytes as events of settlement layers and routers.
#![no_main]

const SIGNATURES: [&str; 16] = [
    "Trade(address,address,address,uint256,uint256,uint256,bytes)",
    "Fill(bytes32,address,address,uint256)",
    "UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)",
    "Transfer(address,address,uint256)",
    "Swapped(address,address,address,address,uint256,uint256)",
    "Swapped(address,address,address,address,uint256,uint256,uint256,uint256,uint256,address)",
    "TransformedERC20(address,address,address,uint256,uint256)",
    "ExecuteTrade(address,address,address,uint256,uint256)",
    "Swap(address,address,address,uint256,uint256)",
    "WooRouterSwap(uint8,address,address,uint256,uint256,address,address,address)",
    "Swapped(address,address,address,uint256,uint256,bytes)",
    "Swap(address,uint256,address,uint256,address,int256,uint32)",
    "SwappedV3(bytes16,address,uint256,address,address,address,address,uint256,uint256,uint256)",
    "OrderFilledRFQ(bytes32,uint256)",
    "OrderFilled(bytes32,uint256)",
    "Withdrawal(address,uint256)",
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::others(&SIGNATURES, data));
