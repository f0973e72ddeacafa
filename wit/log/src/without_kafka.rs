//! The log on a Kafka cluster in a binary that was built without Kafka's client: opening it is refused, and nothing else can be
//! called.
#![expect(clippy::unused_async, reason = "the same functions as those of the adapter on Kafka")]

use crate::access::Access;
use crate::identity::{Identities, PartitionSpan};
use crate::settings::KafkaSettings;
use crate::topics_command::TopicsFormat;
use crate::{Appended, Arrival, Ends, Record, Stored, Topic};
use environment::Secret;
use std::convert::Infallible;
use tape::{Partition, Start, Unavailable};

/// A cluster that cannot be opened.
#[derive(Clone)]
pub struct Kafka(Infallible);

/// A place in a group that nobody can have.
#[derive(Clone)]
pub struct Membership(Infallible);

/// A writer that nobody can have.
pub struct Writer(Infallible);

/// A reader that nobody can have.
pub struct Reader(Infallible);

/// Without Kafka's client nobody knows which properties it has.
pub(crate) fn check_properties(_properties: &[(String, Secret)]) -> Vec<(String, String)> {
    vec![]
}

/// Without Kafka's client there is nothing to run on a cluster.
pub(crate) fn print_topics(
    settings: &KafkaSettings,
    _access: &Access,
    _principal: &str,
    _format: TopicsFormat,
) -> Result<Vec<String>, Unavailable> {
    Err(built_without(settings))
}

fn built_without(settings: &KafkaSettings) -> Unavailable {
    let missing = "this binary was built without Kafka's client; build it with the feature `kafka` (the default)";
    Unavailable::new(format!("open the log on Kafka at {}", settings.brokers), missing)
}

impl Kafka {
    pub(crate) fn max_bytes(&self, _topic: &Topic) -> u32 {
        match self.0 {}
    }

    pub(crate) fn open(settings: &KafkaSettings) -> Result<Self, Unavailable> {
        Err(built_without(settings))
    }

    pub(crate) async fn own(&self, _topics: &[Topic]) -> Result<(), Unavailable> {
        match self.0 {}
    }

    pub(crate) async fn writer(
        &self,
        _name: &str,
        _membership: Option<(Membership, Partition)>,
    ) -> Result<Writer, Unavailable> {
        match self.0 {}
    }

    pub(crate) async fn publish(&self, _records: Vec<Record>) -> Result<(), Unavailable> {
        match self.0 {}
    }

    pub(crate) async fn visit(
        &self,
        _partition: &Partition,
        _each: impl FnMut(Stored) + Send + 'static,
    ) -> Result<(), Unavailable> {
        match self.0 {}
    }

    pub(crate) async fn identities(&self, _topics: &[Topic]) -> Result<Identities, Unavailable> {
        match self.0 {}
    }

    pub(crate) async fn spans(&self, _topic: &Topic) -> Result<Vec<(Partition, PartitionSpan)>, Unavailable> {
        match self.0 {}
    }

    pub(crate) async fn ends(&self, _topic: &Topic) -> Result<Vec<(Partition, u64)>, Unavailable> {
        match self.0 {}
    }

    pub(crate) async fn positions_at(
        &self,
        _topic: &Topic,
        _timestamp_ms: u64,
    ) -> Result<Vec<(Partition, u64)>, Unavailable> {
        match self.0 {}
    }

    pub(crate) fn assigned(&self, _partitions: Vec<(Partition, Start)>) -> Result<Reader, Unavailable> {
        match self.0 {}
    }

    pub(crate) fn joined(&self, _group: &str, _topic: &Topic) -> Result<Reader, Unavailable> {
        match self.0 {}
    }

    pub(crate) fn member(
        &self,
        _group: &str,
        _topic: &Topic,
        _wants_key: fn(&[u8]) -> bool,
    ) -> Result<Reader, Unavailable> {
        match self.0 {}
    }
}

impl Writer {
    pub(crate) async fn append(
        &mut self,
        _records: Vec<Record>,
        _seal: impl FnOnce(&Ends) -> Vec<Record> + Send,
    ) -> Appended {
        match self.0 {}
    }
}

impl Reader {
    pub(crate) fn membership(&self) -> Membership {
        match self.0 {}
    }

    pub(crate) fn publish_positions(&mut self, _positions: Vec<(Partition, u64)>) {
        match self.0 {}
    }

    pub(crate) fn let_go(&mut self, _partition: &Partition) {
        match self.0 {}
    }

    pub(crate) async fn next(&mut self) -> Result<Arrival, Unavailable> {
        match self.0 {}
    }

    pub(crate) fn seek(&mut self, _partition: &Partition, _start: Start) -> Result<(), Unavailable> {
        match self.0 {}
    }
}
