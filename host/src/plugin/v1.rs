//! WIT `chaintape:plugin@1`: the generated bindings, what the host lends, and the lift of blocks into the tape's terms.

use super::admit::Admitted;
use super::empty;
use super::engine::Engine;
use super::sandbox::{Answers, Broke, Lent, Limited, Used};
use crate::upstream;
use ingest_domain::{Scanned, Tip};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape::BlockId;
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, Linker};

mod bindings {
    #![expect(missing_docs, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/chain-plugin",
        world: "plugin",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

mod lift;

/// What a plugin may export beside, since 1.1.0.
mod paced {
    wasmtime::component::bindgen!({ path: "../wit/chain-plugin", world: "paced", exports: { default: async } });
}

use bindings::chaintape::plugin::{cache, log, types as wit, upstream as wit_upstream};
use lift::Lift;
pub use wit::{Description, Failure, Wake};

/// How long a call may take, with all its waiting: far beyond what upstream's own time limits add up to.
const LONGEST_CALL: Duration = Duration::from_mins(10);

/// A component ready to be instantiated.
#[derive(Clone)]
pub struct Ready {
    chain: bindings::PluginPre<Limited>,
    /// Whether it can be asked for its pace.
    paced: bool,
}

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
    /// It trapped or broke a limit, which it would do again.
    #[error("the plugin failed: {0}")]
    Trap(String),
    /// It took too long on this machine at this time.
    #[error("the plugin is too slow: {0}")]
    Slow(String),
    /// It delivered what the contract does not allow.
    #[error("the plugin delivered {0}")]
    Broken(String),
    /// The host could not run it.
    #[error("the host cannot run the plugin: {0}")]
    Host(String),
}

impl CallError {
    /// Whether the same answers lead to the same failure.
    pub fn is_deterministic(&self) -> bool {
        matches!(self, Self::Failure(Failure::BadData(_)) | Self::Trap(_) | Self::Broken(_))
    }
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

/// Links a component against what is lent, on the engine that compiled it.
pub(super) fn link(engine: &wasmtime::Engine, component: &Component) -> wasmtime::Result<Ready> {
    let mut linker: Linker<Limited> = Linker::new(engine);
    bindings::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    if component.component_type().imports(engine).any(|(name, _)| name.starts_with("wasi:")) {
        empty::add_to_linker(&mut linker)?;
    }
    let pre = linker.instantiate_pre(component)?;
    // Absent in older plugins, and in those that do not care.
    let paced = paced::PacedPre::new(pre.clone()).is_ok();
    Ok(Ready { chain: bindings::PluginPre::new(pre)?, paced })
}

/// What a plugin is asked.
enum Question {
    Describe,
    Head(wit::Context),
    WakeBy(wit::Context),
    Scan(wit::Context, wit::Span),
}

/// What it answers.
enum Answer {
    Description(Description, Option<u64>),
    Tip(wit::Tip),
    Wake(Option<wit::Wake>),
    Scanned(wit::Scanned),
}

/// Asks in a fresh instance in a store of its own; under fuel where it is given.
async fn ask(
    engine: wasmtime::Engine,
    ready: Ready,
    state: Limited,
    output: usize,
    fuel: Option<u64>,
    question: Question,
) -> (Result<Answer, CallError>, Used) {
    let mut store = Store::new(&engine, state);
    store.limiter(|state| state);
    store.set_hostcall_fuel(output);
    let metered = if let Some(fuel) = fuel {
        store.set_fuel(fuel).and_then(|()| store.fuel_async_yield_interval(Some(50_000_000)))
    } else {
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|state| state.data().on_epoch());
        Ok(())
    };
    let answered = match metered {
        Ok(()) => tokio::time::timeout(LONGEST_CALL, put(&mut store, &ready, question)).await,
        Err(error) => Ok(Err(CallError::Host(first_line(&error)))),
    };
    let late = || Err(CallError::Slow(format!("no answer after {} s", LONGEST_CALL.as_secs())));
    let mut used = store.data().used();
    used.fuel = fuel.map_or(0, |fuel| fuel - store.get_fuel().unwrap_or(fuel));
    (answered.unwrap_or_else(|_| late()), used)
}

