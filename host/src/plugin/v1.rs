//! WIT `chaintape:plugin@1`: the generated bindings, what the host lends, and the lift of blocks into the tape's terms.

use super::admit::Admitted;
use super::engine::Engine;
use super::sandbox::{Lent, Limited};
use crate::upstream;
use ingest_domain::{Block, Scanned, Tip};
use std::sync::Arc;
use tape::{AssetAmount, BlockId, BlockRef, Detector, Fee, Leg, Raw, Side, Trade, Trader, Transaction, Usd, Valuation};
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, Linker};

mod bindings {
    #![expect(missing_docs, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/chain-plugin",
        world: "plugin",
        imports: { default: async },
        exports: { default: async },
    });
}

use bindings::chaintape::plugin::{cache, log, types as wit, upstream as wit_upstream};
pub use wit::{Description, Failure};

/// A component ready to be instantiated.
#[derive(Clone)]
pub struct Ready(bindings::PluginPre<Limited>);

/// What a call is told.
#[derive(Clone, Debug)]
pub struct Context {
    /// The chain file's settings as one JSON object.
    pub settings: String,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The height that is final already, where known.
    pub finalized: Option<u64>,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The plugin says why.
    #[error("{}", said(.0))]
    Failure(Failure),
    /// It trapped or broke a limit.
    #[error("the plugin failed: {0}")]
    Trap(String),
    /// It delivered what the contract does not allow.
    #[error("the plugin delivered {0}")]
    Broken(String),
}

fn said(failure: &Failure) -> String {
    match failure {
        Failure::Retry((_, why)) | Failure::Elsewhere(why) => why.clone(),
        Failure::SpanTooWide(most) => format!("at most {most} heights at once"),
        Failure::NotYet(height) => format!("height {height} is not there yet"),
        Failure::Reorged => "the branch changed while it was read".to_owned(),
        Failure::BadSettings(why) => format!("bad settings: {why}"),
        Failure::BadData(why) => format!("bad data: {why}"),
        Failure::Other((code, why)) => format!("{code}: {why}"),
    }
}

/// Links a component against what is lent.
pub(super) fn link(engine: &Engine, component: &Component) -> wasmtime::Result<Ready> {
    let mut linker: Linker<Limited> = Linker::new(&engine.inner);
    bindings::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(Ready(bindings::PluginPre::new(linker.instantiate_pre(component)?)?))
}

/// A fresh instance in a store of its own.
async fn fresh(engine: &Engine, ready: &Ready, lent: Lent) -> wasmtime::Result<(Store<Limited>, bindings::Plugin)> {
    let mut store = Store::new(&engine.inner, Limited::new(lent));
    store.limiter(|state| state);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|state| state.data().on_epoch());
    let plugin = ready.0.instantiate_async(&mut store).await?;
    Ok((store, plugin))
}

fn trap(error: &wasmtime::Error) -> CallError {
    CallError::Trap(format!("{error:#}").lines().next().unwrap_or_default().to_owned())
}

/// Asks a component who it is.
pub(super) async fn describe(engine: &Engine, ready: &Ready, lent: Lent) -> Result<Description, CallError> {
    let (mut store, plugin) = fresh(engine, ready, lent).await.map_err(|e| trap(&e))?;
    plugin.chaintape_plugin_chain().call_describe(&mut store).await.map_err(|e| trap(&e))
}

fn context(told: &Context) -> wit::Context {
    let finalized = told.finalized.map(|height| ("finalized".to_owned(), height.to_string()));
    wit::Context { settings: told.settings.clone(), now_ms: told.now_ms, attributes: finalized.into_iter().collect() }
}

