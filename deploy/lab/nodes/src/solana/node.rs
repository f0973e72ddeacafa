//! The Solana node's state: which slots have blocks, the head and finality it shows, and which blocks are not available yet.

use super::recording::{GENESIS, Recording, SLOT};
use super::rpc;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A node that serves recorded transactions. Clones share everything.
#[derive(Clone, Debug)]
pub struct Node(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    chain: RwLock<Slots>,
    requests: AtomicU64,
}

/// The slots that have blocks, and how much of them is shown.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) blocks: BTreeMap<u64, SlotBlock>,
    pub(super) late: BTreeSet<u64>,
    pub(super) head: u64,
    pub(super) finality: u64,
}

/// One block: the whole answer, and the one without transactions.
#[derive(Clone, Debug)]
pub(super) struct SlotBlock {
    pub(super) whole: Arc<str>,
    pub(super) name: Arc<str>,
    hash: String,
}

impl Node {
    /// A node whose only block is the recorded one.
    pub fn from_recording(recording: &Recording) -> Self {
        let Recording { text, blockhash, previous_blockhash, parent_slot, .. } = recording;
        let name = rpc::name(blockhash, previous_blockhash, *parent_slot);
        let block = SlotBlock { whole: text.as_str().into(), name: name.into(), hash: blockhash.clone() };
        let node = Self::empty();
        node.write(|chain| chain.blocks.insert(SLOT, block));
        node.set_head(SLOT);
        node
    }

    /// A node without blocks, for a script.
    pub fn empty() -> Self {
        let shared = Shared { chain: RwLock::default(), requests: AtomicU64::new(0) };
        Self(Arc::new(shared))
    }

    /// Puts a block at a slot, on the newest block below it, in place of any other. `branch` makes its hash different from
    /// those of other branches.
    pub fn put_block(&self, slot: u64, branch: &str, transactions: &[String]) {
        self.write(|chain| {
            let parent = chain.blocks.range(..slot).next_back();
            let (parent_slot, parent_hash) =
                parent.map_or((slot - 1, GENESIS.to_owned()), |(slot, block)| (*slot, block.hash.clone()));
            let hash = rpc::hash(slot, branch);
            let name = rpc::name(&hash, &parent_hash, parent_slot);
            let whole = rpc::whole(&name, transactions);
            chain.blocks.insert(slot, SlotBlock { whole: whole.into(), name: name.into(), hash });
        });
    }

    /// Takes away every block from this slot on: the cluster left that branch.
    pub fn leave(&self, from: u64) {
        self.write(|chain| chain.blocks.retain(|slot, _| *slot < from));
    }

    /// Whether the block of a slot cannot be had yet, although it is listed.
    pub fn set_late(&self, slot: u64, is_late: bool) {
        self.write(|chain| if is_late { chain.late.insert(slot) } else { chain.late.remove(&slot) });
    }

    /// Shows the blocks up to this slot and no others.
    pub fn set_head(&self, slot: u64) {
        self.write(|chain| chain.head = slot);
    }

    /// How many slots the finalized one trails the head; 0 from the start.
    pub fn set_finality(&self, slots: u64) {
        self.write(|chain| chain.finality = slots);
    }

    /// HTTP requests received so far.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Answers below a path, for a server that has other things to do as well.
    pub fn router(&self, path: &str) -> Router {
        Router::new().route(path, axum::routing::post(handle)).with_state(self.clone())
    }

    /// Listens on an address (port 0 picks one) until the server is dropped.
    pub async fn serve(&self, address: SocketAddr) -> std::io::Result<(SocketAddr, Server)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let app = Router::new().fallback(handle).with_state(self.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok((address, Server(task)))
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Slots) -> T) -> T {
        look(&self.0.chain.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Slots) -> T) -> T {
        change(&mut self.0.chain.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running node; dropping it closes its port.
#[derive(Debug)]
pub struct Server(JoinHandle<std::io::Result<()>>);

impl Server {
    /// Waits until the server ends, which it does only by an error of its listener.
    pub async fn wait(mut self) -> std::io::Result<()> {
        (&mut self.0).await.map_err(std::io::Error::other)?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn handle(State(node): State<Node>, body: Bytes) -> Response {
    node.0.requests.fetch_add(1, Ordering::Relaxed);
    ([(header::CONTENT_TYPE, "application/json")], node.read(|chain| rpc::answer(chain, &body))).into_response()
}
