//! Reports: events in which routers say what they did for a trader. A report makes no leg. It gives a side where native
//! coin leaves no log, the integrator's code, and a whole trade only where transfers show both of its sides.

use crate::hex;
use crate::model::Amount;
use crate::rpc::Log;
use crate::topics::Role;
use alloy_primitives::{Address, B256, address};

/// What a router reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The contract that emitted it.
    pub emitter: Address,
    /// Whose router it is.
    pub router: &'static str,
    /// Token and amount, native coin as the router writes it.
    pub sold: Amount,
    /// Token and amount.
    pub bought: Amount,
    /// Who got what was bought.
    pub receiver: Address,
    /// The integrator's code: an address or a number, as a word.
    pub code: Option<B256>,
}

/// Where a field is: in a topic, or in a word of the data.
#[derive(Clone, Copy)]
enum At {
    Topic(usize),
    Word(usize),
}

use At::{Topic, Word};

/// How a router's event is read.
struct ReportShape {
    router: &'static str,
    signature: &'static str,
    topics: usize,
    sold: (At, At),
    bought: (At, At),
    receiver: At,
    code: Option<At>,
}

/// The signatures were compared with public repositories, see `VENUES.md`.
static REPORT_SHAPES: [ReportShape; 16] = [
    ReportShape {
        router: "aggregation-router", // 1inch V3 and its forks, KyberSwap's MetaAggregationRouter
        signature: "Swapped(address,address,address,address,uint256,uint256)",
        topics: 1,
        sold: (Word(1), Word(4)),
        bought: (Word(2), Word(5)),
        receiver: Word(3),
        code: None,
    },
    ReportShape {
        router: "openocean", // and 1inch V2, from which it comes
        signature: "Swapped(address,address,address,address,uint256,uint256,uint256,uint256,uint256,address)",
        topics: 4,
        sold: (Topic(2), Word(2)),
        bought: (Topic(3), Word(3)),
        receiver: Word(0),
        code: Some(Word(6)),
    },
    ReportShape {
        router: "0x",
        signature: "TransformedERC20(address,address,address,uint256,uint256)",
        topics: 2,
        sold: (Word(0), Word(2)),
        bought: (Word(1), Word(3)),
        receiver: Topic(1),
        code: None,
    },
    ReportShape {
        router: "kyber-network",
        signature: "ExecuteTrade(address,address,address,uint256,uint256)",
        topics: 2,
        sold: (Word(0), Word(2)),
        bought: (Word(1), Word(3)),
        receiver: Topic(1),
        code: None,
    },
    ReportShape {
        router: "gmx",
        signature: "Swap(address,address,address,uint256,uint256)",
        topics: 1,
        sold: (Word(1), Word(3)),
        bought: (Word(2), Word(4)),
        receiver: Word(0),
        code: None,
    },
    ReportShape {
        router: "woofi",
        signature: "WooRouterSwap(uint8,address,address,uint256,uint256,address,address,address)",
        topics: 4,
        sold: (Topic(1), Word(1)),
        bought: (Topic(2), Word(2)),
        receiver: Topic(3),
        code: Some(Word(4)),
    },
    ReportShape {
        router: "clipper",
        signature: "Swapped(address,address,address,uint256,uint256,bytes)",
        topics: 4,
        sold: (Topic(1), Word(0)),
        bought: (Topic(2), Word(1)),
        receiver: Topic(3),
        code: None,
    },
    ReportShape {
        router: "odos",
        signature: "Swap(address,uint256,address,uint256,address,int256,uint32)",
        topics: 1,
        sold: (Word(2), Word(1)),
        bought: (Word(4), Word(3)),
        receiver: Word(0),
        code: Some(Word(6)),
    },
    ReportShape {
        router: "paraswap",
        signature: "SwappedV3(bytes16,address,uint256,address,address,address,address,uint256,uint256,uint256)",
        topics: 4,
        sold: (Topic(2), Word(4)),
        bought: (Topic(3), Word(5)),
        receiver: Topic(1),
        code: Some(Word(1)),
    },
    ReportShape {
        router: "paraswap", // what it was told to buy, where the other says what it was told to sell
        signature: "BoughtV3(bytes16,address,uint256,address,address,address,address,uint256,uint256,uint256)",
        topics: 4,
        sold: (Topic(2), Word(4)),
        bought: (Topic(3), Word(5)),
        receiver: Topic(1),
        code: Some(Word(1)),
    },
    ReportShape {
        router: "odos", // V3
        signature: "Swap(address,uint256,address,uint256,address,int256,uint64,uint64,address)",
        topics: 1,
        sold: (Word(2), Word(1)),
        bought: (Word(4), Word(3)),
        receiver: Word(0),
        code: Some(Word(6)),
    },
    ReportShape {
        router: "sushi", // RouteProcessor 3 to 7, and LI.FI's aggregator, which comes from it
        signature: "Route(address,address,address,address,uint256,uint256,uint256)",
        topics: 4,
        sold: (Topic(2), Word(1)),
        bought: (Topic(3), Word(3)),
        receiver: Word(0),
        code: None,
    },
    ReportShape {
        router: "sushi", // its later processors, which keep what is more than was quoted
        signature: "Route(address,address,address,address,uint256,uint256,int256,uint32,bytes32)",
        topics: 4,
        sold: (Topic(2), Word(2)),
        bought: (Word(1), Word(3)),
        receiver: Word(0),
        code: Some(Topic(3)),
    },
    ReportShape {
        router: "li.fi",
        signature: "LiFiGenericSwapCompleted(bytes32,string,string,address,address,address,uint256,uint256)",
        topics: 2,
        sold: (Word(3), Word(5)),
        bought: (Word(4), Word(6)),
        receiver: Word(2),
        code: None,
    },
    ReportShape {
        router: "okx",
        signature: "OrderRecord(address,address,address,uint256,uint256)",
        topics: 1,
        sold: (Word(0), Word(3)),
        bought: (Word(1), Word(4)),
        receiver: Word(2),
        code: None,
    },
    ReportShape {
        router: "dodo",
        signature: "OrderHistory(address,address,address,uint256,uint256)",
        topics: 1,
        sold: (Word(0), Word(3)),
        bought: (Word(1), Word(4)),
        receiver: Word(2),
        code: None,
    },
];

