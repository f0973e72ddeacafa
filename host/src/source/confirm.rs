//! Confirms a reorg with the other endpoints: a branch is not left while another endpoint that is as far still has the
//! block. With a single endpoint, that one is asked once more.

use super::{ActiveVersion, Source};
use crate::plugin::v1;
use crate::upstream::Endpoint;
use ingest_domain::{ChainReader, Failure, Tip};
use std::sync::Arc;
use std::time::Duration;
use tape::BlockId;

/// How long a reorg waits for another endpoint's answer.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);

impl Source {
    /// Whether an endpoint that is as far as this tip still has the block.
    pub(super) async fn any_endpoint_has(&mut self, block: &BlockId, tip: &Tip) -> Result<bool, Failure> {
        let active = self.active.clone().map_err(Failure::Hopeless)?;
        let shown_by = self.last.as_ref().map(|endpoint| endpoint.number);
        let is_same = |one: &Option<Arc<Endpoint>>| one.as_ref().map(|endpoint| endpoint.number) == shown_by;
        let (same, others): (Vec<_>, Vec<_>) = self.ranked(&active.endpoints, None).into_iter().partition(is_same);
        if let Some(same) = same.first() {
            self.confirm_network(&active, same.as_ref(), tip).await?;
        }
        for other in others {
            let has_it = async {
                self.is_as_far(&active, other.as_ref(), tip).await
                    && self.has_block(&active, other.as_ref(), block).await
            };
            if tokio::time::timeout(CONFIRM_TIMEOUT, has_it).await.unwrap_or(false) {
                let number = other.as_ref().map_or(0, |endpoint| endpoint.number);
                self.blame(&format!("it shows another branch, and endpoint {number} still has block {block}"));
                self.last = other;
                return Ok(true);
            }
        }
        match same.first() {
            Some(same) => Ok(self.has_block(&active, same.as_ref(), block).await),
            None => Ok(false),
        }
    }

    /// Before anything is taken back, the endpoint that shows another branch is asked whether it is still of the same network.
    async fn confirm_network(
        &mut self,
        active: &ActiveVersion,
        endpoint: Option<&Arc<Endpoint>>,
        tip: &Tip,
    ) -> Result<(), Failure> {
        self.networks.forget(endpoint);
        match self.ask_head(active, endpoint).await {
            Ok(head) if head.network != tip.network => {
                let why = format!("the endpoint follows network {} now, it followed {}", head.network, tip.network);
                self.blame(&why);
                Err(Failure::Retry { after_ms: None, why })
            }
            // One that does not answer now is asked for the block all the same.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether an endpoint is as far as the tip; one that cannot be asked, or is passed over for now, is not.
    async fn is_as_far(&self, active: &ActiveVersion, endpoint: Option<&Arc<Endpoint>>, tip: &Tip) -> bool {
        if endpoint.is_some_and(|endpoint| endpoint.rank().0) {
            return false;
        }
        let context = active.context(endpoint, None);
        let head = v1::head(&self.engine, &active.plugin, active.resources(endpoint), &context).await;
        head.is_ok_and(|head| head.network == tip.network && head.latest.height >= tip.latest.height)
    }

    async fn has_block(&self, active: &ActiveVersion, endpoint: Option<&Arc<Endpoint>>, block: &BlockId) -> bool {
        let (resources, context, span) =
            (active.resources(endpoint), active.context(endpoint, None), (block.height, block.height));
        let scanned = v1::scan(&self.engine, &active.plugin, resources, &context, &self.network, span).await;
        scanned.is_ok_and(|scanned| scanned.blocks.iter().any(|found| found.id == *block))
    }
}
