//! The log on a Kafka cluster: transactional writers, `read_committed` readers, topics created as they should be.

mod admin;
mod consumer;
mod link;
mod metadata;
mod print;
mod properties;
mod reader;
mod rebalance;
mod safety;
mod token;
mod visit;
mod writer;

pub(crate) use print::print_topics;
pub use reader::{Membership, Reader};
pub use writer::Writer;

use crate::access::LONE_GROUP;
use crate::identity::{Identities, PartitionSpan};
use crate::settings::KafkaSettings;
use crate::{Record, Stored, Topic};
use environment::Secret;
use link::{BrokerContext, BrokerError, BrokerLink, RequestError};
use rdkafka::admin::AdminClient;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::FutureProducer;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tape::{Partition, Start, Unavailable};

/// How long one request to the brokers may take.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// A cluster and how this environment uses it. Clones share it.
#[derive(Clone)]
pub struct Kafka(Arc<Cluster>);

struct Cluster {
    settings: KafkaSettings,
    link: Arc<BrokerLink>,
    publisher: OnceLock<FutureProducer<BrokerContext>>,
}

/// Why librdkafka does not take some properties.
pub(crate) fn check_properties(properties: &[(String, Secret)]) -> Vec<(String, String)> {
    let check = |(name, value): &(String, Secret)| {
        let why = ClientConfig::new().set(name, value.expose()).create_native_config().err()?;
        let why = match why {
            KafkaError::ClientConfig(_, why, ..) => why,
            other => other.to_string(),
        };
        Some((name.clone(), why))
    };
    properties.iter().filter_map(check).collect()
}

impl Kafka {
    #[expect(clippy::unnecessary_wraps, reason = "a binary without Kafka's client refuses it here")]
    pub(crate) fn open(settings: &KafkaSettings) -> Result<Self, Unavailable> {
        Ok(Self(Arc::new(Cluster {
            settings: settings.clone(),
            link: Arc::new(BrokerLink::new(&settings.connection)),
            publisher: OnceLock::new(),
        })))
    }

    pub(crate) fn max_bytes(&self, topic: &Topic) -> u32 {
        self.0.settings.topics.max_bytes(topic)
    }

    pub(crate) async fn own(&self, topics: &[Topic]) -> Result<(), Unavailable> {
        admin::own(self, topics).await
    }

    pub(crate) async fn writer(
        &self,
        name: &str,
        membership: Option<(Membership, Partition)>,
    ) -> Result<Writer, Unavailable> {
        Writer::claim(self, name, membership).await
    }

    pub(crate) async fn publish(&self, records: Vec<Record>) -> Result<(), Unavailable> {
        let producer = if let Some(producer) = self.0.publisher.get() {
            producer.clone()
        } else {
            let fresh = self.producer(&self.producer_config()).map_err(|e| Unavailable::new("make a producer", e))?;
            self.0.publisher.get_or_init(|| fresh).clone()
        };
        writer::send(self, &producer, records).await.map(|_| ()).map_err(Unavailable::from)
    }

    pub(crate) async fn visit(
        &self,
        partition: &Partition,
        each: impl FnMut(Stored) + Send + 'static,
    ) -> Result<(), Unavailable> {
        let (log, partition) = (self.clone(), partition.clone());
        let doing = format!("read all of {} {}", partition.topic, partition.index);
        self.blocking(doing, move || Ok(visit::visit(&log, &partition, each)?)).await
    }

    pub(crate) async fn identities(&self, topics: &[Topic]) -> Result<Identities, Unavailable> {
        metadata::identities(self, topics).await
    }

