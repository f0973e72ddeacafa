//! `plugin new`: the crate of a plugin that needs nothing but the published SDK, with a test that passes.

use anyhow::{Context, ensure};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// The version of `chain-plugin-sdk` that a new crate asks for; a test holds it against the SDK's own.
const SDK_VERSION: &str = "0.1.0";

/// The language that a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// A crate, with the SDK.
    Rust,
    /// A package for Node.js, which carries a JavaScript engine in its component.
    Javascript,
}

impl Language {
    fn template(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => &TEMPLATE,
            Self::Javascript => &JAVASCRIPT_TEMPLATE,
        }
    }

    /// What comes next.
    fn next_step(self) -> &'static str {
        match self {
            Self::Rust => "cargo test && chaintape plugin build",
            Self::Javascript => "npm install && npm run build",
        }
    }
}

/// What the example in JavaScript is called, which stands for the name of a new one.
const JAVASCRIPT_NAME: &str = "comet-js";

/// The files of a new package in JavaScript: those of the example, whose blocks are those of a CometBFT node.
const JAVASCRIPT_TEMPLATE: [(&str, &str); 8] = [
    ("package.json", include_str!("../../../plugins/examples/javascript/package.json")),
    ("build.js", include_str!("../../../plugins/examples/javascript/build.js")),
    ("plugin.js", include_str!("../../../plugins/examples/javascript/plugin.js")),
    (
        "cassettes/first.cassette.json",
        include_str!("../../../plugins/examples/javascript/cassettes/first.cassette.json"),
    ),
    (".gitignore", "node_modules/\n*.wasm\n"),
    ("README.md", include_str!("template/javascript.README.md.txt")),
    ("chain.toml", include_str!("template/chain.toml.txt")),
    ("wit/chain-plugin.wit", include_str!("../../../wit/chain-plugin/chain-plugin.wit")),
];

/// The files of a new crate, with `NAME` (`my-chain`), `MODULE` (`my_chain`) and `TYPE` (`MyChain`) to be filled in.
const TEMPLATE: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    (".cargo/config.toml", include_str!("template/config.toml.txt")),
    (".github/workflows/plugin.yml", include_str!("template/ci.yml.txt")),
    (".gitignore", "target/\n"),
    ("README.md", include_str!("template/README.md.txt")),
    ("chain.toml", include_str!("template/chain.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("cassettes/first.cassette.json", include_str!("template/first.cassette.json")),
    ("cassettes/first.expected.jsonl", include_str!("template/first.expected.jsonl")),
    ("wit/chain-plugin.wit", include_str!("../../../wit/chain-plugin/chain-plugin.wit")),
];

/// Makes the folder `name` within `parent`. With `sdk`, the crate uses that checkout of the SDK instead of the published one.
pub fn new(parent: &Path, name: &str, language: Language, sdk: Option<&Path>) -> anyhow::Result<String> {
    let is_plain = name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
    ensure!(is_plain, "use the name `{name}`: it must be lower-case letters, digits and hyphens, such as my-chain");
    let folder = parent.join(name);
    ensure!(!folder.exists(), "make {}: it is there already; choose another name", folder.display());
    let is_of_rust = sdk.is_none() || language == Language::Rust;
    ensure!(is_of_rust, "make {name}: --sdk is for plugins in Rust; leave it out, or write --language rust");
    let sdk = sdk.map(checked_sdk).transpose()?;
    for (file, text) in language.template() {
        let text = match (*file, &sdk) {
            ("Cargo.toml", Some(sdk)) => {
                let patch = format!("[patch.crates-io]\nchain-plugin-sdk = {{ path = \"{}\" }}\n", sdk.display());
                format!("{}\n{patch}", filled(text, name))
            }
            _ => filled(text, name),
        };
        let path = folder.join(file);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text)).with_context(|| format!("write {}", path.display()))?;
    }
    let published = match (language, &sdk) {
        (Language::Rust, None) => format!(
            "\nit uses chain-plugin-sdk {SDK_VERSION} of crates.io; where cargo finds none there: --sdk CHECKOUT/plugins/sdk"
        ),
        _ => String::new(),
    };
    Ok(format!("made {}; next: cd {0} && {}{published}", folder.display(), language.next_step()))
}

/// The folder of the SDK as a whole path, since the new crate lies elsewhere.
fn checked_sdk(folder: &Path) -> anyhow::Result<PathBuf> {
    let whole = folder.canonicalize().with_context(|| format!("find the SDK in {}", folder.display()))?;
    ensure!(whole.join("Cargo.toml").is_file(), "find the SDK in {}: there is no Cargo.toml", folder.display());
    Ok(whole)
}

fn filled(text: &str, name: &str) -> String {
    let word = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let type_name: String = name.split('-').map(word).collect();
    let text = text.replace("SDK_VERSION", SDK_VERSION).replace(JAVASCRIPT_NAME, name);
    text.replace("NAME", name).replace("MODULE", &name.replace('-', "_")).replace("TYPE", &type_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_the_sdk_is_the_one_of_today() {
        assert_eq!(filled("NAME MODULE TYPE", "my-chain-2"), "my-chain-2 my_chain_2 MyChain2");
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/sdk/Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        assert!(manifest.contains(&format!("\nversion = \"{SDK_VERSION}\"\n")), "plugins/sdk has another version");
    }

    #[test]
    fn a_folder_that_is_there_and_a_name_that_is_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let new = |name: &str, sdk| super::new(folder.path(), name, Language::Rust, sdk);
        assert!(new("my-chain", None).unwrap().contains("cargo test"));
        assert!(new("my-chain", None).unwrap_err().to_string().contains("there already"));
        for name in ["My-chain", "1st", "a_b", ""] {
            assert!(new(name, None).unwrap_err().to_string().contains("such as my-chain"), "{name}");
        }
        assert!(new("other", Some(folder.path())).unwrap_err().to_string().contains("no Cargo.toml"));
        assert!(!folder.path().join("other").exists());
    }

    #[test]
    fn a_package_in_javascript_has_its_name_everywhere_and_the_contract_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let made = super::new(folder.path(), "my-chain", Language::Javascript, None).unwrap();
        assert!(made.contains("npm install && npm run build"), "{made}");
        let read = |file: &str| std::fs::read_to_string(folder.path().join("my-chain").join(file)).unwrap();
        for (file, _) in JAVASCRIPT_TEMPLATE {
            let text = read(file);
            assert!(!text.contains(JAVASCRIPT_NAME) && !text.contains("NAME"), "{file}: {text}");
        }
        let package: serde_json::Value = serde_json::from_str(&read("package.json")).unwrap();
        assert_eq!(package["name"], "my-chain");
        assert!(read("plugin.js").contains("id: \"my-chain\", version: \"1.0.0\""));
        assert!(read("wit/chain-plugin.wit").contains("world plugin"));
        let refused = super::new(folder.path(), "other", Language::Javascript, Some(folder.path())).unwrap_err();
        assert!(refused.to_string().contains("--language rust"), "{refused}");
    }
}
