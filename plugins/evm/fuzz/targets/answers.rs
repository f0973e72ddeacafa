//! Fuzzes whatever an endpoint may answer: these bytes are every answer.
#![no_main]

use chain_plugin_sdk::{Context, Host, Level, Plugin, Request, Response, Span, UpstreamError};
use evm_plugin::Evm;

struct Endpoint<'a>(&'a [u8]);

impl Host for Endpoint<'_> {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let respond = |_| Ok(Response { status: 200, headers: vec![], body: self.0.to_vec() });
        requests.into_iter().map(respond).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|_| Some(self.0.to_vec())).collect()
    }

    fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}

    fn log(&mut self, _level: Level, _message: &str) {}
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let network = ("network".to_owned(), "eip155:1/0x00".to_owned());
    for settings in [r#"{"verify":"none"}"#, "{}"] {
        let context = Context { settings: settings.to_owned(), now_ms: 0, attributes: vec![network.clone()] };
        let _ = Evm::scan(&mut Endpoint(bytes), &context, Span { first: 1, last: 1 });
        let _ = Evm::head(&mut Endpoint(bytes), &context);
    }
});