    pub(crate) async fn spans(&self, topic: &Topic) -> Result<Vec<(Partition, PartitionSpan)>, Unavailable> {
        let (log, topic) = (self.clone(), *topic);
        self.blocking(format!("ask where {} begins and ends", topic.name), move || {
            let consumer = log.asking_consumer()?;
            let name = log.name(topic.name);
            let ask = |which: Offset| {
                let mut wanted = TopicPartitionList::new();
                for partition in topic.partitions() {
                    wanted.add_partition_offset(&name, partition.index.cast_signed(), which)?;
                }
                consumer.offsets_for_times(wanted, BROKER_TIMEOUT)
            };
            // As times, these two offsets stand for the first position and the end.
            let (firsts, ends) = (ask(Offset::Beginning)?, ask(Offset::End)?);
            let at = |list: &TopicPartitionList, partition: &Partition| {
                let found = list.find_partition(&name, partition.index.cast_signed());
                match found.map(|element| (element.error(), element.offset())) {
                    Some((Ok(()), Offset::Offset(position))) => Ok(position.cast_unsigned()),
                    Some((Err(error), _)) => Err(error),
                    _ => Err(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition)),
                }
            };
            let span = |partition: Partition| {
                let span = PartitionSpan { first: at(&firsts, &partition)?, end: at(&ends, &partition)? };
                Ok((partition, span))
            };
            Ok(topic.partitions().map(span).collect::<Result<_, KafkaError>>()?)
        })
        .await
    }

    pub(crate) async fn ends(&self, topic: &Topic) -> Result<Vec<(Partition, u64)>, Unavailable> {
        let (log, topic) = (self.clone(), *topic);
        self.blocking(format!("ask where {} ends", topic.name), move || {
            let consumer = log.asking_consumer()?;
            let name = log.name(topic.name);
            let end = |partition: Partition| {
                let index = partition.index.cast_signed();
                let (_, high) = consumer.fetch_watermarks(&name, index, BROKER_TIMEOUT)?;
                Ok((partition, high.cast_unsigned()))
            };
            Ok(topic.partitions().map(end).collect::<Result<_, KafkaError>>()?)
        })
        .await
    }

    pub(crate) async fn positions_at(
        &self,
        topic: &Topic,
        timestamp_ms: u64,
    ) -> Result<Vec<(Partition, u64)>, Unavailable> {
        let ends = self.ends(topic).await?;
        let (log, topic) = (self.clone(), *topic);
        self.blocking(format!("look up positions in {}", topic.name), move || {
            let consumer = log.asking_consumer()?;
            let mut wanted = TopicPartitionList::new();
            for partition in topic.partitions() {
                let at = Offset::Offset(timestamp_ms.cast_signed());
                wanted.add_partition_offset(&log.name(topic.name), partition.index.cast_signed(), at)?;
            }
            let found = consumer.offsets_for_times(wanted, BROKER_TIMEOUT)?;
            let position = |(partition, end): (Partition, u64)| {
                let offset = found.find_partition(&log.name(topic.name), partition.index.cast_signed());
                let position = match offset.map(|element| element.offset()) {
                    Some(Offset::Offset(position)) => position.cast_unsigned(),
                    _ => end,
                };
                (partition, position)
            };
            Ok(ends.into_iter().map(position).collect())
        })
        .await
    }

    pub(crate) fn assigned(&self, partitions: Vec<(Partition, Start)>) -> Result<Reader, Unavailable> {
        Reader::assigned(self, partitions)
    }

    pub(crate) fn joined(&self, group: &str, topic: &Topic) -> Result<Reader, Unavailable> {
        Reader::joined(self, group, topic)
    }

    pub(crate) fn member(
        &self,
        group: &str,
        topic: &Topic,
        wants_key: fn(&[u8]) -> bool,
    ) -> Result<Reader, Unavailable> {
        Reader::member(self, group, topic, wants_key)
    }

    /// A topic's name on the cluster.
    fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.0.settings.prefix)
    }

    /// A topic's name without the environment's prefix.
    fn plain<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(self.0.settings.prefix.as_str()).unwrap_or(name)
    }

    fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.0.settings.brokers)
            .set("client.id", "chaintape")
            .set("reconnect.backoff.max.ms", "2000")
            .set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// Sets what the operator sets, over what is set already, as far as it concerns this kind of client.
    fn set_chosen(&self, config: &mut ClientConfig, is_foreign: fn(&str) -> bool) {
        for (name, value) in self.0.settings.connection.properties.iter().filter(|(name, _)| !is_foreign(name)) {
            config.set(name, value.expose());
        }
    }

    fn producer_config(&self) -> ClientConfig {
        let mut config = self.client_config();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", "zstd")
            .set("linger.ms", "1")
            .set("message.max.bytes", self.0.settings.topics.max_message_bytes.to_string())
            .set("queue.buffering.max.kbytes", "65536")
            .set("message.timeout.ms", "30000");
        self.set_chosen(&mut config, properties::is_of_consumers);
        config
    }

    fn consumer_config(&self, group: Option<&str>) -> ClientConfig {
        let mut config = self.client_config();
        let group = self.id(group.unwrap_or(LONE_GROUP));
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "1500")
            .set("fetch.wait.max.ms", "100")
            // Compressed sizes: thousands of records of a partition, and eight partitions in one response.
            .set("fetch.message.max.bytes", "2097152")
            .set("fetch.max.bytes", "16777216")
            .set("queued.max.messages.kbytes", "32768")
            .set("enable.partition.eof", "false");
        self.set_chosen(&mut config, properties::is_of_producers);
        config
    }

    /// The id of a group or a transaction: environments and prefixes share a cluster without meeting.
    fn id(&self, name: &str) -> String {
        let KafkaSettings { environment, prefix, .. } = &self.0.settings;
        format!("{environment}.{prefix}{name}")
    }

    fn context(&self) -> BrokerContext {
        BrokerContext { link: Arc::clone(&self.0.link), logs_errors: true }
    }

    fn producer(&self, config: &ClientConfig) -> Result<FutureProducer<BrokerContext>, KafkaError> {
        config.create_with_context(self.context())
    }

    /// A consumer that asks the brokers and reads nothing. Blocks where tokens are used.
    fn asking_consumer(&self) -> Result<BaseConsumer<BrokerContext>, KafkaError> {
        self.authorized(&self.consumer_config(None), self.context())
    }

    /// A consumer that is used before it is polled. Blocks where tokens are used.
    fn authorized(
        &self,
        config: &ClientConfig,
        context: BrokerContext,
    ) -> Result<BaseConsumer<BrokerContext>, KafkaError> {
        let consumer: BaseConsumer<BrokerContext> = config.create_with_context(context)?;
        self.0.link.authorize(consumer.client())?;
        Ok(consumer)
    }

    /// A client that asks about topics and creates them. Blocks where tokens are used.
    fn admin_client(&self) -> Result<AdminClient<BrokerContext>, KafkaError> {
        let mut config = self.client_config();
        self.set_chosen(&mut config, |name| properties::is_of_producers(name) || properties::is_of_consumers(name));
        let admin: AdminClient<BrokerContext> = config.create_with_context(self.context())?;
        self.0.link.authorize(admin.inner())?;
        Ok(admin)
    }

    /// Runs a blocking request to the brokers on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        doing: String,
        work: impl FnOnce() -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(|error| match error {
                RequestError::Failed(error) => Unavailable::new(doing, self.explained(error)),
                RequestError::Answered(sentence) => Unavailable::new(doing, sentence),
            }),
            Err(e) => Err(Unavailable::new(doing, e)),
        }
    }

    /// An error of a request, with why the connection failed where that is the reason.
    fn explained(&self, error: KafkaError) -> BrokerError {
        self.0.link.explained(error)
    }
}
