//! Tells a contract's own failure from a node's refusal to serve, in an error object that answers a contract call.
//!
//! Clients agree on neither codes nor words for what a contract does, and new ones come with every client; the ways to
//! refuse are few. So an error is the contract's answer unless it says that the node did not serve.

use super::{Error, Kind};

/// Words of a contract that ended: what a client adds to them is about the contract too.
const HALTS: [&str; 22] = [
    "revert",
    "opcode",
    "jump",
    "out of gas",
    "outofgas",
    "gas uint64 overflow",
    "stack underflow",
    "stack overflow",
    "stack limit",
    "stackunderflow",
    "stackoverflow",
    "bad instruction",
    "badinstruction",
    "write protection",
    "static call",
    "call depth",
    "return data out of bounds",
    "precompile",
    "vm exception",
    "vm execution error",
    "invalid code",
    "code size",
];

/// Words of a node that has not the state of the block.
const NO_STATE: [&str; 13] = [
    "missing trie node",
    "historical state",
    "pruned",
    "archive",
    "state already discarded",
    "old data not available",
    "distance to target block exceeds",
    "version does not exist",
    "failed to load state",
    "no state available",
    "history has been",
    "history not available",
    "less than earliest available",
];

/// Words of a node that has not the block.
const UNKNOWN_BLOCK: [&str; 13] = [
    "header not found",
    "header for hash not found",
    "unknown block",
    "unknown header",
    "block not found",
    "cannot find block",
    "could not find block",
    "not currently canonical",
    "after last accepted block",
    "not available yet",
    "not yet available",
    "out of range",
    "future block",
];

/// Words of a limit that passes by itself.
const LIMITS: [&str; 20] = [
    "rate limit",
    "rate-limit",
    "ratelimit",
    "rate exceeded",
    "request rate",
    "request limit",
    "requests limit",
    "request count",
    "requests per",
    "requests/second",
    "daily request",
    "too many request",
    "too many connections",
    "compute unit",
    "throughput",
    "throttl",
    "capacity",
    "credits",
    "quota",
    "limit exceeded",
];

/// Words of a node or provider in trouble, or of one that does not want to.
const TROUBLE: [&str; 42] = [
    "timeout",
    "timed out",
    "time out",
    "deadline exceeded",
    "execution aborted",
    "took too long",
    "context canceled",
    "context cancelled",
    "try again",
    "overload",
    "busy",
    "shutting down",
    "syncing",
    "not synced",
    "temporarily",
    "unavailable",
    "internal error",
    "internal server error",
    "internal json-rpc error",
    "server error",
    "handler crashed",
    "bad gateway",
    "upstream",
    "backend",
    "no healthy",
    "connection refused",
    "connection reset",
    "connection closed",
    "database",
    "leveldb",
    "mdbx",
    "response too large",
    "response size",
    "response is too big",
    "too large",
    "usage limit",
    "limit reached",
    "exceeds limit",
    "exceeded limit",
    "upgrade your",
    "paid plan",
    "free tier",
];

/// Words of a door that stays shut.
const SHUT: [&str; 13] = [
    "unauthorized",
    "authenticat",
    "forbidden",
    "api key",
    "apikey",
    "access denied",
    "permission denied",
    "whitelist",
    "not allowed",
    "disabled",
    "not enabled",
    "project id",
    "batch",
];

/// Words of a node that does not understand the parameters.
const BAD_PARAMS: [&str; 6] = [
    "invalid argument",
    "invalid params",
    "cannot unmarshal",
    "missing value for required",
    "invalid type",
    "invalid block",
];

impl Error {
    /// Sorts the answer to `eth_call` anew: [`Kind::Reverted`] unless the endpoint did not serve the call.
    #[must_use]
    pub fn for_contract_call(mut self) -> Self {
        // An error of HTTP, or one for a whole batch, says nothing about a contract.
        if let Some(code) = self.code.filter(|_| !self.is_of_batch) {
            self.kind = kind_of_call(code, &self.node_words());
        }
        self
    }

    /// Whether a contract call was refused, or ended, for the gas that it was given.
    pub fn concerns_gas(&self) -> bool {
        let words = self.node_words();
        let is_about_gas = words.contains("gas") && !words.contains("revert") && !words.contains("uint64");
        is_about_gas && self.code.is_some() && !self.is_of_batch && !matches!(self.kind, Kind::Retry(Some(_)))
    }

    /// Whether it passes by itself: a limit on calls, or no connection.
    pub fn is_transient(&self) -> bool {
        matches!((self.kind, self.code), (Kind::Retry(Some(_)), _) | (Kind::Retry(None), None))
    }