async fn put(store: &mut Store<Limited>, ready: &Ready, question: Question) -> Result<Answer, CallError> {
    let failed = |e: wasmtime::Error| sort(&e);
    if matches!(question, Question::Describe) {
        return introduce(store, ready).await.map_err(failed);
    }
    let plugin = ready.chain.instantiate_async(&mut *store).await.map_err(failed)?;
    let chain = plugin.chaintape_plugin_chain();
    match question {
        Question::Describe => Err(lost()),
        Question::Head(context) => {
            let tip = chain.call_head(store, &context).await.map_err(failed)?;
            tip.map(Answer::Tip).map_err(CallError::Failure)
        }
        Question::WakeBy(context) => chain.call_wake_by(store, &context).await.map(Answer::Wake).map_err(failed),
        Question::Scan(context, span) => {
            let scanned = chain.call_scan(store, &context, span).await.map_err(failed)?;
            scanned.map(Answer::Scanned).map_err(CallError::Failure)
        }
    }
}

/// Who it is, and how it likes to be asked where it says so, from one instance.
async fn introduce(store: &mut Store<Limited>, ready: &Ready) -> wasmtime::Result<Answer> {
    let instance = ready.chain.instance_pre().instantiate_async(&mut *store).await?;
    let plugin = bindings::Plugin::new(&mut *store, &instance)?;
    let said = plugin.chaintape_plugin_chain().call_describe(&mut *store).await?;
    if !ready.paced {
        return Ok(Answer::Description(said, None));
    }
    let paced = paced::Paced::new(&mut *store, &instance)?;
    let widest = paced.chaintape_plugin_pace().call_widest_span(store).await?;
    Ok(Answer::Description(said, Some(widest.max(1))))
}

/// Tells what the plugin did from what happened to it.
fn sort(error: &wasmtime::Error) -> CallError {
    if let Some(broke) = error.downcast_ref::<Broke>() {
        let why = broke.to_string();
        return if matches!(broke, Broke::Deadline(_)) { CallError::Slow(why) } else { CallError::Trap(why) };
    }
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return CallError::Host(first_line(error));
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => CallError::Trap(trap.to_string()),
        None => CallError::Trap(first_line(error)),
    }
}

/// What it comes down to, without the way there through the component.
fn first_line(error: &wasmtime::Error) -> String {
    error.root_cause().to_string().lines().next().unwrap_or_default().to_owned()
}

fn lost() -> CallError {
    CallError::Host("the call was lost".to_owned())
}

/// Asks a component who it is, and how many heights it takes at once.
pub(super) async fn describe(
    engine: &Engine,
    ready: &Ready,
    lent: Lent,
) -> Result<(Description, Option<u64>), CallError> {
    let output = lent.limits.output_bytes;
    let state = Limited::new(lent, Answers::Live, 0);
    let asked = ask(engine.inner.clone(), ready.clone(), state, output, None, Question::Describe);
    match engine.run(asked).await.ok_or_else(lost)?.0? {
        Answer::Description(said, widest) => Ok((said, widest)),
        _ => Err(lost()),
    }
}

fn context(told: &Context) -> wit::Context {
    let finalized = told.finalized.map(|height| ("finalized".to_owned(), height.to_string()));
    wit::Context { settings: told.settings.clone(), now_ms: told.now_ms, attributes: finalized.into_iter().collect() }
}

/// Asks how far the endpoint is.
#[tracing::instrument(name = "plugin.head.ask", skip_all, fields(chain.id = %lent.chain))]
pub async fn head(engine: &Engine, plugin: &Admitted, lent: Lent, told: &Context) -> Result<Tip, CallError> {
    let _room = engine.room.acquire().await;
    let output = lent.limits.output_bytes;
    let state = Limited::new(lent, Answers::Live, told.now_ms);
    let question = Question::Head(context(told));
    let asked = ask(engine.inner.clone(), plugin.ready.clone(), state, output, None, question);
    let Answer::Tip(tip) = engine.run(asked).await.ok_or_else(lost)?.0? else { return Err(lost()) };
    let id = |id: wit::BlockId| BlockId { height: id.height, hash: id.hash.into() };
    Ok(Tip { network: tip.network.into(), latest: id(tip.latest), finalized: tip.finalized.map(id) })
}

