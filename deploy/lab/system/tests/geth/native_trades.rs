//! Trades with native coin on a live chain, each with what the sender's balances say that it gave and got.

use alloy_primitives::U256;
use serde_json::Value;
use system::contract_code::{ALL, Code, InnerCall, calls_data};
use system::evm_node::{EvmNode, height_of};
use system::venues::{Venues, address, invoke, word};

/// A trade with native coin, as the trader's balances show it.
pub(crate) struct CoinTrade {
    /// What happened.
    pub(crate) name: &'static str,
    /// The block it is in.
    pub(crate) height: u64,
    /// Whose trade it is.
    pub(crate) trader: String,
    /// What the trader had less of afterwards, without the gas.
    pub(crate) sold: (String, U256),
    /// Of what it had more.
    pub(crate) bought: (String, U256),
    /// Who else was paid native coin, and how much, as balances say.
    pub(crate) fee: Option<(String, U256)>,
}

/// The venues, a router that carries out whatever its caller lists, who trades, and who gets the fees.
pub(crate) struct Market<'a> {
    node: &'a EvmNode,
    venues: &'a Venues,
    router: String,
    trader: String,
    payee: String,
}

/// One coin.
const COIN: u128 = 1_000_000_000_000_000_000;

/// Functions of V3's router.
const EXACT_INPUT: &str = "exactInputSingle";
const EXACT_OUTPUT: &str = "exactOutputSingle";

/// Enough for any of these deadlines.
const NO_DEADLINE: u128 = u128::MAX;

impl<'a> Market<'a> {
    pub(crate) async fn open(node: &'a EvmNode, venues: &'a Venues) -> Self {
        node.add_native_pools(venues).await.unwrap();
        let accounts = node.accounts().await.unwrap();
        let router = node.create(&venues.owner, &Code::calls().deploying().unwrap()).await.unwrap().to_lowercase();
        // An account that nobody has heard of.
        let payee = format!("0x{}", "fe".repeat(20));
        let market = Self { node, venues, router, trader: accounts[1].clone(), payee };
        node.approve(&market.trader, &venues.token, &market.router).await.unwrap();
        market
    }

    /// All of them, one after the other.
    pub(crate) async fn trade_all(&self) -> Vec<CoinTrade> {
        let mut traded = vec![];
        for Planned { name, to, data, value } in
            [self.through_published_routers(), self.through_another_router()].concat()
        {
            let call = || self.node.send_value(&self.trader, Some(&to), &data, value);
            traded.push(self.watch(name, &self.trader, call).await);
        }
        traded
    }

    /// By routers whose code everybody knows.
    fn through_published_routers(&self) -> Vec<Planned> {
        let Venues { weth, token, v2_router, v3_router, .. } = self.venues;
        let trader = self.trader.as_str();
        let refunded = [v3(EXACT_OUTPUT, [weth, token], trader, [COIN, 2 * COIN]), invoke("refundETH()", &[])];
        let nobody = format!("0x{}", "0".repeat(40));
        let with_fee = [
            v3(EXACT_INPUT, [token, weth], &nobody, [2 * COIN, 0]),
            invoke(
                "unwrapWETH9WithFee(uint256,address,uint256,address)",
                &[word(0), address(trader), word(50), address(&self.payee)],
            ),
        ];
        vec![
            planned("V2's router, all of the value", v2_router, self.exact_in(trader), COIN),
            planned("V2's router, a rest that goes back", v2_router, self.exact_out(trader, COIN), 2 * COIN),
            planned("V2's router, sold for coin", v2_router, self.sell(trader, 3 * COIN), 0),
            planned("V3's router, a rest that is asked back", v3_router, multicall(&refunded), 2 * COIN),
            planned("V3's router, sold for coin less an interface's fee", v3_router, multicall(&with_fee), 0),
        ]
    }

