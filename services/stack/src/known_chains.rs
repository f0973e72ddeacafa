//! The chain files that this program brings along, for `chaintape new`.

use crate::probe::Network;

/// A chain file, with `${VAR}` for the address of its node.
pub(crate) struct KnownChain {
    /// Which chain it is for.
    is: fn(&Network) -> bool,
    text: &'static str,
}

macro_rules! evm {
    ($id:literal, $file:literal) => {
        KnownChain {
            is: |network| *network == Network::Evm($id),
            text: include_str!(concat!("../../../env/chains/", $file, ".toml")),
        }
    };
}

const KNOWN_CHAINS: &[KnownChain] = &[
    evm!(1, "prod/ethereum"),
    evm!(10, "prod/optimism"),
    evm!(56, "prod/bsc"),
    evm!(100, "more/gnosis"),
    evm!(130, "more/unichain"),
    evm!(137, "prod/polygon"),
    evm!(324, "more/zksync"),
    evm!(8453, "prod/base"),
    evm!(42161, "prod/arbitrum"),
    evm!(42220, "more/celo"),
    evm!(43114, "prod/avalanche"),
    evm!(59144, "more/linea"),
    evm!(84532, "staging/base-sepolia"),
    evm!(534_352, "more/scroll"),
    evm!(11_155_111, "staging/sepolia"),
    KnownChain {
        is: |network| matches!(network, Network::Solana(genesis) if genesis.starts_with("5eykt4UsFv8P8NJdTREpY1vz")),
        text: include_str!("../../../env/chains/prod/solana.toml"),
    },
    KnownChain {
        is: |network| matches!(network, Network::Solana(genesis) if genesis.starts_with("EtWTRABZaYq6iMfeYKouRu166VU2xqa1")),
        text: include_str!("../../../env/chains/staging/solana-devnet.toml"),
    },
    KnownChain {
        is: |network| matches!(network, Network::Comet(name) if name == "osmosis-1"),
        text: include_str!("../../../env/chains/prod/osmosis.toml"),
    },
];

/// The mock chain, with settings that every version of its plugin knows.
pub(crate) const MOCK: &str = include_str!("new/mock.toml.txt");

/// The chain file for a network: one that is known, else a plain one.
pub(crate) fn chain_file(network: &Network) -> String {
    if let Some(known) = KNOWN_CHAINS.iter().find(|known| (known.is)(network)) {
        return known.text.to_owned();
    }
    let (id, plugin, name) = match network {
        Network::Evm(chain_id) => (format!("evm-{chain_id}"), "evm", format!("EVM chain {chain_id}")),
        Network::Solana(genesis) => {
            let begin: String = genesis.chars().take(8).collect::<String>().to_lowercase();
            (format!("solana-{begin}"), "solana", format!("Solana cluster {begin}"))
        }
        Network::Comet(name) => (name.to_lowercase(), "osmosis", name.clone()),
    };
    format!(
        "# Made by `chaintape new`, which does not know this chain: see the README of its plugin for what may be set.\n\
         id = \"{id}\"\nplugin = \"{plugin}\"\nendpoints = [\"${{NODE_RPC_URL}}\"]\nstart = \"latest\"\n\n\
         [display]\nname = \"{name}\"\n"
    )
}

/// The value of `key = "…"` in a chain file.
pub(crate) fn value_in<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'))
}

/// The name of the first `${VAR}` in a chain file.
pub(crate) fn variable_in(text: &str) -> Option<&str> {
    text.split_once("${")?.1.split_once('}').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_for_one_network_and_names_the_address_of_its_node() {
        for known in KNOWN_CHAINS {
            let id = value_in(known.text, "id").unwrap();
            assert!(variable_in(known.text).is_some_and(|name| name.ends_with("_RPC_URL")), "{id}");
            assert!(["evm", "solana", "osmosis"].contains(&value_in(known.text, "plugin").unwrap()), "{id}");
        }
        let base = chain_file(&Network::Evm(8453));
        assert_eq!((value_in(&base, "id"), variable_in(&base)), (Some("base"), Some("BASE_RPC_URL")));
        let unknown = chain_file(&Network::Evm(777));
        assert_eq!((value_in(&unknown, "id"), variable_in(&unknown)), (Some("evm-777"), Some("NODE_RPC_URL")));
    }
}
