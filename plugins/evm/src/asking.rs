//! Calls of contracts at the blocks of a scan: each has the contract's answer, or the scan says who did not serve it.

use crate::{hex, rpc};
use alloy_primitives::Address;
use chain_plugin_sdk::jsonrpc::{self, Answers, Call, Error, Kind};
use chain_plugin_sdk::{Failure, Host, Level, Span};
use std::borrow::Cow;

/// A block whose state is asked.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    /// Its number.
    pub height: u64,
    /// Its hash.
    pub hash: String,
    /// Whether it can no longer be replaced.
    pub is_final: bool,
}

/// What to do where an endpoint no longer has the state of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldState {
    /// The latest state may be younger than the block, so its answer could not be kept: none is asked for.
    Needed,
    /// The block has a swap of the pool, so the latest state knows it too.
    LatestWillDo,
}

/// One question to a contract.
#[derive(Clone)]
pub(crate) struct ContractCall {
    /// The contract.
    pub to: Address,
    /// At which block, by its index among the pins.
    pub pin: usize,
    /// The four bytes that name the function, and its arguments.
    pub data: Cow<'static, str>,
    /// Whether a trade is right without the answer: a token's symbol and decimals.
    pub is_decoration: bool,
}

/// With how much gas a contract is called.
#[derive(Clone, Copy)]
enum Gas {
    /// Enough for any honest answer, and so little that an endless loop ends at once.
    Little,
    /// As much as the endpoint gives by itself.
    EndpointsOwn,
}

