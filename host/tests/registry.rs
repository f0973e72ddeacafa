//! `plugin publish` and `plugin install` on a real registry of the loopback, which `cargo xtask registry` builds.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the registry may take to answer.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// What a plugin is published from: an old one of this repository, with a version that it says itself.
const MOCK: &[u8] = include_bytes!("fixtures/wit-1.1.0-mock-0.1.0.wasm");

/// A key that signs, and its public half: those of the tests of `plugin sign`.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// A registry that keeps its blobs in a folder and lets one user in.
struct Registry {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    /// Starts one, if it was built.
    fn start() -> Option<Self> {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/registry/registry");
        let program = std::env::var_os("CHAINTAPE_REGISTRY").map_or(built, PathBuf::from);
        if !program.is_file() {
            let required = std::env::var("CHAINTAPE_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|it| it == "registry"), "required: run `cargo xtask registry`");
            println!("skipped: there is no registry; `cargo xtask registry` builds one");
            return None;
        }
        environment::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let shown = folder.path().display();
        // The password is `secret`, hashed by bcrypt with its lowest cost.
        let users = "me:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
        std::fs::write(folder.path().join("users"), users).unwrap();
        let settings = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {shown}/blobs}}, delete: {{enabled: true}}}}\n\
             http: {{addr: {address}, secret: test}}\nauth: {{htpasswd: {{realm: test, path: {shown}/users}}}}\n"
        );
        std::fs::write(folder.path().join("registry.yaml"), settings).unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(folder.path().join("registry.yaml")).env("OTEL_TRACES_EXPORTER", "none");
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let registry = Self { process, address, folder };
        let begun = Instant::now();
        while std::net::TcpStream::connect(&registry.address).is_err() {
            assert!(begun.elapsed() < START_TIMEOUT, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(registry)
    }

    fn place(&self, name: &str) -> String {
        format!("{}/plugins/{name}", self.address)
    }

    /// The file in which the registry keeps a blob.
    fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let kept = format!("blobs/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        self.folder.path().join(kept)
    }
}

/// A folder of somebody who publishes or installs, with what `docker login` would leave there.
struct User {
    folder: tempfile::TempDir,
}

impl User {
    fn new(registry: &Registry, is_logged_in: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docker")).unwrap();
        // `me:secret` in base 64.
        let auths = if is_logged_in {
            format!("{{\"auths\": {{\"{}\": {{\"auth\": \"bWU6c2VjcmV0\"}}}}}}", registry.address)
        } else {
            "{\"auths\": {}}".to_owned()
        };
        std::fs::write(folder.path().join("docker/config.json"), auths).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name).display().to_string()
    }

    /// `chain-ingestor plugin …` in this folder.
    fn plugin(&self, arguments: &[&str]) -> Result<String, String> {
        let mut ingestor = Command::new(env!("CARGO_BIN_EXE_chain-ingestor"));
        ingestor.env_clear().current_dir(self.folder.path()).env("DOCKER_CONFIG", self.path("docker"));
        ingestor.env("PLUGINS_DIR", self.path("plugins"));
        let ended = ingestor.arg("plugin").args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if ended.status.success() { Ok(text(&ended.stdout)) } else { Err(text(&ended.stderr)) }
    }
}

/// What stands behind `word` in a text, up to the next space or end of line.
fn behind<'t>(text: &'t str, word: &str) -> &'t str {
    text.split_once(word).unwrap().1.split([' ', ',', '\n']).next().unwrap()
}