/// Asks how far the endpoint is.
#[tracing::instrument(name = "plugin.head.ask", skip_all, fields(chain.id = %lent.chain))]
pub async fn head(engine: &Engine, plugin: &Admitted, lent: Lent, told: &Context) -> Result<Tip, CallError> {
    let _room = engine.room.acquire().await;
    let (mut store, instance) = fresh(engine, &plugin.ready, lent).await.map_err(|e| trap(&e))?;
    let answer = instance.chaintape_plugin_chain().call_head(&mut store, &context(told)).await;
    let tip = answer.map_err(|e| trap(&e))?.map_err(CallError::Failure)?;
    let id = |id: wit::BlockId| BlockId { height: id.height, hash: id.hash.into() };
    Ok(Tip { network: tip.network.into(), latest: id(tip.latest), finalized: tip.finalized.map(id) })
}

/// Asks for the blocks of a span.
#[tracing::instrument(name = "plugin.span.scan", skip_all, fields(chain.id = %lent.chain, first, last))]
pub async fn scan(
    engine: &Engine,
    plugin: &Admitted,
    lent: Lent,
    told: &Context,
    network: &Arc<str>,
    (first, last): (u64, u64),
) -> Result<Scanned, CallError> {
    let _room = engine.room.acquire().await;
    let most = lent.limits.trades;
    let lift = Lift { chain: Arc::clone(&lent.chain), network: Arc::clone(network), detector: &plugin.detector };
    let (mut store, instance) = fresh(engine, &plugin.ready, lent).await.map_err(|e| trap(&e))?;
    let span = wit::Span { first, last };
    let answer = instance.chaintape_plugin_chain().call_scan(&mut store, &context(told), span).await;
    let scanned = answer.map_err(|e| trap(&e))?.map_err(CallError::Failure)?;
    lift.scanned(scanned, first, last, most)
}

/// Turns the contract's shapes into the tape's.
struct Lift<'a> {
    chain: Arc<str>,
    network: Arc<str>,
    detector: &'a Arc<Detector>,
}

impl Lift<'_> {
    fn scanned(&self, scanned: wit::Scanned, first: u64, last: u64, most: usize) -> Result<Scanned, CallError> {
        let mut blocks: Vec<Block> = Vec::with_capacity(scanned.blocks.len());
        for block in scanned.blocks {
            let height = block.height;
            let expected = blocks.last().map_or(first, |before| before.id.height + 1);
            if height < expected || height > last {
                return Err(CallError::Broken(format!("block {height} outside of or unordered in {first}..={last}")));
            }
            if block.trades.len() > most {
                return Err(CallError::Broken(format!("more than {most} trades in block {height}")));
            }
            blocks.push(self.block(block)?);
        }
        if scanned.through > last {
            return Err(CallError::Broken(format!("through {} beyond {last}", scanned.through)));
        }
        Ok(Scanned { blocks, through: scanned.through, digest: self.detector.digest.as_str().into() })
    }

    fn block(&self, block: wit::Block) -> Result<Block, CallError> {
        let id = BlockId { height: block.height, hash: block.hash.into() };
        let place = BlockRef { id: id.clone(), timestamp_ms: block.timestamp_ms };
        let attribute = |name: &str| block.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let unbacked = attribute("unbacked").and_then(|count| count.parse().ok()).unwrap_or(0);
        let proof = attribute("proof").map_or("none", String::as_str).into();
        let lifted = block.trades.into_iter().map(|trade| self.trade(&place, trade));
        Ok(Block {
            id,
            parent: block.parent.map(|parent| BlockId { height: parent.height, hash: parent.hash.into() }),
            timestamp_ms: block.timestamp_ms,
            trades: lifted.collect::<Result<_, _>>()?,
            unbacked,
            proof,
        })
    }

    fn trade(&self, block: &BlockRef, trade: wit::Trade) -> Result<Trade, CallError> {
        if trade.legs.len() > Trade::MAX_LEGS {
            let hash = &trade.transaction.hash;
            return Err(CallError::Broken(format!("more than {} legs in transaction {hash}", Trade::MAX_LEGS)));
        }
        Ok(Trade {
            kind: trade.kind,
            chain: Arc::clone(&self.chain),
            network: Arc::clone(&self.network),
            block: block.clone(),
            transaction: Transaction {
                hash: trade.transaction.hash.into(),
                index: trade.transaction.index,
                from: trade.transaction.sender,
                to: trade.transaction.receiver,
            },
            ordinal: trade.ordinal,
            trader: Trader { address: trade.trader.address, evidence: trade.trader.evidence },
            sold: side(trade.sold),
            bought: side(trade.bought),
            legs: trade.legs.into_iter().map(leg).collect(),
            fees: trade.fees.into_iter().map(fee).collect(),
            platform: trade.platform,
            valuation: trade.valuation.map(valuation).transpose()?,
            detector: Arc::clone(self.detector),
        })
    }
}

