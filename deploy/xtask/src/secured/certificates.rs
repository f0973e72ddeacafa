//! A certificate authority and a certificate for each server, made by OpenSSL for one run.

use std::path::Path;

use crate::process::{apt_install, has, output, program, put};

/// The servers that show a certificate.
const SERVERS: [&str; 3] = ["kafka", "postgres", "pgbouncer"];

/// The file of the authority that everything is trusted by.
pub(super) const AUTHORITY: &str = "ca.pem";

/// Makes `ca.pem`, and `NAME.pem` and `NAME.key` of each server, which is called `localhost`.
pub(super) fn make(folder: &Path) -> anyhow::Result<()> {
    if !has("openssl") {
        apt_install(&["openssl"], "a certificate authority")?;
    }
    let openssl = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        output(program("openssl", &words).current_dir(folder)).map(drop)
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=chaintape-secured")?;
    put(&folder.join("names"), b"subjectAltName=DNS:localhost,IP:127.0.0.1\n")?;
    for server in SERVERS {
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {server}.key -out {server}.csr -subj /CN={server}"))?;
        openssl(&format!(
            "x509 -req -in {server}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {server}.pem"
        ))?;
    }
    Ok(())
}
