//! The WIT contract as Rust, generated from `wit/chain-plugin`.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::pedantic, clippy::allow_attributes, reason = "generated")]

wit_bindgen::generate!({
    path: "wit",
    world: "paced-plugin",
    pub_export_macro: true,
    default_bindings_module: "chain_plugin_sdk::bindings",
    additional_derives: [PartialEq],
});
