//! The command `doctor`: tries the settings, the log, the database, the plugins and the nodes, and says what would not work.

use crate::overlay::StackSettings;
use api::DatabaseState;
use chain_ingestor::doctor::{Finding, examine};
use environment::{Problems, Strings, health};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tape_log::settings::target;
use tape_log::{Log, Target};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// How long brokers or the database may take to answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(15);

/// Tries everything; an error if anything would not work.
pub(crate) async fn doctor(strings: &StackSettings, mut problems: Problems, as_json: bool) -> anyhow::Result<()> {
    let ingest = chain_ingestor::Settings::read(strings, &mut problems);
    drop((metrics::Settings::read(strings, &mut problems), portfolio::Settings::read(strings, &mut problems)));
    let api = api::Settings::read(strings, &mut problems);
    let target = target(strings, &mut problems);
    let mut findings = vec![];
    match problems.finish() {
        Ok(()) => findings.push(Finding::works("settings", "every variable is right")),
        Err(wrong) => {
            let fix = "set the variable; env/README.md has every one of them";
            findings.extend(wrong.0.into_iter().map(|says| Finding::fails("settings", says, fix)));
        }
    }
    // Odd, and no reason why anything would not work.
    findings.extend(problems.warnings().iter().map(|says| Finding::works("settings", says.clone())));
    if strings.get("LOG").is_some() {
        findings.push(try_log(&target).await);
    }
    findings.push(try_address(api.addr).await);
    if strings.get("DATABASE_URL").or_else(|| strings.get("DATABASE_URL_FILE")).is_some() {
        findings.push(try_database(&api, strings).await);
    }
    if strings.get("PLUGINS_DIR").is_some() && strings.get("CHAINS_DIR").is_some() {
        findings.extend(examine(&ingest, strings).await?);
    }
    if as_json {
        environment::print_line!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        for Finding { subject, works, says, fix } in &findings {
            environment::print_line!("{}  {subject}: {says}", if *works { "works " } else { "FAILS " });
            if let Some(fix) = fix {
                environment::print_line!("        {fix}");
            }
        }
    }
    let failing = findings.iter().filter(|finding| !finding.works).count();
    anyhow::ensure!(failing == 0, "find everything in order: {failing} of {} would not work", findings.len());
    Ok(())
}

/// Whether the api could listen; where something does, whether that is a process of this program.
async fn try_address(address: SocketAddr) -> Finding {
    match TcpListener::bind(address).await {
        Ok(_) => Finding::works("address", format!("{address} is free")),
        Err(_) if health::probe(address).await.is_ok() => {
            Finding::works("address", format!("a process answers for its health at {address} already"))
        }
        Err(error) => {
            let fix = "set API_ADDR to another address, or stop what listens there";
            Finding::fails("address", format!("{address} cannot be listened at: {error}"), fix)
        }
    }
}

async fn try_log(target: &Target) -> Finding {
    match target {
        Target::Memory => Finding::works("log", "is in memory, and gone when the process ends"),
        // Opening it would make the file; whether it could be is enough.
        Target::Sqlite(path) => match writable_folder_of(path) {
            Ok(()) => Finding::works("log", format!("{} can be written", path.display())),
            Err(error) => {
                let says = format!("{} cannot be written: {error}", path.display());
                Finding::fails(
                    "log",
                    says,
                    "choose another place by --log sqlite:PATH or LOG, or give this one to this user",
                )
            }
        },
        Target::Kafka(settings) => {
            let fix = "see whether KAFKA_BROKERS is right, and what the brokers ask for (KAFKA_SECURITY_PROTOCOL)";
            let opened = timeout(SERVER_TIMEOUT, async {
                let log = Log::open(target).await?;
                chain_ingestor::check::health(&log).await
            });
            match opened.await {
                Ok(Ok(())) => Finding::works("log", format!("the brokers {} answer", settings.brokers)),
                Ok(Err(error)) => Finding::fails("log", format!("{}: {error:#}", settings.brokers), fix),
                Err(_) => {
                    let waited = SERVER_TIMEOUT.as_secs();
                    Finding::fails("log", format!("{} did not answer within {waited} s", settings.brokers), fix)
                }
            }
        }
    }
}

async fn try_database(settings: &api::Settings, strings: &StackSettings) -> Finding {
    if let Some(url) = strings.get("DATABASE_URL")
        && let Some(directory) = url.strip_prefix("sqlite:")
    {
        return match writable_folder_of(&Path::new(directory).join("metrics.db")) {
            Ok(()) => Finding::works("database", format!("{directory} can be written")),
            Err(error) => {
                let fix = "choose another folder by --database sqlite:DIRECTORY or DATABASE_URL";
                Finding::fails("database", format!("{directory} cannot be written: {error}"), fix)
            }
        };
    }
    let fix = "see whether DATABASE_URL is right, and whether the server lets this machine and user in";
    match timeout(SERVER_TIMEOUT, api::try_database(settings)).await {
        Ok(Ok(DatabaseState::Ready)) => Finding::works("database", "answers"),
        Ok(Ok(DatabaseState::WithoutTables)) => {
            Finding::works("database", "answers; its tables are made when the services start")
        }
        Ok(Err(error)) => Finding::fails("database", format!("{error:#}"), fix),
        Err(_) => Finding::fails("database", format!("did not answer within {} s", SERVER_TIMEOUT.as_secs()), fix),
    }
}

/// Whether a file could be made where it is to be; folders that are missing would be made.
fn writable_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = std::path::absolute(path)?;
    let there = folder.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    tempfile::tempfile_in(there).map(drop)
}