/// Asks what tells that something is new.
pub async fn wake_by(
    engine: &Engine,
    plugin: &Admitted,
    lent: Lent,
    told: &Context,
) -> Result<Option<Wake>, CallError> {
    let _room = engine.room.acquire().await;
    let output = lent.limits.output_bytes;
    let state = Limited::new(lent, Answers::Live, told.now_ms);
    let asked = ask(engine.inner.clone(), plugin.ready.clone(), state, output, None, Question::WakeBy(context(told)));
    let Answer::Wake(wake) = engine.run(asked).await.ok_or_else(lost)?.0? else { return Err(lost()) };
    Ok(wake)
}

/// Asks for the blocks of a span.
pub async fn scan(
    engine: &Engine,
    plugin: &Admitted,
    lent: Lent,
    told: &Context,
    network: &Arc<str>,
    span: (u64, u64),
) -> Result<Scanned, CallError> {
    scan_with(engine, plugin, lent, Answers::Live, None, told, network, span).await.0
}

/// Asks for the blocks of a span, with answers of the caller's choice, under fuel where it is given.
#[tracing::instrument(name = "plugin.span.scan", skip_all, fields(chain.id = %lent.chain, first, last))]
#[expect(clippy::too_many_arguments, reason = "they are what a scan is a function of")]
pub async fn scan_with(
    engine: &Engine,
    plugin: &Admitted,
    lent: Lent,
    answers: Answers,
    fuel: Option<u64>,
    told: &Context,
    network: &Arc<str>,
    (first, last): (u64, u64),
) -> (Result<Scanned, CallError>, Used) {
    let _room = engine.room.acquire().await;
    let (inner, ready) = if fuel.is_some() {
        match engine.metered().and_then(|inner| Ok((inner.clone(), plugin.metered(engine)?.clone()))) {
            Ok(both) => both,
            Err(e) => return (Err(CallError::Host(first_line(&e))), Used::default()),
        }
    } else {
        (engine.inner.clone(), plugin.ready.clone())
    };
    let (most, output) = (lent.limits.trades, lent.limits.output_bytes);
    let lift =
        Lift { chain: Arc::clone(&lent.chain), network: Arc::clone(network), detector: Arc::clone(&plugin.detector) };
    let state = Limited::new(lent, answers, told.now_ms);
    let question = Question::Scan(context(told), wit::Span { first, last });
    let asked = async move {
        let begun = Instant::now();
        let (answer, mut used) = ask(inner, ready, state, output, fuel, question).await;
        used.took = begun.elapsed();
        let lifted = match answer {
            Ok(Answer::Scanned(scanned)) => lift.scanned(scanned, first, last, most),
            Ok(_) => Err(lost()),
            Err(error) => Err(error),
        };
        (lifted, used)
    };
    engine.run(asked).await.unwrap_or_else(|| (Err(lost()), Used::default()))
}

impl wit::Host for Limited {}

impl wit_upstream::Host for Limited {
    async fn send(
        &mut self,
        requests: Vec<wit_upstream::Request>,
    ) -> wasmtime::Result<Vec<Result<wit_upstream::Response, wit_upstream::UpstreamError>>> {
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
        let answers = Limited::send(self, requests.into_iter().map(lower).collect()).await?;
        Ok(answers.into_iter().map(raise).collect())
    }
}

impl cache::Host for Limited {
    async fn get(&mut self, keys: Vec<String>) -> wasmtime::Result<Vec<Option<Vec<u8>>>> {
        Ok(self.recall(&keys))
    }

    async fn put(&mut self, entries: Vec<(String, Vec<u8>)>) -> wasmtime::Result<()> {
        self.keep(entries);
        Ok(())
    }
}

impl log::Host for Limited {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Error => tracing::Level::ERROR,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Debug => tracing::Level::DEBUG,
        };
        self.log(level, &message);
        Ok(())
    }
}