/// The signatures of report events, in the order of the numbers in [`Role::Report`].
pub fn signatures() -> impl Iterator<Item = &'static str> {
    REPORT_SHAPES.iter().map(|shape| shape.signature)
}

/// All reports of a transaction, in order.
pub fn read_reports(logs: &[Log<'_>]) -> Vec<Report> {
    logs.iter().filter_map(read_report).collect()
}

fn read_report(log: &Log<'_>) -> Option<Report> {
    let Some(Role::Report(at)) = log.role() else { return None };
    let shape = &REPORT_SHAPES[at];
    if log.topics.as_slice().len() != shape.topics {
        return None;
    }
    let word = |at: At| match at {
        Topic(at) => hex::words::<1>(log.topics.as_slice().get(at)?).map(|[word]| word),
        Word(at) => {
            let digits = log.data.get(2 + 64 * at..2 + 64 * (at + 1))?;
            hex::first_words::<1>([b"0x", digits].concat()).map(|[word]| word)
        }
    };
    let account = |at: At| hex::padded_address(hex::encode(word(at)?.to_be_bytes::<32>()));
    let code = shape.code.and_then(word).filter(|code| !code.is_zero());
    Some(Report {
        emitter: hex::address(log.address)?,
        router: shape.router,
        sold: (account(shape.sold.0)?, word(shape.sold.1)?),
        bought: (account(shape.bought.0)?, word(shape.bought.1)?),
        receiver: account(shape.receiver)?,
        code: code.map(|code| B256::from(code.to_be_bytes::<32>())),
    })
}

/// Routers that trade for their callers, also from an account's own stock, which emits no event of a venue. They have the
/// same address on every chain, but for Odos, MetaMask and
/// 0x on Optimism.
const FILLERS: [(Address, &str); 15] = [
    (address!("1111111254fb6c44bac0bed2854e76f90643097d"), "1inch"),
    (address!("1111111254eeb25477b68fb85ed929f73a960582"), "1inch"),
    (address!("111111125421ca6dc452d289314280a0f8842a65"), "1inch"),
    (address!("def1c0ded9bec7f1a1670819833240f027b25eff"), "0x"),
    (address!("def1abe32c034e558cdd535791643c58a13acc10"), "0x"), // Optimism
    (address!("def171fe48cf0115b1d80b88dc8eab59176fee57"), "paraswap"),
    (address!("6a000f20005980200259b80c5102003040001068"), "paraswap"),
    (address!("6131b5fae19ea4f9d964eac0408e4408b66337b5"), "kyberswap"),
    (address!("6352a56caadc4f1e25cd6c75970fa768a3304e64"), "openocean"),
    (address!("cf5540fffcdc3d510b18bfca6d2b9987b0772559"), "odos"),
    (address!("0000000000001ff3684f28c67538d4d072c22734"), "0x"), // AllowanceHolder, the door to Settler
    (address!("881d40237659c251811cec9c364ef91dc08d300c"), "metamask"), // Ethereum
    (address!("1a1ec25dc08e98e5e93f1104b5e5cdd298707d31"), "metamask"), // BSC, Polygon
    (address!("4c4af8dbc524681930a27b2f1af5bcc8062e6fb7"), "woofi"),
    (address!("818e6fecd516ecc3849daf6845e3ec868087b755"), "kyber-network"),
];

/// Events of filled standing orders: 1inch's do not name the owner, 0x's do.
pub const FILL_EVENTS: &[(&str, Role)] = &[
    ("OrderFilledRFQ(bytes32,uint256)", Role::OrderFilled { is_named: false }),
    ("OrderFilled(address,bytes32,uint256)", Role::OrderFilled { is_named: false }),
    ("OrderFilled(bytes32,uint256)", Role::OrderFilled { is_named: false }),
    (
        "RfqOrderFilled(bytes32,address,address,address,address,uint128,uint128,bytes32)",
        Role::OrderFilled { is_named: true },
    ),
    (
        "LimitOrderFilled(bytes32,address,address,address,address,address,uint128,uint128,uint128,uint256,bytes32)",
        Role::OrderFilled { is_named: true },
    ),
];

/// Whether a contract is one of those, so that its report of native coin, which leaves no log, is believed.
pub fn is_filler(who: Address) -> bool {
    FILLERS.iter().any(|(filler, _)| *filler == who)
}

/// The listed router of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filler {
    /// Whose router it is.
    pub router: &'static str,
    /// How many standing orders it filled whose events do not name the owner.
    pub fills: usize,
}