#[test]
fn a_signed_component_goes_to_a_registry_and_comes_back_the_same() {
    let Some(registry) = Registry::start() else { return };
    let author = User::new(&registry, true);
    let file = author.write("mock-0.1.0.wasm", MOCK);
    author.write("key.pem", KEY.as_bytes());
    author.plugin(&["sign", &file, "--key", "key.pem"]).unwrap();
    let published = author.plugin(&["publish", &file, &registry.place("mock")]).unwrap();
    assert!(published.contains("with its signature"), "{published}");
    let pinned = behind(&published, "published ").to_owned();
    assert!(pinned.starts_with(&format!("{}:0.1.0@sha256:", registry.place("mock"))), "{pinned}");
    let again = author.plugin(&["publish", &file, &registry.place("mock")]).unwrap();
    assert!(again.contains(behind(&published, "component ")), "the same component may be published again: {again}");

    // Another component of the same version is refused; under a name of its own it is not.
    let other = author.write("other.wasm", &with_a_custom_section(MOCK));
    let refused = author.plugin(&["publish", &other, &registry.place("mock")]).unwrap_err();
    assert!(refused.contains("raise the version"), "{refused}");
    author.plugin(&["publish", &other, &format!("{}:edge", registry.place("mock"))]).unwrap();

    // An operator pins what he installs; only what the key has signed is let in.
    let operator = User::new(&registry, true);
    let chain = operator.write("mock.toml", b"id = \"mock\"\nplugin = \"mock\" # the newest\nstart = \"latest\"\n");
    let installed = operator.plugin(&["install", &pinned, "--key", PUBLIC, "--chain", &chain]).unwrap();
    assert!(installed.contains("is installed: mock 0.1.0, sha256:"), "{installed}");
    assert_eq!(std::fs::read(operator.path("plugins/mock-0.1.0.wasm")).unwrap(), MOCK);
    let component = behind(&published, "component ");
    let text = std::fs::read_to_string(&chain).unwrap();
    assert!(text.contains(&format!("plugin = \"mock@0.1.0@{component}\" # the newest\n")), "{text}");
    let key = format!("ed25519:{PUBLIC}");
    let verified = operator.plugin(&["verify", "plugins/mock-0.1.0.wasm", "--key", &key]).unwrap();
    assert!(verified.contains("may be the plugins"), "{verified}");
    let again = operator.plugin(&["install", &pinned, "--key", PUBLIC]).unwrap();
    assert!(again.contains("is there already"), "{again}");
    let edge = format!("{}:edge", registry.place("mock"));
    let unsigned = operator.plugin(&["install", &edge, "--key", PUBLIC]).unwrap_err();
    assert!(unsigned.contains("no signature beside it"), "{unsigned}");
    let another = operator.plugin(&["install", &edge]).unwrap_err();
    assert!(another.contains("remove the file first"), "{another}");
    assert!(
        operator.plugin(&["install", &pinned, "--key", &"00".repeat(32)]).unwrap_err().contains("of none of the 1")
    );
}

/// A signature that came later reaches those who have the component already, and is not lost when it is published again without.
#[test]
fn a_signature_is_added_and_never_lost() {
    let Some(registry) = Registry::start() else { return };
    let (author, operator) = (User::new(&registry, true), User::new(&registry, true));
    let (file, place) = (author.write("mock-0.1.0.wasm", MOCK), registry.place("mock"));
    author.write("key.pem", KEY.as_bytes());
    author.plugin(&["publish", &file, &place]).unwrap();
    let version = format!("{place}:0.1.0");
    operator.plugin(&["install", &version]).unwrap();
    assert!(!operator.path("plugins/mock-0.1.0.wasm.sig").exists());
    author.plugin(&["sign", &file, "--key", "key.pem"]).unwrap();
    author.plugin(&["publish", &file, &place]).unwrap();
    std::fs::remove_file(author.path("mock-0.1.0.wasm.sig")).unwrap();
    let again = author.plugin(&["publish", &file, &place]).unwrap();
    assert!(again.contains("with its signature"), "{again}");
    operator.plugin(&["install", &version, "--key", PUBLIC]).unwrap();
    let key = format!("ed25519:{PUBLIC}");
    operator.plugin(&["verify", "plugins/mock-0.1.0.wasm", "--key", &key]).unwrap();

    // One of another key gives way to the one that was asked for, and to no other.
    let beside = operator.write("plugins/mock-0.1.0.wasm.sig", &[1; 64]);
    operator.plugin(&["install", &version]).unwrap();
    assert_eq!(std::fs::read(&beside).unwrap(), [1; 64]);
    operator.plugin(&["install", &version, "--key", PUBLIC]).unwrap();
    operator.plugin(&["verify", "plugins/mock-0.1.0.wasm", "--key", &key]).unwrap();
}

