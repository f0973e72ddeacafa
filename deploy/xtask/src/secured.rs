//! `cargo xtask secured`: one journey, and chaos with a few faults, on servers as they are in production: Kafka with TLS, SCRAM and
//! rights, PostgreSQL with TLS and passwords behind PgBouncer, a login for each process, and nothing allowed but what the processes
//! print.

mod certificates;
mod kafka;
mod postgres;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::check::set_locations;
use crate::process::{TEST_WORKSPACE, built, cargo, note, output, program, put, run, target};
use crate::{anvil, plugins};

/// The processes, each with a login of its own; the ingestor has no database.
const PROCESSES: [&str; 4] = ["chain-ingestor", "metrics", "portfolio", "api"];

/// The password of a login: these servers are gone after the journey.
fn password(login: &str) -> String {
    format!("{login}-secret")
}

/// The faults of chaos on these servers, and what they are drawn from.
const CHAOS: [&str; 4] = ["--faults", "8", "--seed", "3"];

/// Topics and a database of their own, on the same servers.
struct Tenant {
    folder: PathBuf,
    prefix: &'static str,
    database: &'static str,
}

/// Starts the servers, prepares them with what the processes print, follows a trade, injects faults, and stops the servers.
pub(crate) fn try_everything() -> anyhow::Result<()> {
    anvil::install()?;
    plugins::build(&[])?;
    note("building the services");
    // As the tests build them: other features would be another build of everything.
    run(&mut cargo(&[&TEST_WORKSPACE, &["--quiet", "--no-run"][..]].concat()))?;
    let folder = target("secured");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    certificates::make(&folder)?;
    let cluster = kafka::Cluster::start(&folder)?;
    let databases = postgres::Databases::start(&folder)?;
    let of_journey = Tenant { folder: folder.clone(), prefix: "secured.", database: postgres::DATABASES[0] };
    prepare(&of_journey, &cluster, &databases)?;
    note("following a trade");
    let on_secured_servers = ["--test", "follow_a_trade", "--", "--exact", "on_secured_servers"];
    let mut journey = cargo(&[&TEST_WORKSPACE, &on_secured_servers[..]].concat());
    set_locations(&mut journey);
    run(alone(&mut journey).env("CHAINTAPE_SECURED", &folder))?;
    note("the log's own suite, as somebody who may do everything");
    let mut suite = cargo(&[&TEST_WORKSPACE, &["--test", "suite", "--", "kafka"][..]].concat());
    run(alone(&mut suite).envs(cluster.variables(kafka::ADMIN, of_journey.prefix)?))?;
    let chaos = Tenant { folder: folder.join("chaos"), prefix: "chaos.", database: postgres::DATABASES[1] };
    prepare(&chaos, &cluster, &databases)?;
    let mut oracle = cluster.variables(kafka::ADMIN, chaos.prefix)?;
    oracle.insert("DATABASE_URL".to_owned(), databases.auditor_url(chaos.database));
    put_variables(&chaos.folder, "admin", &oracle)?;
    note("injecting faults");
    let mut faults = program(built("chaos"), &CHAOS);
    set_locations(&mut faults);
    faults.env("CHAINTAPE_PLUGINS", target("plugins")).arg("--secured").arg(&chaos.folder);
    faults.arg("--verdict").arg(folder.join("chaos.json")).arg("--binaries").arg(built("."));
    run(alone(&mut faults))
}

/// A program that knows nothing of the servers that the caller may use for other tests.
fn alone(command: &mut Command) -> &mut Command {
    command.env_remove("DATABASE_URL").env_remove("KAFKA_BROKERS")
}

/// Writes the variables of each process, then creates and grants what they print, with the logins of those who may.
fn prepare(tenant: &Tenant, cluster: &kafka::Cluster, databases: &postgres::Databases) -> anyhow::Result<()> {
    let Tenant { folder, prefix, database } = tenant;
    std::fs::create_dir_all(folder)?;
    for process in PROCESSES {
        let mut variables = cluster.variables(process, prefix)?;
        variables.insert("KAFKA_CREATE_TOPICS".to_owned(), "no".to_owned());
        if process != "chain-ingestor" {
            let file = folder.join(format!("{process}.database"));
            put(&file, databases.pooled_url(process, database).as_bytes())?;
            variables.insert("DATABASE_URL_FILE".to_owned(), file.display().to_string());
        }
        put_variables(folder, process, &variables)?;
        note(&format!("creating the topics `{prefix}…` and granting the rights of {process}"));
        for format in ["shell", "acls"] {
            let arguments = ["topics", "--print", format, "--principal", &format!("User:{process}")];
            let printed = output(alone(&mut program(built(process), &arguments)).envs(&variables))?;
            cluster.administer(&printed)?;
        }
    }
    for process in ["metrics", "portfolio"] {
        note(&format!("migrating the schema {process} of the database {database}"));
        let mut variables: BTreeMap<String, String> = cluster.variables(process, prefix)?;
        variables.insert("DATABASE_URL".to_owned(), databases.owner_url(database));
        output(alone(&mut program(built(process), &["migrate", "--grants"])).envs(&variables))
            .with_context(|| format!("{process} migrate"))?;
    }
    databases.grant(database)
}

/// Writes variables as `NAME.env`.
fn put_variables(folder: &Path, name: &str, variables: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let lines = variables.iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = writeln!(lines, "{name}={value}");
        lines
    });
    put(&folder.join(format!("{name}.env")), lines.as_bytes()).map(drop)
}