fn raw(value: wit::Uint256) -> Raw {
    Raw::from_limbs([value.limb0, value.limb1, value.limb2, value.limb3])
}

fn side(side: wit::Side) -> Side {
    Side { asset: side.asset, raw: raw(side.raw), decimals: side.decimals, symbol: side.symbol, quote: side.quote }
}

fn amount(amount: wit::AssetAmount) -> AssetAmount {
    AssetAmount { asset: amount.asset, raw: raw(amount.raw) }
}

fn leg(leg: wit::Leg) -> Leg {
    Leg { venue: leg.venue, pool: leg.pool, sold: amount(leg.sold), bought: amount(leg.bought), ordinal: leg.ordinal }
}

fn fee(fee: wit::Fee) -> Fee {
    Fee { kind: fee.kind, asset: fee.asset, raw: raw(fee.raw), recipient: fee.recipient, included: fee.included }
}

fn valuation(valuation: wit::Valuation) -> Result<Valuation, CallError> {
    let usd = |usd: wit::Usd| {
        let units = (u128::from(usd.high) << 64) | u128::from(usd.low);
        let units = i128::try_from(units).ok().map(Usd).filter(|units| *units <= Usd::LIMIT);
        units.ok_or_else(|| CallError::Broken("a valuation beyond 10^15 dollars".to_owned()))
    };
    Ok(Valuation {
        notional: usd(valuation.notional)?,
        fee: valuation.fee.map(usd).transpose()?,
        source: valuation.source,
    })
}

impl wit::Host for Limited {}

impl wit_upstream::Host for Limited {
    async fn send(
        &mut self,
        requests: Vec<wit_upstream::Request>,
    ) -> Vec<Result<wit_upstream::Response, wit_upstream::UpstreamError>> {
        let lower = |request: wit_upstream::Request| upstream::Request {
            path: request.path,
            headers: request.headers,
            body: request.body,
            weight: request.weight,
        };
        let raise = |answer: Result<upstream::Response, upstream::UpstreamError>| match answer {
            Ok(response) => {
                Ok(wit_upstream::Response { status: response.status, headers: response.headers, body: response.body })
            }
            Err(upstream::UpstreamError::Unreachable(why)) => Err(wit_upstream::UpstreamError::Unreachable(why)),
            Err(upstream::UpstreamError::TooLarge(cap)) => Err(wit_upstream::UpstreamError::TooLarge(cap)),
            Err(upstream::UpstreamError::Refused(why)) => Err(wit_upstream::UpstreamError::Refused(why)),
        };
        let answers = Limited::send(self, requests.into_iter().map(lower).collect()).await;
        answers.into_iter().map(raise).collect()
    }
}

impl cache::Host for Limited {
    async fn get(&mut self, keys: Vec<String>) -> Vec<Option<Vec<u8>>> {
        self.cache().get(&keys)
    }

    async fn put(&mut self, entries: Vec<(String, Vec<u8>)>) {
        self.cache().put(entries);
    }
}

impl log::Host for Limited {
    async fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Error => tracing::Level::ERROR,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Debug => tracing::Level::DEBUG,
        };
        self.log(level, &message);
    }
}