/// What cannot be pinned is not installed, and a version that a component does not have is not published.
#[test]
fn a_refusal_leaves_everything_as_it_was() {
    let Some(registry) = Registry::start() else { return };
    let author = User::new(&registry, true);
    let (file, place) = (author.write("mock-0.1.0.wasm", MOCK), registry.place("mock"));
    let refused = author.plugin(&["publish", &file, &format!("{place}:0.2.0")]).unwrap_err();
    assert!(refused.contains("says that it is 0.1.0"), "{refused}");
    author.plugin(&["publish", &file, &place]).unwrap();
    let other = author.write("other.toml", b"id = \"other\"\nplugin = \"evm\"\n");
    for chain in [other.as_str(), "missing.toml"] {
        let refused = author.plugin(&["install", &format!("{place}:0.1.0"), "--chain", chain]).unwrap_err();
        assert!(refused.contains(chain), "{refused}");
    }
    assert!(!author.path("plugins").exists(), "nothing is where an ingestor would see it");
}

#[test]
fn what_a_registry_holds_is_as_other_tools_expect_it() {
    let Some(registry) = Registry::start() else { return };
    let author = User::new(&registry, true);
    let file = author.write("mock-0.1.0.wasm", MOCK);
    let published = author.plugin(&["publish", &file, &registry.place("mock")]).unwrap();
    assert!(published.contains("without a signature"), "{published}");
    let manifest = std::fs::read(registry.blob(behind(&published, ":0.1.0@"))).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    let config = std::fs::read(registry.blob(manifest["config"]["digest"].as_str().unwrap())).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["layerDigests"][0], manifest["layers"][0]["digest"]);
    let exports = config["component"]["exports"].as_array().unwrap();
    assert!(exports.contains(&Value::from("chaintape:plugin/chain@1.1.0")), "{exports:?}");
}

#[test]
fn whoever_is_not_let_in_and_whatever_was_changed_is_refused_with_what_to_do() {
    let Some(registry) = Registry::start() else { return };
    let (author, stranger) = (User::new(&registry, true), User::new(&registry, false));
    let file = author.write("mock-0.1.0.wasm", MOCK);
    let place = registry.place("mock");
    let refused = stranger.plugin(&["publish", &file, &place]).unwrap_err();
    assert!(refused.contains(&format!("docker login {}", registry.address)), "{refused}");
    let published = author.plugin(&["publish", &file, &place]).unwrap();
    let missing = author.plugin(&["install", &format!("{place}:7.0.0")]).unwrap_err();
    assert!(missing.contains("see whether name and version are right"), "{missing}");
    let wrong_digest = format!("{place}@sha256:{}", "0".repeat(64));
    assert!(author.plugin(&["install", &wrong_digest]).unwrap_err().contains("name and version"));
    let not_a_plugin = author.write("text.wasm", b"text");
    assert!(author.plugin(&["publish", &not_a_plugin, &place]).unwrap_err().contains("admit the plugin"));

    // Somebody changes the component where the registry keeps it.
    let mut damaged = MOCK.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(registry.blob(behind(&published, "component ")), damaged).unwrap();
    let refused = author.plugin(&["install", &format!("{place}:0.1.0")]).unwrap_err();
    assert!(refused.contains("damaged or replaced"), "{refused}");
    assert!(!author.path("plugins/mock-0.1.0.wasm").exists(), "nothing is installed");
}

/// The same component with a section more, which changes nothing but its digest.
fn with_a_custom_section(component: &[u8]) -> Vec<u8> {
    let section = [0, 5, 4, b'n', b'o', b't', b'e'];
    [component, &section].concat()
}