/// The listed router that was called, or that filled a standing order.
pub fn find_filler(logs: &[Log<'_>], callee: Option<Address>) -> Option<Filler> {
    let named = |who: Address| FILLERS.iter().find(|(filler, _)| *filler == who).map(|(_, router)| *router);
    let of_log = |log: &Log<'_>| {
        let Some(Role::OrderFilled { is_named }) = log.role() else { return None };
        Some((is_named, named(hex::address(log.address)?)?))
    };
    let filled: Vec<(bool, &'static str)> = logs.iter().filter_map(of_log).collect();
    let router = callee.and_then(named).or_else(|| filled.first().map(|(_, router)| *router))?;
    Some(Filler { router, fills: filled.iter().filter(|(is_named, _)| !is_named).count() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::example::topic;
    use alloy_primitives::{U256, keccak256};
    use chain_plugin_sdk::json::Cursor;
    use proptest::prelude::*;

    #[test]
    fn topics_are_those_that_the_chain_has() {
        let known = [
            "0xd6d4f5681c246c9f42c203e287975af1601f8df8035a9251f79aab5c8f09e2f8",
            "0x76af224a143865a50b41496e1a73622698692c565c1214bc862f18e22d829c5e",
            "0x0f6672f78a59ba8e5e5b5d38df3ebc67f3c792e2c9259b8d97d7f00dd78ba1b3",
            "0x1849bd6a030a1bca28b83437fd3de96f3d27a5d172fa7e9c78e7b61468928a39",
            "0xcd3829a3813dc3cdd188fd3d01dcf3268c16be2fdd2dd21d0665418816e46062",
            "0x27c98e911efdd224f4002f6cd831c3ad0d2759ee176f9ee8466d95826af22a1c",
            "0x4be05c8d54f5e056ab2cfa033e9f582057001268c3e28561bb999d35d2c8f2c8",
            "0x823eaf01002d7353fbcadb2ea3305cc46fa35d799cb0914846d185ac06f8ad05",
            "0xe00361d207b252a464323eb23d45d42583e391f2031acdd2e9fa36efddd43cb0",
            "0x4cc7e95e48af62690313a0733e93308ac9a73326bc3c29f1788b1191c376d5b6",
            "0x69db20ca9e32403e6c56e5193b3e3b2827ae5c430ccfdea392ba950d2d1ab2bc",
            "0x2db5ddd0b42bdbca0d69ea16f234a870a485854ae0d91f16643d6f317d8b8994",
            "0x84b514c5b926879bf66a04e4becdc6f521e94a4411e7dfa3dd255f214478f558",
            "0x38eee76fd911eabac79da7af16053e809be0e12c8637f156e77e1af309b99537",
            "0x1bb43f2da90e35f7b0cf38521ca95a49e68eb42fac49924930a5bd73cdf7576c",
            "0x92ceb067a9883c85aba061e46b9edf505a0d6e81927c4b966ebed543a5221787",
        ];
        let topics: Vec<String> = (0..REPORT_SHAPES.len()).map(report).collect();
        assert_eq!(topics, known);
        // As recorded on Ethereum: a filled quote of 1inch V4, a filled order of V6.
        assert_eq!(topic(FILL_EVENTS[0]), "0xc3b639f02b125bfa160e50739b8c44eb2d1b6908e2b6d5925c6d770f2ca78127");
        assert_eq!(topic(FILL_EVENTS[2]), "0xfec331350fce78ba658e082a71da20ac9f8d798a99b3c79681c8440cbfe77e07");
    }

    fn report(shape: usize) -> String {
        hex::encode(keccak256(REPORT_SHAPES[shape].signature))
    }

    fn log(topics: &[String], words: &[u64]) -> String {
        let topics: Vec<String> = topics.iter().map(|topic| format!(r#""{topic}""#)).collect();
        let words: Vec<String> = words.iter().map(|word| format!("{word:064x}")).collect();
        let emitter = hex::encode(FILLERS[0].0);
        format!(r#"{{"address":"{emitter}","topics":[{}],"data":"0x{}"}}"#, topics.join(","), words.concat())
    }

    #[test]
    fn fields_come_from_topics_and_words() {
        let word = |word: u64| format!("0x{word:064x}");
        let text = log(&[report(1), word(1), word(2), word(3)], &[4, 0, 10, 20, 0, 0, 9]);
        let report = read_report(&Log::read(&mut Cursor::new(&text), crate::events::table()).unwrap()).unwrap();
        let side = |token: u8, raw: u64| (Address::with_last_byte(token), U256::from(raw));
        assert_eq!((report.sold, report.bought), (side(2, 10), side(3, 20)));
        assert_eq!(report.receiver, Address::with_last_byte(4));
        assert_eq!(report.code, Some(B256::with_last_byte(9)));
    }

    #[test]
    fn only_listed_contracts_fill() {
        let text = log(&[topic(FILL_EVENTS[0])], &[1, 2]);
        let fill = Log::read(&mut Cursor::new(&text), crate::events::table()).unwrap();
        assert_eq!(find_filler(&[fill], None), Some(Filler { router: "1inch", fills: 1 }));
        assert_eq!(find_filler(&[], Some(FILLERS[5].0)), Some(Filler { router: "paraswap", fills: 0 }));
        let other = text.replace("0x1111", "0x2222");
        assert_eq!(
            find_filler(&[Log::read(&mut Cursor::new(&other), crate::events::table()).unwrap()], Some(Address::ZERO)),
            None
        );
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(shape in 0..REPORT_SHAPES.len(), cut in 0_usize..70, words in prop::collection::vec(any::<[u8; 32]>(), 0..9)) {
            let topics: Vec<String> = (1..REPORT_SHAPES[shape].topics).map(|topic| format!("0x{topic:064x}")).collect();
            let topics: Vec<String> = std::iter::once(report(shape)).chain(topics).collect();
            let data = hex::encode(words.concat());
            let text = log(&topics, &[]).replace("\"0x\"", &format!("\"{}\"", &data[..data.len() - cut.min(data.len())]));
            if let Ok(log) = Log::read(&mut Cursor::new(&text), crate::events::table()) {
                let _ = read_report(&log);
            }
        }
    }
}
