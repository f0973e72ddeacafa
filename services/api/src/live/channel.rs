//! The channels of the stream: the name of each in messages, and the topic it follows.

use tape_log::{Topic, topics};

/// A channel of the stream. Each follows one topic, or what is watched in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Trades that are applied and reverted.
    Trades,
    /// The metrics of one user.
    Metrics,
    /// The balances of one user.
    Wallets,
    /// How far each chain is.
    Chains,
    /// The price of one asset.
    Prices,
    /// The newest candles of one asset.
    Candles,
}

impl Channel {
    pub(crate) const ALL: [Self; 6] =
        [Self::Trades, Self::Metrics, Self::Wallets, Self::Chains, Self::Prices, Self::Candles];

    /// Its name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::Metrics => "user.metrics",
            Self::Wallets => "user.portfolio",
            Self::Chains => "chains",
            Self::Prices => "prices",
            Self::Candles => "candles",
        }
    }

    /// The letter by which its resume tokens are recognized.
    pub(crate) fn letter(self) -> u8 {
        match self {
            Self::Trades => b't',
            Self::Metrics => b'm',
            Self::Wallets => b'p',
            Self::Chains => b'c',
            Self::Prices => b'a',
            Self::Candles => b'k',
        }
    }

    /// The topic it follows; none of what is watched.
    pub(crate) fn topic(self) -> Option<Topic> {
        match self {
            Self::Trades => Some(topics::TRADES),
            Self::Metrics => Some(topics::METRICS_UPDATED),
            Self::Wallets => Some(topics::PORTFOLIO_UPDATED),
            Self::Chains => Some(topics::PROGRESS),
            Self::Prices | Self::Candles => None,
        }
    }

    /// The channel of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// The channel that follows a topic.
    pub(crate) fn from_topic(topic: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.topic().is_some_and(|followed| followed.name == topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_channel_has_a_name_a_letter_and_a_topic_of_its_own() {
        for channel in Channel::ALL {
            assert_eq!(Channel::from_name(channel.name()), Some(channel));
            if let Some(topic) = channel.topic() {
                assert_eq!(Channel::from_topic(topic.name), Some(channel));
            }
        }
        assert_eq!(Channel::ALL.map(Channel::letter).into_iter().collect::<BTreeSet<_>>().len(), Channel::ALL.len());
        assert_eq!(Channel::from_topic(topics::METRICS_DLQ.name), None, "dead letters are on no channel");
    }
}
