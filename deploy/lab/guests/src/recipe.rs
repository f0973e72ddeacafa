//! A component of its parts: a few lines of WebAssembly text, put together against the real contract.

use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a component is made of.
pub struct Recipe {
    /// The id that it describes itself by.
    pub id: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The schema of its settings.
    pub schema: &'static str,
    /// Whether it describes itself as synthetic.
    pub synthetic: bool,
    /// The network that its head names, and the height.
    pub network: &'static str,
    /// The height of its head.
    pub head: u64,
    /// Imports, as core WebAssembly text.
    pub imports: &'static str,
    /// More functions.
    pub functions: String,
    /// The body of `scan`: `$first` and `$last` are the span, the result is a place in memory.
    pub scan: &'static str,
    /// More WIT packages, and what of them the world imports.
    pub wit: (&'static [&'static str], &'static str),
    /// Pages of memory at first.
    pub pages: u32,
}

/// AnswerSource with one empty block at `$first`.
pub const ONE_BLOCK: &str = "(call $one_block (local.get $first))";

impl Default for Recipe {
    fn default() -> Self {
        Self {
            id: "wat",
            version: "1.0.0",
            schema: r#"{"type": "object"}"#,
            synthetic: false,
            network: "hash",
            head: 1_000_000,
            imports: "",
            functions: String::new(),
            scan: ONE_BLOCK,
            wit: (&[], ""),
            pages: 2,
        }
    }
}

impl Recipe {
    /// The component.
    pub fn build(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit/chain-plugin");
        let (package, _) = resolve.push_path(&wit).unwrap();
        let mut world = resolve.select_world(&[package], Some("plugin")).unwrap();
        if !self.wit.0.is_empty() {
            for text in self.wit.0 {
                resolve.push_str("more.wit", text).unwrap();
            }
            let version = resolve.packages[package].name.version.clone().unwrap();
            let more = format!(
                "package test:more;\nworld more {{ include chaintape:plugin/plugin@{version}; {} }}",
                self.wit.1
            );
            let package = resolve.push_str("world.wit", &more).unwrap();
            world = resolve.select_world(&[package], Some("more")).unwrap();
        }
        let mut module = wat::parse_str(self.text(&version_of(&wit))).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
    }

    fn text(&self, contract: &str) -> String {
        let data = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ");
        let place = |text: &str, at: usize| word(at) + &word(text.len());
        let description = place(self.id, 256)
            + &place(self.version, 320)
            + &place(self.schema, 1_024)
            + &word(usize::from(self.synthetic))
            + &word(0)
            + &word(0);
        let imports = self.imports.replace("CONTRACT", contract);
        let (id, version, schema) = (data(self.id), data(self.version), data(self.schema));
        format!(
            r#"(module
            {imports}
            (memory (export "memory") {pages})
            (global $next (mut i32) (i32.const 65536))
            (data (i32.const 0) "{description}")
            (data (i32.const 256) "{id}") (data (i32.const 320) "{version}") (data (i32.const 384) "hash")
            (data (i32.const 448) "{network}")
            (data (i32.const 1024) "{schema}")
            (func $alloc (param $size i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get $size)))
                (block $done (loop $more
                    (br_if $done (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                    (br_if $done (i32.eq (memory.grow (i32.const 16)) (i32.const -1)))
                    (br $more)))
                (local.get $at))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3)))
            (func (export "chaintape:plugin/chain@{contract}#describe") (result i32) (i32.const 0))
            (func (export "chaintape:plugin/chain@{contract}#head") (param i32 i32 i64 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (call $alloc (i32.const 64)))
                (i32.store offset=8 (local.get $at) (i32.const 448))
                (i32.store offset=12 (local.get $at) (i32.const {network_len}))
                (i64.store offset=16 (local.get $at) (i64.const {head}))
                (i32.store offset=24 (local.get $at) (i32.const 384)) (i32.store offset=28 (local.get $at) (i32.const 4))
                (local.get $at))
            (func $one_block (param $height i64) (result i32)
                (local $at i32) (local $block i32)
                (local.set $at (call $alloc (i32.const 24)))
                (local.set $block (call $alloc (i32.const 64)))
                (i64.store (local.get $block) (local.get $height))
                (i32.store offset=8 (local.get $block) (i32.const 384)) (i32.store offset=12 (local.get $block) (i32.const 4))
                (i32.store offset=8 (local.get $at) (local.get $block)) (i32.store offset=12 (local.get $at) (i32.const 1))
                (i64.store offset=16 (local.get $at) (local.get $height))
                (local.get $at))
            {functions}
            (func (export "chaintape:plugin/chain@{contract}#scan")
                (param $settings i32) (param $settings_len i32) (param $now i64) (param i32 i32)
                (param $first i64) (param $last i64) (result i32)
                (local $i i32) (local $at i32)
                {scan})
            (func (export "chaintape:plugin/chain@{contract}#wake-by") (param i32 i32 i64 i32 i32) (result i32)
                (call $alloc (i32.const 20))))"#,
            pages = self.pages,
            network = self.network,
            network_len = self.network.len(),
            head = self.head,
            functions = self.functions,
            scan = self.scan,
        )
    }
}

/// A little-endian word as WebAssembly text.
fn word(value: usize) -> String {
    let bytes = u32::try_from(value).unwrap().to_le_bytes();
    bytes.iter().fold(String::new(), |text, byte| format!("{text}\\{byte:02x}"))
}

/// The version of the contract in this repository.
fn version_of(wit: &Path) -> String {
    let text = std::fs::read_to_string(wit.join("chain-plugin.wit")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("package chaintape:plugin@")).unwrap();
    line.trim_end_matches(';').to_owned()
}

/// The same component with another digest: a custom section nobody reads.
pub fn marked(component: &[u8], mark: u8) -> Vec<u8> {
    let mut bytes = component.to_vec();
    bytes.extend([0, 6, 4, b'm', b'a', b'r', b'k', mark]);
    bytes
}

/// Writes a file the way one should: under another name, then renamed.
pub fn drop_in(folder: &Path, name: &str, bytes: &[u8]) {
    let unfinished = folder.join(format!("{name}.new"));
    std::fs::write(&unfinished, bytes).unwrap();
    std::fs::rename(unfinished, folder.join(name)).unwrap();
}