fn call(to: Address, data: &str, block: &str, gas: Gas) -> Call {
    let gas = match gas {
        Gas::Little => r#","gas":"0x2dc6c0""#,
        Gas::EndpointsOwn => "",
    };
    Call::new("eth_call", format!(r#"[{{"to":"{}","data":"{data}"{gas}}},{block}]"#, hex::encode(to)))
}

/// A call of a contract as it was at the end of a block.
pub(crate) fn call_at(to: Address, data: &str, pin: &Pin) -> Call {
    call(to, data, &pinned(pin), Gas::Little)
}

/// By number where the block is final, else by hash, so that no other branch can answer.
fn pinned(pin: &Pin) -> String {
    if pin.is_final { by_number(pin) } else { format!(r#"{{"blockHash":"{}"}}"#, pin.hash) }
}

fn by_number(pin: &Pin) -> String {
    format!(r#""{}""#, rpc::encode_height(pin.height))
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The contract returned this.
    Returned(String),
    /// The contract ended without an answer: another fact about it.
    Nothing,
    /// The endpoint did not serve the call, and the scan goes on without: nothing is known, and nothing is kept.
    NotServed,
}

impl Answered {
    /// What the contract returned.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Returned(text) => Some(text),
            Self::Nothing | Self::NotServed => None,
        }
    }
}

/// Asks questions of contracts in a few rounds.
pub(crate) struct Questions<'a> {
    /// The questions.
    pub all: &'a [ContractCall],
    /// The blocks.
    pub pins: &'a [Pin],
    /// What to do without their state.
    pub old: OldState,
    /// How many calls go into one request.
    pub batch: usize,
    /// The span that is scanned.
    pub span: Span,
}

/// What the first round left to ask again.
#[derive(Default)]
struct Again {
    /// The endpoint takes no block hash.
    by_number: Vec<usize>,
    /// The endpoint has no state of that block.
    at_latest: Vec<usize>,
    /// The call was refused, or ended, for its gas.
    without_gas: Vec<usize>,
    /// A token's answer was not served.
    once_more: Vec<usize>,
}

impl Questions<'_> {
    /// Asks all, and `others` beside them in the first round, whose responses are returned whole.
    pub(crate) fn ask(&self, host: &mut impl Host, others: &[Call]) -> Result<(Vec<Answered>, Answers), Failure> {
        let mut calls: Vec<Call> = (0..self.all.len()).map(|at| self.call(at, Gas::Little)).collect();
        calls.extend_from_slice(others);
        let sent = jsonrpc::send(host, &calls, self.batch);
        let mut answers = vec![Answered::Nothing; self.all.len()];
        let mut again = Again::default();
        for (at, question) in self.all.iter().enumerate() {
            let error = match read(&sent, at) {
                Ok(answer) => {
                    answers[at] = answer;
                    continue;
                }
                Err(error) => error,
            };
            let is_final = self.pins[question.pin].is_final;
            match error.kind {
                _ if error.concerns_gas() => again.without_gas.push(at),
                Kind::Reverted => {}
                Kind::BadParams if !is_final => again.by_number.push(at),
                Kind::NoState | Kind::NotYet if self.old == OldState::Needed => answers[at] = Answered::NotServed,
                Kind::NoState => again.at_latest.push(at),
                _ if question.is_decoration && !error.is_transient() => again.once_more.push(at),
                Kind::NotYet if !is_final => return Err(Failure::Retry((None, error.to_string()))),
                _ => return Err(self.refusal(at, error)),
            }
        }
        self.call_by_number(host, &again.by_number, &mut answers)?;
        let latest: Vec<Call> =
            again.at_latest.iter().map(|at| self.call_in(*at, r#""latest""#, Gas::Little)).collect();
        self.ask_again(host, &again.at_latest, &latest, &mut answers)?;
        let without: Vec<Call> = again.without_gas.iter().map(|at| self.call(*at, Gas::EndpointsOwn)).collect();
        self.ask_without_gas(host, &again.without_gas, &without, &mut answers)?;
        let more: Vec<Call> = again.once_more.iter().map(|at| self.call(*at, Gas::Little)).collect();
        self.ask_again(host, &again.once_more, &more, &mut answers)?;
        Ok((answers, sent))
    }

    fn call(&self, at: usize, gas: Gas) -> Call {
        self.call_in(at, &pinned(&self.pins[self.all[at].pin]), gas)
    }

    fn call_in(&self, at: usize, block: &str, gas: Gas) -> Call {
        call(self.all[at].to, &self.all[at].data, block, gas)
    }

    /// Another round, after which nothing is asked again.
    fn ask_again(
        &self,
        host: &mut impl Host,
        which: &[usize],
        calls: &[Call],
        answers: &mut [Answered],
    ) -> Result<(), Failure> {
        let sent = jsonrpc::send(host, calls, self.batch);
        for (place, at) in which.iter().enumerate() {
            answers[*at] = read(&sent, place).or_else(|error| self.settle(host, *at, error))?;
        }
        Ok(())
    }

    /// Without a limit on gas an endless loop ends at the endpoint's own limits, on gas or on time: that is the
    /// contract's answer too.
    fn ask_without_gas(
        &self,
        host: &mut impl Host,
        which: &[usize],
        calls: &[Call],
        answers: &mut [Answered],
    ) -> Result<(), Failure> {
        let sent = jsonrpc::send(host, calls, self.batch);
        for (place, at) in which.iter().enumerate() {
            answers[*at] = match read(&sent, place) {
                Ok(answer) => answer,
                Err(error) if error.is_transient() => return Err(self.refusal(*at, error)),
                Err(_) => Answered::Nothing,
            };
        }
        Ok(())
    }

    /// For endpoints that take no block hash: asks by number, and for the blocks' hashes, to see that the branch is the
    /// same.
    fn call_by_number(&self, host: &mut impl Host, which: &[usize], answers: &mut [Answered]) -> Result<(), Failure> {
        if which.is_empty() {
            return Ok(());
        }
        let pin_of = |at: &usize| self.all[*at].pin;
        let mut used: Vec<usize> = which.iter().map(pin_of).collect();
        used.sort_unstable();
        used.dedup();
        let at_number = |at: &usize| self.call_in(*at, &by_number(&self.pins[pin_of(at)]), Gas::Little);
        let of_blocks = used.iter().map(|pin| rpc::block(&rpc::encode_height(self.pins[*pin].height)));
        let calls: Vec<Call> = which.iter().map(at_number).chain(of_blocks).collect();
        let sent = jsonrpc::send(host, &calls, self.batch);
        for (place, pin) in used.iter().enumerate() {
            let name =
                sent.read(which.len() + place, rpc::BlockName::read).map_err(|error| error.failure(self.span))?;
            if name.is_none_or(|name| !name.hash.eq_ignore_ascii_case(self.pins[*pin].hash.as_bytes())) {
                return Err(Failure::Reorged);
            }
        }
        for (place, at) in which.iter().enumerate() {
            answers[*at] = read(&sent, place).or_else(|error| self.settle(host, *at, error))?;
        }
        Ok(())
    }

    /// The answer where the last round gave an error.
    fn settle(&self, host: &mut impl Host, at: usize, error: Error) -> Result<Answered, Failure> {
        if error.kind == Kind::Reverted || error.concerns_gas() {
            return Ok(Answered::Nothing);
        }
        let question = &self.all[at];
        if question.is_decoration && !error.is_transient() {
            let to = hex::encode(question.to);
            host.log(Level::Warn, &format!("token {to} goes without symbol or decimals: {error}"));
            return Ok(Answered::NotServed);
        }
        Err(self.refusal(at, error))
    }

    /// An endpoint that does not serve a call may leave the block to another.
    fn refusal(&self, at: usize, error: Error) -> Failure {
        let contract = hex::encode(self.all[at].to);
        match error.kind {
            Kind::Retry(None) if error.is_transient() => error.failure(self.span),
            Kind::Retry(None) | Kind::NotYet | Kind::TooWide => {
                Failure::Elsewhere(format!("the endpoint does not serve a call of {contract}: {error}"))
            }
            _ => error.failure(self.span),
        }
    }
}

fn read(sent: &Answers, at: usize) -> Result<Answered, Error> {
    let answer = sent.parse::<Option<String>>(at).map_err(Error::for_contract_call)?;
    Ok(answer.map_or(Answered::Nothing, Answered::Returned))
}
