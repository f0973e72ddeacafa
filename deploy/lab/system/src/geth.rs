//! Geth, a real EVM node, on a chain of its own: started, reorganised and restarted by tests.

use crate::anvil;
use crate::evm_node::{EvmNode, two_free_ports};
use crate::wallet::Wallet;
use anyhow::{Context, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a node may take to write its state and end.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Accounts that tests sign for.
const WALLETS: u8 = 5;

/// The gas limit of a block; what a contract's bytes cost on Amsterdam is a multiple of what they cost before.
const BLOCK_GAS: &str = "1000000000";

/// Where the node is, and the folder of the venues' contracts.
pub struct Installed {
    program: PathBuf,
    packages: PathBuf,
}

/// What `cargo xtask geth` and `cargo xtask anvil` made, for a test. Where one of them is not there: none, after a sentence that
/// says so, or an error where `CHAINTAPE_REQUIRE` names it.
pub fn installed_for_test() -> anyhow::Result<Option<Installed>> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/geth");
    let program = std::env::var_os("CHAINTAPE_GETH").map_or(default, PathBuf::from).join("geth");
    let Some(folder) = anvil::installed_for_test()? else { return Ok(None) };
    if !program.is_file() {
        anvil::skip("geth")?;
        return Ok(None);
    }
    Ok(Some(Installed { program, packages: folder.join("node_modules") }))
}

/// The rules of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// Those of today: native coin moves without a log.
    Osaka,
    /// The ones after: each movement of native coin leaves a log (EIP-7708).
    Amsterdam,
}

/// A running Geth with its data.
pub struct Geth {
    /// The node; its WebSocket is at the port above, as Geth has it by default.
    pub node: EvmNode,
    program: PathBuf,
    fork: Fork,
    port: u16,
    data: tempfile::TempDir,
}

impl Geth {
    /// Starts a chain that makes a block for each transaction, and gives some coin to the accounts that tests sign for.
    pub async fn start(installed: &Installed, fork: Fork) -> anyhow::Result<Self> {
        environment::install_crypto();
        let Installed { program, packages } = installed;
        let wallets = (0..WALLETS).map(Wallet::numbered).collect::<anyhow::Result<Vec<_>>>()?;
        let (data, port) = (tempfile::tempdir()?, two_free_ports()?);
        let process = spawn(program, fork, port, data.path())?;
        let node = EvmNode::answering(format!("http://127.0.0.1:{port}"), process, packages.clone(), wallets).await?;
        let faucet = node.rpc("eth_accounts", json!([])).await?;
        let faucet = faucet[0].as_str().context("Geth holds no account")?;
        for account in node.accounts().await? {
            node.send_value(faucet, Some(&account), "0x", 10_u128.pow(24)).await?;
        }
        Ok(Self { node, program: program.clone(), fork, port, data })
    }

    /// Makes a height the newest one: the blocks above are gone.
    pub async fn set_head(&self, height: u64) -> anyhow::Result<()> {
        self.node.rpc("debug_setHead", json!([format!("{height:#x}")])).await?;
        let head = self.node.head().await?;
        ensure!(head == height, "Geth's head is {head} after debug_setHead of {height}");
        // What waits to be mined is reset a moment later, and until then it expects what was taken back.
        for account in self.node.accounts().await? {
            let reset = async {
                while self.node.nonce(&account, "pending").await? != self.node.nonce(&account, "latest").await? {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                anyhow::Ok(())
            };
            tokio::time::timeout(STOP_TIMEOUT, reset).await.context("Geth's pool still has what was taken back")??;
        }
        Ok(())
    }

    /// Makes blocks until the next ten cross no border of the dev chain's epochs: a block whose height is a multiple of 32 is final
    /// at once, and what is final is never taken back.
    pub async fn mine_into_an_epoch(&self) -> anyhow::Result<()> {
        let accounts = self.node.accounts().await?;
        while !(1..=20).contains(&(self.node.head().await? % 32)) {
            self.node.send_value(&accounts[0], Some(&accounts[0]), "0x", 1).await?;
        }
        Ok(())
    }

    /// Ends the process as an operator would, and starts it again on what it has written.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.node.process = spawn(&self.program, self.fork, self.port, self.data.path())?;
        self.node.wait_until_it_answers().await
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        let pid = self.node.process.id().to_string();
        ensure!(Command::new("kill").args(["-TERM", &pid]).status()?.success(), "cannot send SIGTERM to Geth");
        let ended = async {
            while self.node.process.try_wait()?.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(STOP_TIMEOUT, ended).await.context("Geth did not end")?
    }
}

fn spawn(program: &Path, fork: Fork, port: u16, data: &Path) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command.args(["--dev", "--dev.gaslimit", BLOCK_GAS, "--rpc.gascap", "0", "--rpc.txfeecap", "0"]);
    command.args([
        "--nodiscover",
        "--nat",
        "none",
        "--maxpeers",
        "0",
        "--port",
        "0",
        "--authrpc.port",
        "0",
        "--ipcdisable",
    ]);
    command.args(["--http", "--http.addr", "127.0.0.1", "--http.port", &port.to_string()]);
    command.args(["--ws", "--ws.addr", "127.0.0.1", "--ws.port", &(port + 1).to_string()]);
    command.args(["--http.api", "eth,net,web3,debug", "--ws.api", "eth,net", "--verbosity", "2"]);
    if fork == Fork::Amsterdam {
        command.args(["--override.amsterdam", "0"]);
    }
    let log = std::fs::File::options().create(true).append(true).open(data.join("geth.log"))?;
    command.arg("--datadir").arg(data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().with_context(|| format!("start {}", program.display()))
}
