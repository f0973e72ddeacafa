//! What a plugin can call: upstream, cache and log, in the terms of the contract.

use super::bindings::chaintape::plugin::{cache, log, types, upstream as wit_upstream};
use crate::plugin::sandbox::CallState;
use crate::upstream::{Request, Response, UpstreamError};

impl types::Host for CallState {}

impl wit_upstream::Host for CallState {
    async fn send(
        &mut self,
        requests: Vec<wit_upstream::Request>,
    ) -> wasmtime::Result<Vec<Result<wit_upstream::Response, wit_upstream::UpstreamError>>> {
        let answers = CallState::send(self, requests.into_iter().map(request).collect()).await?;
        Ok(answers.into_iter().map(|answer| answer.map(response).map_err(error)).collect())
    }
}

fn request(request: wit_upstream::Request) -> Request {
    Request { path: request.path, headers: request.headers, body: request.body, weight: request.weight }
}

fn response(response: Response) -> wit_upstream::Response {
    wit_upstream::Response { status: response.status, headers: response.headers, body: response.body }
}

fn error(error: UpstreamError) -> wit_upstream::UpstreamError {
    match error {
        UpstreamError::Unreachable(why) => wit_upstream::UpstreamError::Unreachable(why),
        UpstreamError::TooLarge(cap) => wit_upstream::UpstreamError::TooLarge(cap),
        UpstreamError::Refused(why) => wit_upstream::UpstreamError::Refused(why),
    }
}

impl cache::Host for CallState {
    async fn get(&mut self, keys: Vec<String>) -> wasmtime::Result<Vec<Option<Vec<u8>>>> {
        self.read_cache(&keys)
    }

    async fn put(&mut self, entries: Vec<(String, Vec<u8>)>) -> wasmtime::Result<()> {
        self.write_cache(entries)
    }
}

impl log::Host for CallState {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Error => tracing::Level::ERROR,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Debug => tracing::Level::DEBUG,
        };
        self.log(level, &message);
        Ok(())
    }
}
