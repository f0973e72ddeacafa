//! Components that a rule of the host exists for: each tries to break one promise.

use crate::Recipe;

/// Imports of the cache.
pub const CACHE: &str = r#"(import "chaintape:plugin/cache@CONTRACT" "put" (func $put (param i32 i32)))
    (import "chaintape:plugin/cache@CONTRACT" "get" (func $get (param i32 i32 i32)))"#;

/// `$fact` puts 64 KiB under the key `w`; `$keys` is a list of so many such keys.
pub const ONE_FACT: &str = "
    (func $fact
        (local $at i32)
        (local.set $at (call $alloc (i32.const 16)))
        (i32.store (local.get $at) (i32.const 256)) (i32.store offset=4 (local.get $at) (i32.const 1))
        (i32.store offset=8 (local.get $at) (call $alloc (i32.const 65536)))
        (i32.store offset=12 (local.get $at) (i32.const 65536))
        (i32.store8 (i32.load offset=8 (local.get $at)) (i32.const 1))
        (call $put (local.get $at) (i32.const 1)))
    (func $keys (param $count i32) (result i32)
        (local $at i32) (local $i i32)
        (local.set $at (call $alloc (i32.mul (local.get $count) (i32.const 8))))
        (loop $more
            (i32.store (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8))) (i32.const 256))
            (i32.store offset=4 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 8))) (i32.const 1))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (local.get $count))))
        (local.get $at))";

/// A component whose every block holds one trade; `patch` changes the trade at `$t` or the block at `$block`.
pub fn with_trade(id: &'static str, patch: &str) -> Recipe {
    let functions = format!(
        "(func $poisoned (param $first i64) (result i32)
            (local $t i32) (local $at i32) (local $block i32)
            (local.set $t (call $alloc (i32.const 288)))
            (i32.store offset=0 (local.get $t) (i32.const 256)) (i32.store offset=4 (local.get $t) (i32.const 3))
            (i32.store offset=8 (local.get $t) (i32.const 384)) (i32.store offset=12 (local.get $t) (i32.const 4))
            (i32.store offset=20 (local.get $t) (i32.const 256)) (i32.store offset=24 (local.get $t) (i32.const 3))
            (i32.store offset=44 (local.get $t) (i32.const 256)) (i32.store offset=48 (local.get $t) (i32.const 3))
            (i32.store offset=52 (local.get $t) (i32.const 256)) (i32.store offset=56 (local.get $t) (i32.const 3))
            (i32.store offset=64 (local.get $t) (i32.const 256)) (i32.store offset=68 (local.get $t) (i32.const 3))
            (i32.store offset=128 (local.get $t) (i32.const 320)) (i32.store offset=132 (local.get $t) (i32.const 5))
            (i64.store offset=72 (local.get $t) (i64.const 5)) (i64.store offset=136 (local.get $t) (i64.const 7))
            (local.set $at (call $one_block (local.get $first)))
            (local.set $block (i32.load offset=8 (local.get $at)))
            (i64.store offset=40 (local.get $block) (i64.const 1790000000000))
            (i32.store offset=48 (local.get $block) (local.get $t)) (i32.store offset=52 (local.get $block) (i32.const 1))
            {patch}
            (local.get $at))"
    );
    Recipe { id, functions, scan: "(call $poisoned (local.get $first))", ..Recipe::default() }
}

/// Takes the address of the trade's trader away, which the wire would refuse.
pub const NO_TRADER: &str = "(i32.store offset=48 (local.get $t) (i32.const 0))";

/// Gives trades that the wire would refuse.
pub fn poison(id: &'static str) -> Recipe {
    with_trade(id, NO_TRADER)
}

/// Hands over one key of the cache again and again, each time for 64 KiB: 2 GiB for 256 KiB of keys.
pub fn amplifier_of_one_key() -> Recipe {
    let scan = "(call $fact) (call $get (call $keys (i32.const 32768)) (i32.const 32768)
        (call $alloc (i32.const 8))) (call $one_block (local.get $first))";
    Recipe { imports: CACHE, functions: ONE_FACT.to_owned(), scan, ..Recipe::default() }
}

/// Describes settings by a schema that takes a backtracking engine years for thirty letters, and refers to itself.
pub fn lying_schema(id: &'static str) -> Recipe {
    let schema = r##"{"type": "object", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}},
        "properties": {"text": {"type": "string", "pattern": "^(a|a)*(a+)+(a*)*$"}, "more": {"$ref": "#/$defs/a"}}}"##;
    Recipe { id, schema, ..Recipe::default() }
}

/// Says that it is another plugin, of a version that nobody reaches, at a height below every chain's.
pub fn impostor(id: &'static str) -> Recipe {
    Recipe { id, version: "99.0.0", head: 1, ..Recipe::default() }
}

/// A chain file for a hostile plugin, with a setting that its lying schema would look at for ever.
pub fn chain_file(id: &str, plugin: &str, poll_ms: u64, strikes: u32) -> String {
    format!(
        "id = \"{id}\"\nplugin = \"{plugin}\"\nendpoints = []\nstart = 1\npoll_ms = {poll_ms}\n\
         [settings]\ntext = \"{}!\"\n[policy]\nstrikes = {strikes}\n",
        "a".repeat(40)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_of_them_is_a_component() {
        for recipe in [poison("poison"), amplifier_of_one_key(), lying_schema("schema"), impostor("mock")] {
            assert!(recipe.build().starts_with(b"\0asm"), "{} {}", recipe.id, recipe.version);
        }
    }
}