    /// The node's message in lower case, without the code that was put behind it.
    fn node_words(&self) -> String {
        let text = self.message.to_ascii_lowercase();
        text.rsplit_once(" (code ").map_or(text.clone(), |(words, _)| words.to_owned())
    }
}

fn kind_of_call(code: i64, text: &str) -> Kind {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_halt = text.trim_start().starts_with("evm error: ") && !has(&["database", "missing"]);
    if matches!(code, 3 | -32015) || is_halt || has(&HALTS) {
        return Kind::Reverted;
    }
    let is_lost = || has(&["not found", "not available", "unavailable", "missing", "unknown", "does not exist"]);
    if has(&NO_STATE) || (has(&["state"]) && is_lost()) {
        return Kind::NoState;
    }
    if has(&UNKNOWN_BLOCK) || (has(&["block", "header", "height"]) && is_lost()) {
        return Kind::NotYet;
    }
    if has(&LIMITS) || matches!(code, 429 | -32005 | -32007 | -32016 | -32029 | -32090 | -32097) {
        return Kind::Retry(Some(1_000));
    }
    if code == -32601 || code == -32004 || (has(&["method"]) && (is_lost() || has(&["support"]))) {
        return Kind::Unsupported;
    }
    if has(&SHUT) || matches!(code, 401..=404 | -32600 | -32700) {
        return Kind::Elsewhere;
    }
    if has(&TROUBLE) || matches!(code, 408 | 500..=599 | -32002) {
        return Kind::Retry(None);
    }
    match code {
        -32602 => Kind::BadParams,
        -32001 => Kind::NotYet,
        _ if has(&BAD_PARAMS) => Kind::BadParams,
        _ => Kind::Reverted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: i64, message: &str) -> Kind {
        let object = serde_json::json!({"code": code, "message": message}).to_string();
        Error::from_node(&object).for_contract_call().kind
    }

    /// What clients say where a contract ended by itself.
    #[test]
    fn whatever_a_contract_does_is_its_answer() {
        for (client, code, message) in [
            ("geth", 3, "execution reverted: rate limit exceeded"),
            ("geth", -32000, "execution reverted"),
            ("geth", -32000, "invalid opcode: INVALID"),
            ("geth", -32000, "invalid opcode: opcode 0xfe not defined"),
            ("geth", -32000, "invalid jump destination"),
            ("geth", -32000, "out of gas"),
            ("geth", -32000, "stack underflow (0 <=> 1)"),
            ("geth", -32000, "stack limit reached 1024 (1023)"),
            ("geth", -32000, "write protection"),
            ("geth", -32000, "max call depth exceeded"),
            ("geth", -32000, "max code size exceeded"),
            ("geth", -32000, "return data out of bounds"),
            ("geth", -32000, "gas uint64 overflow"),
            ("geth", -32000, "contract address collision"),
            ("geth", -32000, "insufficient balance for transfer"),
            ("reth", -32003, "EVM error: InvalidJump"),
            ("reth", -32003, "EVM error: InvalidFEOpcode"),
            ("reth", -32003, "EVM error: OpcodeNotFound"),
            ("reth", -32003, "EVM error: StackUnderflow"),
            ("reth", -32003, "EVM error: StackOverflow"),
            ("reth", -32003, "EVM error: NotActivated"),
            ("reth", -32003, "EVM error: OutOfOffset"),
            ("reth", -32003, "EVM error: OverflowPayment"),
            ("reth", -32003, "EVM error: CallNotAllowedInsideStatic"),
            ("reth", -32003, "EVM error: PrecompileErrorWithContext(\"the limit\")"),
            ("reth", -32003, "out of gas: gas required exceeds: 3000000"),
            ("reth", 3, "execution reverted: header not found"),
            ("erigon", -32000, "invalid opcode: opcode 0xa9 not defined"),
            ("erigon", -32000, "execution reverted"),
            ("nethermind", -32015, "VM execution error."),
            ("nethermind", -32015, "BadInstruction"),
            ("nethermind", -32000, "StackUnderflow"),
            ("nethermind", -32000, "StaticCallViolation"),
            ("nethermind", -32000, "AccessViolation"),
            ("besu", -32000, "Execution reverted"),
            ("besu", -32000, "Invalid opcode: 0xfe"),
            ("besu", -32000, "Bad jump destination"),
            ("besu", -32000, "ILLEGAL_STATE_CHANGE"),
            ("besu", -32000, "INSUFFICIENT_STACK_ITEMS"),
            ("parity", -32015, "VM execution error."),
            ("arbitrum", -32000, "execution reverted"),
            ("arbitrum", -32000, "stylus: program failed"),
            ("zksync", 3, "execution reverted: Error function_selector = 0x, data = 0x"),
            (
                "hardhat",
                -32603,
                "Error: VM Exception while processing transaction: reverted with reason string 'quota'",
            ),
            ("ganache", -32000, "VM Exception while processing transaction: invalid opcode"),
            ("a client of tomorrow", -32099, "the contract fell over"),
            ("a client of tomorrow", 7, "HaltedWithWord(3)"),
        ] {
            assert_eq!(kind(code, message), Kind::Reverted, "{client}: {message}");
        }
    }

    /// What clients and providers say where they did not serve.
    #[test]
    fn a_refusal_to_serve_is_no_answer() {
        use Kind::{BadParams, Elsewhere, NoState, NotYet, Retry, Unsupported};
        let limit = Retry(Some(1_000));
        for (client, code, message, expected) in [
            ("geth", -32000, "missing trie node 12ab (path ) state 0x12 is not available", NoState),
            ("geth", -32000, "historical state 12ab is not available", NoState),
            ("geth", -32000, "header not found", NotYet),
            ("geth", -32000, "header for hash not found", NotYet),
            ("geth", -32000, "hash 12ab is not currently canonical", NotYet),
            ("geth", -32000, "execution aborted (timeout = 5s)", Retry(None)),
            ("geth", -32002, "request timed out", Retry(None)),
            ("geth", -32003, "response too large", Retry(None)),
            ("geth", -32603, "method handler crashed", Retry(None)),
            ("geth", -32601, "the method eth_call does not exist/is not available", Unsupported),
            ("geth", -32602, "invalid argument 1: cannot unmarshal object into Go value of type string", BadParams),
            ("reth", -32000, "state at block #100 is pruned", NoState),
            ("reth", -32001, "block not found: 0x64", NotYet),
            ("reth", -32001, "header not found", NotYet),
            ("reth", -32603, "internal error", Retry(None)),
            ("reth", -32005, "rate limit exceeded", limit),
            ("erigon", -32000, "state is not available for block 100: history has been pruned", NoState),
            ("erigon", -32000, "block 100 not found", NotYet),
            ("nethermind", -32002, "No state available for block 100 (0x12)", NoState),
            ("nethermind", -32001, "100 could not be found", NotYet),
            ("besu", -32000, "World state unavailable", NoState),
            ("besu", -32000, "Unknown block", NotYet),
            ("besu", -32603, "Internal error", Retry(None)),
            ("arbitrum", -32000, "missing trie node 12ab (path )", NoState),
            ("avalanche", -32000, "cannot query unfinalized data: after last accepted block", NotYet),
            ("evmos", -32000, "failed to load state at height 7; version does not exist (latest height: 9)", NoState),
            ("alchemy", 429, "Your app has exceeded its compute units per second capacity.", limit),
            ("infura", -32005, "daily request count exceeded, request rate limited", limit),
            ("infura", -32600, "invalid project id", Elsewhere),
            ("quicknode", -32007, "15/second request limit reached - reduce calls per second", limit),
            ("ankr", -32090, "Too many requests", limit),
            ("base", -32016, "over rate limit", limit),
            ("drpc", 30, "Request timeout on the free tier, please upgrade your tier to the paid one", Retry(None)),
            ("chainstack", -32000, "archive, debug and trace requests are not available on your current plan", NoState),
            ("tenderly", -32004, "quota exceeded", limit),
            ("anybody", -32000, "method not supported", Unsupported),
            ("anybody", -32000, "this method is disabled", Elsewhere),
            ("anybody", -32000, "Unauthorized: you must authenticate with an API key", Elsewhere),
            ("anybody", 503, "no healthy upstream", Retry(None)),
        ] {
            assert_eq!(kind(code, message), expected, "{client}: {message}");
        }
    }

    #[test]
    fn what_is_about_gas_is_told() {
        let concerns = |code: i64, message: &str| {
            let object = serde_json::json!({"code": code, "message": message}).to_string();
            Error::from_node(&object).for_contract_call().concerns_gas()
        };
        assert!(concerns(-32000, "out of gas"));
        assert!(concerns(-32003, "EVM error: OutOfGas(Basic)"));
        assert!(concerns(-32000, "gas limit is too high"));
        assert!(concerns(-32602, "call gas limit exceeds the maximum of 1000000"));
        assert!(concerns(-32000, "intrinsic gas too low"));
        assert!(!concerns(3, "execution reverted: no gas"));
        assert!(!concerns(-32000, "gas uint64 overflow"));
        assert!(!concerns(-32005, "rate limit exceeded"));
    }
}
