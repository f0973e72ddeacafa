//! Which assets were traded lately under which ticker, to say which one may be meant.

use std::collections::HashMap;

/// Tickers that are kept at most, twice: those of now and those of before.
const MAX_TICKERS: usize = 20_000;
/// Assets of one ticker that are kept: anyone may give an asset any ticker.
const MAX_ASSETS_OF_TICKER: usize = 64;
/// Assets that are named at most.
const MAX_NAMED: usize = 5;

/// An asset that was traded under a ticker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradedAsset {
    /// Id of the chain.
    pub chain: String,
    /// Its id.
    pub asset: String,
    /// Its ticker, as it is written.
    pub symbol: String,
    /// How often it was sold or bought.
    pub trades: u64,
}

/// The assets that were traded lately, by ticker. Once there are too many tickers, those that were not traded since the
/// last time there were are forgotten.
#[derive(Debug, Default)]
pub struct Tickers {
    now: HashMap<String, Vec<TradedAsset>>,
    before: HashMap<String, Vec<TradedAsset>>,
}

impl Tickers {
    /// Notes that an asset was sold or bought.
    pub fn note(&mut self, chain: &str, asset: &str, symbol: &str) {
        let ticker = symbol.to_lowercase();
        if !self.now.contains_key(&ticker) {
            if self.now.len() >= MAX_TICKERS {
                self.before = std::mem::take(&mut self.now);
            }
            let known = self.before.remove(&ticker).unwrap_or_default();
            self.now.insert(ticker.clone(), known);
        }
        let Some(assets) = self.now.get_mut(&ticker) else { return };
        if let Some(known) = assets.iter_mut().find(|known| known.asset == asset && known.chain == chain) {
            known.trades += 1;
            return;
        }
        if assets.len() >= MAX_ASSETS_OF_TICKER {
            // The one that was traded least gives way.
            let least = assets.iter().enumerate().min_by_key(|(_, known)| known.trades).map_or(0, |(at, _)| at);
            assets.swap_remove(least);
        }
        assets.push(TradedAsset { chain: chain.into(), asset: asset.into(), symbol: symbol.into(), trades: 1 });
    }

    /// The assets that have a ticker, in any case, on one chain or on all: those traded most, first.
    pub fn find(&self, ticker: &str, chain: Option<&str>) -> Vec<TradedAsset> {
        let ticker = ticker.to_lowercase();
        let known = [&self.now, &self.before].into_iter().filter_map(|known| known.get(&ticker)).flatten();
        let mut found: Vec<TradedAsset> =
            known.filter(|known| chain.is_none_or(|chain| known.chain == chain)).cloned().collect();
        found.sort_by(|a, b| b.trades.cmp(&a.trades).then_with(|| (&a.chain, &a.asset).cmp(&(&b.chain, &b.asset))));
        found.truncate(MAX_NAMED);
        found
    }
}

impl TradedAsset {
    /// What is said of a text that is no id of an asset but may be the ticker of these.
    pub fn suggestion(assets: &[Self]) -> String {
        let named = |known: &Self| format!("`{}` ({} on {})", known.asset, known.symbol, known.chain);
        match assets {
            [] => "no asset of this ticker was traded lately".to_owned(),
            [one] => format!("did you mean {}?", named(one)),
            several => {
                let named: Vec<String> = several.iter().map(named).collect();
                format!("did you mean one of {}? Anyone may give an asset any ticker", named.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tickers: &Tickers, ticker: &str, chain: Option<&str>) -> Vec<(String, u64)> {
        tickers.find(ticker, chain).into_iter().map(|known| (known.asset, known.trades)).collect()
    }

    #[test]
    fn the_asset_that_is_traded_most_comes_first() {
        let mut tickers = Tickers::default();
        for (chain, asset, symbol) in
            [("eth", "0xfake", "WETH"), ("eth", "0xc0", "WETH"), ("eth", "0xc0", "WETH"), ("base", "0x42", "weth")]
        {
            tickers.note(chain, asset, symbol);
        }
        let expected = [("0xc0".to_owned(), 2), ("0x42".to_owned(), 1), ("0xfake".to_owned(), 1)];
        assert_eq!(found(&tickers, "Weth", None), expected);
        assert_eq!(found(&tickers, "WETH", Some("base")), expected[1..2]);
        assert_eq!(found(&tickers, "WBTC", None), []);
        let one = tickers.find("weth", Some("base"));
        assert_eq!(TradedAsset::suggestion(&one), "did you mean `0x42` (weth on base)?");
        let all = TradedAsset::suggestion(&tickers.find("weth", Some("eth")));
        assert!(all.starts_with("did you mean one of `0xc0` (WETH on eth), `0xfake` (WETH on eth)? "), "{all}");
        assert_eq!(TradedAsset::suggestion(&[]), "no asset of this ticker was traded lately");
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_traded_stays() {
        let mut tickers = Tickers::default();
        for number in 0..3 * MAX_TICKERS {
            tickers.note("sol", &format!("mint{number}"), &format!("MEME{number}"));
            tickers.note("sol", "usdc", "USDC");
            tickers.note("sol", &format!("fake{number}"), "BONK");
        }
        assert!(tickers.now.len() <= MAX_TICKERS && tickers.before.len() <= MAX_TICKERS);
        assert_eq!(found(&tickers, "usdc", None), [("usdc".to_owned(), 3 * MAX_TICKERS as u64)]);
        assert_eq!(found(&tickers, "meme0", None), [], "long ago");
        assert_eq!(found(&tickers, "bonk", None).len(), MAX_NAMED);
        assert!(tickers.now["bonk"].len() <= MAX_ASSETS_OF_TICKER);
    }
}
