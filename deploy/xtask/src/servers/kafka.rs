//! Apache Kafka: one broker that is its own controller, from the project's jars.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use super::{free_port, home, stop_by, wait_for};
use crate::process::{apt_install, has, note, output, program, put, run, target};

/// Kafka, its tools, and a logging runtime, which Kafka's own list leaves out.
const JARS: [(&str, &str, &str); 5] = [
    ("org.apache.kafka", "kafka_2.13", "4.1.2"),
    ("org.apache.kafka", "kafka-tools", "4.1.2"),
    ("org.apache.logging.log4j", "log4j-core", "2.24.3"),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),
    ("org.apache.logging.log4j", "log4j-1.2-api", "2.24.3"),
];

pub(crate) const LOGGING: &str = "rootLogger.level = WARN
rootLogger.appenderRefs = out
rootLogger.appenderRef.out.ref = OUT
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
";

/// Starts a broker with nothing in it; where it is.
pub(super) fn start() -> anyhow::Result<String> {
    let libraries = jars()?;
    let dir = home().join("kafka");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    let port = free_port(19192)?;
    put(&dir.join("server.properties"), properties(port, free_port(19193)?).as_bytes())?;
    put(&dir.join("log4j2.properties"), LOGGING.as_bytes())?;

    let tool = "kafka.tools.StorageTool";
    let id = output(java(&libraries, &dir).args([tool, "random-uuid"]))?;
    output(java(&libraries, &dir).args([tool, "format", "--standalone", "-t", &id, "-c", "server.properties"]))?;
    launch(&libraries, &dir, port)
}

/// Kills the broker and starts it again on what it had written.
pub(super) fn bounce() -> anyhow::Result<()> {
    super::kill_by("kafka.pid")?;
    let dir = home().join("kafka");
    let text = std::fs::read_to_string(dir.join("server.properties"))?;
    let listener = text.lines().find_map(|line| line.strip_prefix("advertised.listeners=PLAINTEXT://127.0.0.1:"));
    let port = listener.and_then(|rest| rest.split(',').next()?.parse().ok()).context("the broker has no port")?;
    launch(&jars()?, &dir, port).map(|_| ())
}

fn launch(libraries: &Path, dir: &Path, port: u16) -> anyhow::Result<String> {
    let log = dir.join("kafka.log");
    let mut broker = java(libraries, dir);
    broker
        .args(["kafka.Kafka", "server.properties"])
        .stdin(Stdio::null())
        .stdout(File::options().create(true).append(true).open(&log)?);
    // A process group of its own: Ctrl-C at whoever started us is not meant for it.
    let child = broker.stderr(File::create(dir.join("kafka.err"))?).process_group(0).spawn().context("java")?;
    put(&home().join("kafka.pid"), child.id().to_string().as_bytes())?;
    wait_for("Kafka", port, &log)?;
    Ok(format!("127.0.0.1:{port}"))
}

pub(super) fn stop() -> anyhow::Result<()> {
    stop_by("Kafka", "kafka.pid", "kafka.Kafka")
}

/// The class path, fetched by Maven once.
pub(crate) fn jars() -> anyhow::Result<PathBuf> {
    let dir = target("kafka");
    let libraries = dir.join("libs");
    let is_there = |(_, name, version): &(&str, &str, &str)| libraries.join(format!("{name}-{version}.jar")).is_file();
    if JARS.iter().all(is_there) && has("java") {
        return Ok(libraries);
    }
    let missing: Vec<_> = [("java", "openjdk-17-jre-headless"), ("mvn", "maven")]
        .into_iter()
        .filter(|(program, _)| !has(program))
        .map(|(_, package)| package)
        .collect();
    if !missing.is_empty() {
        apt_install(&missing, "Kafka")?;
    }
    note("fetching Kafka");
    put(&dir.join("pom.xml"), project().as_bytes())?;
    let mut maven = program("mvn", &["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    run(maven.arg("-DoutputDirectory=libs").current_dir(&dir).stdin(Stdio::null()).stdout(Stdio::null()))?;
    Ok(libraries)
}

fn project() -> String {
    let dependency = |(group, artifact, version): &(&str, &str, &str)| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>"
        )
    };
    let dependencies = JARS.iter().map(dependency).collect::<Vec<_>>().join("\n");
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>chaintape</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>\n\
         <dependencies>\n{dependencies}\n</dependencies></project>\n"
    )
}

/// Topics are created by their owners and by nobody else; 16 MiB of message and a little for its frame.
fn properties(port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
message.max.bytes=17825792
replica.fetch.max.bytes=17825792
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
partition.coordinator.state.topic.replication.factor=1
partition.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
"
    )
}

pub(crate) fn java(libraries: &Path, dir: &Path) -> Command {
    let mut command = program("java", &["-Xmx512m", "-Dlog4j2.configurationFile=log4j2.properties", "-cp"]);
    command.arg(libraries.join("*")).current_dir(dir);
    command
}
