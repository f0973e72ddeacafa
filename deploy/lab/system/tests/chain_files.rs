//! Every chain file that comes with the project is read, and its settings are accepted by the plugin that it names.
#![expect(clippy::unwrap_used, reason = "tests")]

use chain_ingestor::chainfile::{self, Variables};
use chain_ingestor::plugin::{Engine, Gate, admit};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use system::swaps::component;

fn files() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../env/chains");
    let folders = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "toml")).collect();
    files.sort();
    files
}

/// Whatever a file asks for is somewhere.
fn variables() -> HashMap<String, String> {
    let texts = files().into_iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>();
    let names = texts.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned());
    names.map(|name| (name, "http://127.0.0.1:9".to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_chain_file_is_accepted_by_its_plugin() {
    let (engine, strings) = (Engine::new(1).unwrap(), variables());
    let mut plugins = BTreeMap::new();
    let mut files = files();
    assert!(files.len() >= 21, "{files:?}");
    let filled_in = tempfile::tempdir().unwrap();
    let with_platforms = files.iter().filter_map(|path| with_platform(path, filled_in.path())).collect::<Vec<_>>();
    assert_eq!(with_platforms.len(), 8, "{with_platforms:?}");
    files.extend(with_platforms);
    for path in files {
        let shown = path.display();
        let file = chainfile::read(&path, &Variables { strings: &strings, secrets: None });
        let file = file.unwrap_or_else(|wrong| panic!("{shown}: {}", wrong.join("; ")));
        if !plugins.contains_key(&file.plugin) {
            let plugin = admit(&engine, &Gate::default(), &component(&file.plugin).unwrap()).await.unwrap();
            plugins.insert(file.plugin.clone(), plugin);
        }
        if let Err(wrong) = plugins[&file.plugin].schema.check(&file.settings) {
            panic!("{shown}: {wrong}");
        }
        let has_platform = file.settings.contains("my-platform");
        assert_eq!(has_platform, path.starts_with(filled_in.path()), "{shown}");
    }
}

/// A copy of a file in which the example of a platform is no comment; none where there is no such example.
fn with_platform(path: &Path, folder: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(path).unwrap();
    let begin = text.find("# [settings.platforms.")?;
    let (before, rest) = text.split_at(begin);
    let (example, after) = rest.split_once("\n\n").unwrap();
    let example: Vec<&str> = example.lines().map(|line| line.strip_prefix("# ").unwrap()).collect();
    let copy = folder.join(path.file_name().unwrap());
    std::fs::write(&copy, format!("{before}{}\n\n{after}", example.join("\n"))).unwrap();
    Some(copy)
}

/// A reference pool of the ready files prices a coin that the plugin knows.
#[test]
fn reference_pools_price_what_is_known() {
    let mut count = 0;
    for path in files().iter().filter(|path| path.parent().unwrap().ends_with("prod")) {
        let text = std::fs::read_to_string(path).unwrap();
        for asset in text.lines().filter_map(|line| line.strip_prefix("asset = \"")) {
            let chains = include_str!("../../../../plugins/evm/src/chains.rs").to_lowercase();
            let hex = asset.trim_end_matches('"').trim_start_matches("0x");
            assert!(hex.len() == 40 && chains.contains(hex), "{}: {asset}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 7);
}
