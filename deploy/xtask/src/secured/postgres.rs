//! PostgreSQL that encrypts and wants passwords, behind PgBouncer in transaction mode with fewer connections than are asked
//! for.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;

use super::certificates::AUTHORITY;
use super::password;
use crate::process::{Running, apt_install, is_root, output, program, put};
use crate::servers::postgres::{as_postgres, binaries};
use crate::servers::{free_port, wait_for};

/// Who owns the schemas and creates roles.
const OWNER: &str = "owner";
/// Who may do everything, to compare what was written.
const AUDITOR: &str = "auditor";
/// The databases: of the journey, and of chaos.
pub(super) const DATABASES: [&str; 2] = ["chaintape", "chaos"];
/// The logins of the running processes.
const LOGINS: [&str; 3] = ["metrics", "portfolio", "api"];
/// Where Debian keeps the pooler, off most paths.
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

/// A running server and its pooler.
pub(super) struct Databases {
    authority: PathBuf,
    /// A folder that the server's own user may enter.
    dir: tempfile::TempDir,
    port: u16,
    pool_port: u16,
    _pooler: Running,
    _server: Running,
}

impl Databases {
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let binaries = binaries()?;
        if !Path::new(PGBOUNCER).is_file() {
            apt_install(&["pgbouncer"], "a pooler")?;
        }
        let dir = tempfile::Builder::new().prefix("chaintape-secured-").tempdir()?;
        let here = dir.path();
        for name in ["ca.pem", "postgres.pem", "postgres.key", "pgbouncer.pem", "pgbouncer.key"] {
            std::fs::copy(folder.join(name), here.join(name)).context(name)?;
        }
        let (port, pool_port) = (free_port(25432)?, free_port(26432)?);
        put(&here.join("pgbouncer.ini"), pooler(here, port, pool_port).as_bytes())?;
        let user = |login: &&str| format!("\"{login}\" \"{}\"\n", password(login));
        put(&here.join("users.txt"), LOGINS.iter().map(user).collect::<String>().as_bytes())?;
        if is_root() {
            output(program("chown", &["-R", "postgres"]).arg(here))?;
        }
        output(program("chmod", &["600"]).args([here.join("postgres.key"), here.join("pgbouncer.key")]))?;
        let initdb = ["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C.UTF-8", "-D"];
        output(as_postgres(&binaries.join("initdb")).args(initdb).arg(here.join("data")).current_dir(here))?;
        let hba = "local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n";
        std::fs::write(here.join("data/pg_hba.conf"), hba)?;
        let log = here.join("postgres.log");
        let mut server = as_postgres(&binaries.join("postgres"));
        server.arg("-D").arg(here.join("data")).args(["-p", &port.to_string(), "-k"]).arg(here);
        for setting in [
            "listen_addresses=localhost",
            "ssl=on",
            "password_encryption=scram-sha-256",
            "fsync=off",
            &format!("ssl_cert_file={}", here.join("postgres.pem").display()),
            &format!("ssl_key_file={}", here.join("postgres.key").display()),
        ] {
            server.args(["-c", setting]);
        }
        server.current_dir(here).stdin(Stdio::null()).process_group(0);
        let server = Running::start("PostgreSQL", server.stdout(Stdio::null()).stderr(File::create(&log)?))?;
        wait_for("PostgreSQL, secured,", port, &log)?;
        let mut pooler = as_postgres(Path::new(PGBOUNCER));
        pooler.arg(here.join("pgbouncer.ini")).current_dir(here).stdin(Stdio::null()).process_group(0);
        let log = here.join("pgbouncer.log");
        let pooler = Running::start("PgBouncer", pooler.stdout(Stdio::null()).stderr(File::create(&log)?))?;
        wait_for("PgBouncer", pool_port, &log)?;
        let databases =
            Self { authority: folder.join(AUTHORITY), dir, port, pool_port, _pooler: pooler, _server: server };
        let create_login = |login: &&str| format!("CREATE ROLE {login} LOGIN PASSWORD '{}';", password(login));
        databases.administer("postgres", &LOGINS.iter().map(create_login).collect::<String>())?;
        let owner = format!("CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{}'", password(OWNER));
        databases.administer("postgres", &owner)?;
        let auditor = format!("CREATE ROLE {AUDITOR} LOGIN SUPERUSER PASSWORD '{}'", password(AUDITOR));
        databases.administer("postgres", &auditor)?;
        for database in DATABASES {
            databases.administer("postgres", &format!("CREATE DATABASE {database} OWNER {OWNER}"))?;
        }
        Ok(databases)
    }

    /// How the owner reaches a database of the server itself.
    pub(super) fn owner_url(&self, database: &str) -> String {
        self.url(OWNER, self.port, database)
    }

    /// How the one who may do everything does.
    pub(super) fn auditor_url(&self, database: &str) -> String {
        self.url(AUDITOR, self.port, database)
    }

    /// How a process reaches a database, through the pooler.
    pub(super) fn pooled_url(&self, process: &str, database: &str) -> String {
        self.url(process, self.pool_port, database)
    }

    fn url(&self, login: &str, port: u16, database: &str) -> String {
        let (secret, authority) = (password(login), self.authority.display());
        format!("postgres://{login}:{secret}@localhost:{port}/{database}?sslmode=verify-full&sslrootcert={authority}")
    }

    /// Gives each login the role that `migrate --grants` made for it, by way of a database.
    pub(super) fn grant(&self, database: &str) -> anyhow::Result<()> {
        let grants = "GRANT chaintape_metrics TO metrics; GRANT chaintape_portfolio TO portfolio; \
                      GRANT chaintape_reader TO api";
        self.administer(database, grants)
    }

    fn administer(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        let mut psql = as_postgres(&binaries()?.join("psql"));
        psql.args([
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
            "-p",
            &self.port.to_string(),
            "-h",
        ]);
        output(psql.arg(self.dir.path()).args(["-c", sql]).current_dir(self.dir.path())).map(drop)
    }
}

/// Two server connections for each login: transactions of one process share them.
fn pooler(dir: &Path, port: u16, pool_port: u16) -> String {
    let dir = dir.display();
    let databases = DATABASES.map(|database| format!("{database} = host=localhost port={port}")).join("\n");
    format!(
        "[databases]
{databases}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {pool_port}
unix_socket_dir =
pidfile = {dir}/pgbouncer.pid
auth_type = scram-sha-256
auth_file = {dir}/users.txt
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
client_tls_sslmode = require
client_tls_cert_file = {dir}/pgbouncer.pem
client_tls_key_file = {dir}/pgbouncer.key
server_tls_sslmode = verify-full
server_tls_ca_file = {dir}/ca.pem
"
    )
}