    /// By a router that nobody knows.
    fn through_another_router(&self) -> Vec<Planned> {
        let Venues { weth, token, v2_router, v3_router, .. } = self.venues;
        let (router, trader) = (self.router.as_str(), self.trader.as_str());
        let pay = |value| inner(&self.payee, value, String::new());
        let back = || inner(trader, ALL, String::new());
        let buy = |value| inner(v2_router, value, self.exact_in(trader));
        let take = invoke("transferFrom(address,address,uint256)", &[address(trader), address(router), word(2 * COIN)]);
        let let_v2 = invoke("approve(address,uint256)", &[address(v2_router), "f".repeat(64)]);
        let sell = [
            inner(token, 0, take),
            inner(token, 0, let_v2),
            inner(v2_router, 0, self.sell(router, 2 * COIN)),
            pay(COIN / 100),
            back(),
        ];
        let of_v3 = v3(EXACT_INPUT, [weth, token], trader, [COIN, 0]);
        let plan = |name, calls: &[InnerCall<'_>], value| planned(name, router, calls_data(calls), value);
        vec![
            plan("a router that keeps a hundredth for somebody", &[pay(COIN / 100), buy(COIN - COIN / 100)], COIN),
            plan("a router that pays a small rest back", &[buy(COIN - COIN / 25), back()], COIN),
            plan("a router that pays a large rest back, and a fee", &[pay(COIN / 50), buy(COIN), back()], 3 * COIN),
            plan("a router that sells and pays a part to somebody", &sell, 0),
            plan("two pools at once", &[buy(COIN), inner(v3_router, COIN, of_v3)], 2 * COIN),
        ]
    }

    fn buy(&self, signature: &str, to: &str, tokens: u128) -> String {
        let head = [word(tokens), word(128), address(to), word(NO_DEADLINE), word(2)];
        let path = [address(&self.venues.weth), address(&self.venues.token)];
        invoke(signature, &[&head[..], &path].concat())
    }

    fn exact_in(&self, to: &str) -> String {
        self.buy("swapExactETHForTokens(uint256,address[],address,uint256)", to, 0)
    }

    fn exact_out(&self, to: &str, tokens: u128) -> String {
        self.buy("swapETHForExactTokens(uint256,address[],address,uint256)", to, tokens)
    }

    fn sell(&self, to: &str, tokens: u128) -> String {
        let head = [word(tokens), word(0), word(160), address(to), word(NO_DEADLINE), word(2)];
        let path = [address(&self.venues.token), address(&self.venues.weth)];
        invoke("swapExactTokensForETH(uint256,uint256,address[],address,uint256)", &[&head[..], &path].concat())
    }

    /// An account that lends its address the router's code wraps and unwraps by itself, on both sides of a trade; somebody else
    /// sends and pays for the transaction.
    pub(crate) async fn trade_with_delegation(&self) -> Vec<CoinTrade> {
        let Venues { weth, token, v2_router, .. } = self.venues;
        let accounts = self.node.accounts().await.unwrap();
        let [payer, owner] = [&accounts[4], &accounts[3]];
        self.node.delegate(payer, owner, &self.router).await.unwrap();
        let swap = |path: [&str; 2], amount: u128| {
            let words = [word(amount), word(0), word(160), address(owner), word(NO_DEADLINE), word(2)];
            let path = path.map(address);
            invoke("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)", &[&words[..], &path].concat())
        };
        let let_v2 = |token| inner(token, 0, invoke("approve(address,uint256)", &[address(v2_router), "f".repeat(64)]));
        let wraps = [
            inner(weth, COIN, invoke("deposit()", &[])),
            let_v2(weth.as_str()),
            inner(v2_router, 0, swap([weth, token], COIN)),
        ];
        let call = || async { self.node.send(payer, Some(owner), &calls_data(&wraps)).await };
        let buys = self.watch("an account that wraps by itself", owner, call).await;
        let (_, received) = &buys.bought;
        let amount = u128::try_from(*received).unwrap() / 2;
        let sells = [let_v2(token.as_str()), inner(v2_router, 0, swap([token, weth], amount))];
        let call = || async { self.node.send(payer, Some(owner), &calls_data(&sells)).await };
        let for_wrapped = self.watch("an account that sells for wrapped coin", owner, call).await;
        let wrapped = u128::try_from(for_wrapped.bought.1).unwrap();
        let data = invoke("withdraw(uint256)", &[word(wrapped)]);
        let sells = [inner(v2_router, 0, swap([token, weth], amount / 2)), inner(weth, 0, data)];
        let call = || async { self.node.send(payer, Some(owner), &calls_data(&sells)).await };
        let unwraps = self.watch("an account that unwraps more than it bought", owner, call).await;
        vec![buys, for_wrapped, unwraps]
    }

    /// Has something happen, and holds the account's balances against those of before.
    async fn watch<F>(&self, name: &'static str, account: &str, happen: impl FnOnce() -> F) -> CoinTrade
    where
        F: Future<Output = anyhow::Result<Value>>,
    {
        let before = self.balances(account).await;
        let receipt = happen().await.unwrap_or_else(|error| unreachable!("{name}: {error:#}"));
        let after = self.balances(account).await;
        let number = |field: &str| U256::from_str_radix(receipt[field].as_str().unwrap().trim_start_matches("0x"), 16);
        let is_sender = receipt["from"].as_str().unwrap().eq_ignore_ascii_case(account);
        let gas =
            if is_sender { number("gasUsed").unwrap() * number("effectiveGasPrice").unwrap() } else { U256::ZERO };
        // Native coin and its wrapped kind are one asset.
        let [coin, tokens, paid] =
            [(before.coin, after.coin + gas), (before.tokens, after.tokens), (before.payee, after.payee)];
        let assets = [(self.venues.weth.to_lowercase(), coin), (self.venues.token.to_lowercase(), tokens)];
        let of = |is_sold: bool| {
            let change = |(asset, (before, after)): &(String, (U256, U256))| {
                let (more, less) = if is_sold { (before, after) } else { (after, before) };
                (more > less).then(|| (asset.clone(), more - less))
            };
            assets.iter().find_map(change).unwrap_or_else(|| unreachable!("{name}: nothing changed"))
        };
        let fee = (paid.1 > paid.0).then(|| (self.payee.clone(), paid.1 - paid.0));
        let (height, trader) = (height_of(&receipt).unwrap(), account.to_owned());
        CoinTrade { name, height, trader, sold: of(true), bought: of(false), fee }
    }

    async fn balances(&self, account: &str) -> Balances {
        let Venues { weth, token, .. } = self.venues;
        let wrapped = self.node.tokens_of(weth, account).await.unwrap();
        Balances {
            coin: self.node.balance(account).await.unwrap() + wrapped,
            tokens: self.node.tokens_of(token, account).await.unwrap(),
            payee: self.node.balance(&self.payee).await.unwrap(),
        }
    }
}

/// A transaction to be sent.
#[derive(Clone)]
struct Planned {
    name: &'static str,
    to: String,
    data: String,
    value: u128,
}

fn planned(name: &'static str, to: &str, data: String, value: u128) -> Planned {
    Planned { name, to: to.to_owned(), data, value }
}

fn inner(to: &str, value: u128, data: String) -> InnerCall<'_> {
    InnerCall { to, value, data }
}

struct Balances {
    coin: U256,
    tokens: U256,
    payee: U256,
}

/// A swap through the V3 pool of two tokens.
fn v3(name: &str, [from, into]: [&str; 2], to: &str, [first, second]: [u128; 2]) -> String {
    let signature = format!("{name}((address,address,uint24,address,uint256,uint256,uint256,uint160))");
    let sides = [address(from), address(into), word(3_000), address(to), word(NO_DEADLINE)];
    invoke(&signature, &[&sides[..], &[word(first), word(second), word(0)]].concat())
}

/// `multicall(bytes[])` of V3's router.
fn multicall(calls: &[String]) -> String {
    let (mut offsets, mut tails) = (vec![], String::new());
    for call in calls {
        offsets.push(word((calls.len() * 32 + tails.len() / 2) as u128));
        let data = call.trim_start_matches("0x");
        tails += &word((data.len() / 2) as u128);
        tails += data;
        tails += &"0".repeat((64 - data.len() % 64) % 64);
    }
    invoke("multicall(bytes[])", &[word(32), word(calls.len() as u128), offsets.concat(), tails])
}
