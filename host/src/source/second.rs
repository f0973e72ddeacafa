//! A second look before a branch is left: what one endpoint alone shows is no reorg while another, which is as far, still has
//! the block. With a single endpoint, that one is asked once more.

use super::{Reading, Source};
use crate::plugin::v1;
use crate::upstream::Endpoint;
use ingest_domain::{Chain, Failure, Tip};
use std::sync::Arc;
use std::time::Duration;
use tape::BlockId;

/// An endpoint that takes longer to answer does not hold up a reorg.
const PATIENCE: Duration = Duration::from_secs(3);

impl Source {
    pub(super) async fn look_again(&mut self, block: &BlockId, tip: &Tip) -> Result<bool, Failure> {
        let reading = self.reading.clone().map_err(Failure::Hopeless)?;
        let shown_by = self.last.as_ref().map(|endpoint| endpoint.number);
        let is_the_one = |one: &Option<Arc<Endpoint>>| one.as_ref().map(|endpoint| endpoint.number) == shown_by;
        let (same, others): (Vec<_>, Vec<_>) = self.ranked(&reading.endpoints, None).into_iter().partition(is_the_one);
        for other in others {
            let held = async {
                self.is_as_far(&reading, other.as_ref(), tip).await && self.has(&reading, other.as_ref(), block).await
            };
            if tokio::time::timeout(PATIENCE, held).await.unwrap_or(false) {
                let number = other.as_ref().map_or(0, |endpoint| endpoint.number);
                self.blame(&format!("it shows another branch, and endpoint {number} still has block {block}"));
                self.last = other;
                return Ok(true);
            }
        }
        match same.first() {
            Some(same) => Ok(self.has(&reading, same.as_ref(), block).await),
            None => Ok(false),
        }
    }

    /// One that cannot be asked, or is passed over for now, is not.
    async fn is_as_far(&self, reading: &Reading, endpoint: Option<&Arc<Endpoint>>, tip: &Tip) -> bool {
        if endpoint.is_some_and(|endpoint| endpoint.rank().0) {
            return false;
        }
        let told = reading.context(None);
        let head = v1::head(&self.engine, &reading.plugin, reading.lent(endpoint), &told).await;
        head.is_ok_and(|head| head.network == tip.network && head.latest.height >= tip.latest.height)
    }

    async fn has(&self, reading: &Reading, endpoint: Option<&Arc<Endpoint>>, block: &BlockId) -> bool {
        let (lent, told, span) = (reading.lent(endpoint), reading.context(None), (block.height, block.height));
        let scanned = v1::scan(&self.engine, &reading.plugin, lent, &told, &self.network, span).await;
        scanned.is_ok_and(|scanned| scanned.blocks.iter().any(|found| found.id == *block))
    }
}
