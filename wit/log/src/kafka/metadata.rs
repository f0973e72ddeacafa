//! Asks a broker for the ids of cluster and topics (KIP-516).
//!
//! Decisions
//! * 2026-11-29 – one request of Kafka's protocol is written by hand. Context: librdkafka knows topic ids, but its crate
//!   has no safe call for them, and unsafe code is forbidden here. Choice: `Metadata` version 10, which every broker from
//!   2.8 on answers, over a connection of its own; like all our connections it is not encrypted. Price: whoever adds
//!   encryption to `client_config` adds it here too.

use super::{BROKER_TIMEOUT, Kafka};
use crate::Topic;
use crate::identity::Identities;
use std::sync::Arc;
use tape::Unavailable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Why a broker gave no ids.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BrokerRefusal(String);

const METADATA: i16 = 3;
const VERSION: i16 = 10;
/// Error codes of a topic that does not exist, or has no leaders yet.
const UNKNOWN_TOPIC: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
/// Largest response that is read: far above what a few topics of 64 partitions take.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// The identities of the topics that exist.
pub(super) async fn identities(log: &Kafka, topics: &[Topic]) -> Result<Identities, Unavailable> {
    let names: Vec<String> = topics.iter().map(|topic| log.name(topic.name)).collect();
    let doing = || format!("ask Kafka at {} for the ids of its topics", log.0.brokers);
    let mut failed: Option<BrokerRefusal> = None;
    for broker in log.0.brokers.split(',').map(str::trim) {
        match tokio::time::timeout(BROKER_TIMEOUT, ask(broker, &names)).await {
            Ok(Ok(found)) => return Ok(plain(log, found)),
            Ok(Err(why)) => failed = Some(why),
            Err(_) => failed = Some(BrokerRefusal(format!("{broker} does not answer"))),
        }
    }
    Err(Unavailable::new(doing(), failed.unwrap_or_else(|| BrokerRefusal("there is no broker".to_owned()))))
}

/// Names without prefix, and one text of cluster and topic id.
fn plain(log: &Kafka, Metadata { cluster, topics }: Metadata) -> Identities {
    let identity = |(name, id): (String, [u8; 16])| {
        let id = if id == [0; 16] { "no-id".to_owned() } else { uuid_text(id) };
        (Arc::from(log.plain(&name)), Arc::from(format!("{cluster}/{id}")))
    };
    topics.into_iter().map(identity).collect()
}

struct Metadata {
    cluster: String,
    topics: Vec<(String, [u8; 16])>,
}

async fn ask(broker: &str, names: &[String]) -> Result<Metadata, BrokerRefusal> {
    let failed = |e: std::io::Error| BrokerRefusal(format!("{broker}: {e}"));
    let mut connection = TcpStream::connect(broker).await.map_err(failed)?;
    connection.write_all(&request(names)).await.map_err(failed)?;
    let size = connection
        .read_i32()
        .await
        .map_err(|e| BrokerRefusal(format!("{broker}: {e}; Kafka 2.8 or later is needed, whose topics have ids")))?;
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_RESPONSE_BYTES);
    let mut response = vec![0; size.ok_or_else(|| BrokerRefusal(format!("{broker}: its response has no size")))?];
    connection.read_exact(&mut response).await.map_err(failed)?;
    read(&mut Bytes(&response)).ok_or_else(|| BrokerRefusal(format!("{broker}: its response cannot be read")))
}

fn request(names: &[String]) -> Vec<u8> {
    let mut body = vec![];
    body.extend(METADATA.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend([0, 9]);
    body.extend(b"chaintape");
    body.push(0);
    unsigned(&mut body, names.len() + 1);
    for name in names {
        body.extend([0; 16]);
        unsigned(&mut body, name.len() + 1);
        body.extend(name.as_bytes());
        body.push(0);
    }
    // No topic is made, and no operations are listed; then no tagged fields.
    body.extend([0, 0, 0, 0]);
    let mut framed = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    framed.extend(body);
    framed
}

/// A number in groups of seven bits.
fn unsigned(to: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        to.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    to.push(low_bits(number));
}

fn low_bits(number: usize) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or_default()
}

fn read(bytes: &mut Bytes<'_>) -> Option<Metadata> {
    bytes.skip(4)?;
    bytes.tags()?;
    bytes.skip(4)?;
    for _ in 0..bytes.length()? {
        bytes.skip(4)?;
        bytes.text()?;
        bytes.skip(4)?;
        bytes.text()?;
        bytes.tags()?;
    }
    let cluster = bytes.text()?;
    bytes.skip(4)?;
    let mut topics = vec![];
    for _ in 0..bytes.length()? {
        let error = i16::from_be_bytes(bytes.take(2)?.try_into().ok()?);
        let name = bytes.text()?;
        let id: [u8; 16] = bytes.take(16)?.try_into().ok()?;
        bytes.skip(1)?;
        for _ in 0..bytes.length()? {
            bytes.skip(2 + 4 + 4 + 4)?;
            for _ in 0..3 {
                let replicas = bytes.length()?;
                bytes.skip(replicas.checked_mul(4)?)?;
            }
            bytes.tags()?;
        }
        bytes.skip(4)?;
        bytes.tags()?;
        match error {
            0 | LEADER_NOT_AVAILABLE => topics.push((name, id)),
            UNKNOWN_TOPIC => {}
            _ => return None,
        }
    }
    Some(Metadata { cluster, topics })
}

/// What is left of a response.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    fn unsigned(&mut self) -> Option<usize> {
        let mut number = 0_usize;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Elements of an array, bytes of a text; 0 where it is null.
    fn length(&mut self) -> Option<usize> {
        Some(self.unsigned()?.saturating_sub(1))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    fn tags(&mut self) -> Option<()> {
        for _ in 0..self.unsigned()? {
            self.unsigned()?;
            let length = self.unsigned()?;
            self.skip(length)?;
        }
        Some(())
    }
}

/// A topic's id as Kafka's tools print it: base 64 for addresses, without padding.
fn uuid_text(id: [u8; 16]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let number = u128::from_be_bytes(id);
    // 128 bits are 21 groups of six and two bits more, which are padded with four.
    let group = |index: u32| if index < 21 { number >> (122 - 6 * index) } else { number << 4 };
    let letter = |index| usize::try_from(group(index) & 0x3f).map_or('?', |place| char::from(ALPHABET[place]));
    (0..22).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_the_tools_of_kafka_do() {
        assert_eq!(uuid_text([0xff; 16]), "_____________________w");
        assert_eq!(uuid_text(*b"0123456789abcdef"), "MDEyMzQ1Njc4OWFiY2RlZg");
    }

    #[test]
    fn a_response_that_is_cut_anywhere_is_not_read() {
        let mut whole = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 3, b'c', b'1', 0, 0, 0, 1, 2, 0, 0, 2, b't'];
        whole.extend([7; 16]);
        whole.extend([0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
        let read_whole = read(&mut Bytes(&whole)).unwrap();
        assert_eq!((read_whole.cluster.as_str(), read_whole.topics), ("c1", vec![("t".to_owned(), [7; 16])]));
        assert!((0..whole.len() - 1).all(|length| read(&mut Bytes(&whole[..length])).is_none()));
    }
}
