//! `cargo xtask fuzz-api`: sends a real `chaintape` on a mock chain whatever its OpenAPI document allows, and much that it does not.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;

use crate::demo::chaintape;
use crate::process::{Running, build, note, program, root, run, wait};
use crate::servers::free_port;
use crate::{page, plugins};

/// How long the first trades may take.
const FIRST_TRADE_TIMEOUT: Duration = Duration::from_mins(1);

/// Two blocks a second and a branch that is left every fourth second, so that every list has something in it.
const CHAIN: &str = "\
id = \"mock\"
plugin = \"mock\"
start = \"latest\"
poll_ms = 100
[settings]
block-ms = 500
trades-per-block = 3
users = 12
reorg-every = 8
reorg-depth = 3
finality = 16
[settings.platforms.shop]
routers = [\"mock:shop\"]
codes = [\"tape\"]
";

/// Sends `examples` requests for each operation; an answer that the document does not allow is an error.
pub(crate) fn api(examples: u32) -> anyhow::Result<()> {
    plugins::build(&[])?;
    note("building chaintape");
    build(&["chaintape"])?;
    let folder = tempfile::Builder::new().prefix("chaintape-fuzz-").tempdir()?;
    let (mut chaintape, address) = start(folder.path())?;
    wait(FIRST_TRADE_TIMEOUT, || page::trades(address, "mock").filter(|trades| *trades > 0))
        .with_context(|| format!("no trade was served at {address} within {} s", FIRST_TRADE_TIMEOUT.as_secs()))?;
    note(&format!("asking {address} {examples} times for each operation"));
    let script = root().join("deploy/lab/fuzz/openapi.sh");
    run(&mut program(script, &[&format!("http://{address}"), &examples.to_string()]))?;
    chaintape.still_there()
}

fn start(folder: &Path) -> anyhow::Result<(Running, SocketAddr)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port(18080)?));
    let chains = folder.join("chains");
    std::fs::create_dir(&chains)?;
    std::fs::write(chains.join("mock.toml"), CHAIN)?;
    let mut command = chaintape(&chains, folder, address);
    let running = Running::start("chaintape", command.env("API_RATE_PER_SECOND", "0").stdout(Stdio::null()))?;
    Ok((running, address))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use crate::process::{program, root};

    /// `python3 -m venv --clear FOLDER`, as far as the script needs it.
    const PYTHON: &str = "#!/bin/sh\n[ \"$3\" = --clear ] && rm -rf \"$4\" && mkdir -p \"$4/bin\" && cp \"$(dirname \"$0\")/pip\" \"$4/bin/pip\"\n";
    const PIP: &str = "#!/bin/sh\nprintf '#!/bin/sh\\necho new\\n' > \"$(dirname \"$0\")/schemathesis\" && chmod +x \"$(dirname \"$0\")/schemathesis\"\n";

    fn executable(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn an_environment_whose_python_is_gone_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("deploy/lab/fuzz/openapi.sh");
        executable(&script, &fs::read_to_string(root().join("deploy/lab/fuzz/openapi.sh")).unwrap());
        executable(&folder.path().join("target/fuzz/bin/schemathesis"), "#!/nowhere/target/fuzz/bin/python3\n");
        executable(&folder.path().join("bin/python3"), PYTHON);
        executable(&folder.path().join("bin/pip"), PIP);
        let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        let output = program(&script, &["http://127.0.0.1:1", "1"]).env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "new\n");
    }
}
