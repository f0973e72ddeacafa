//! A broker that encrypts, wants a login by SCRAM, and lets each login do what it was granted.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;

use super::certificates::AUTHORITY;
use super::{PROCESSES, password};
use crate::process::{Running, output, program, put};
use crate::servers::kafka::{LOGGING, jars, java};
use crate::servers::{free_port, wait_for};

/// Who may do everything.
pub(super) const ADMIN: &str = "admin";

/// Kafka's own scripts, as far as the printed commands call them, and the classes behind them.
const TOOLS: [(&str, &str); 2] = [
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
    ("kafka-acls.sh", "org.apache.kafka.tools.AclCommand"),
];

/// A running broker.
pub(super) struct Cluster {
    folder: PathBuf,
    port: u16,
    _broker: Running,
}

impl Cluster {
    /// Starts a broker with nothing in it but the logins.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let libraries = jars()?;
        let dir = folder.join("kafka");
        std::fs::create_dir_all(&dir)?;
        let port = free_port(29192)?;
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).with_context(|| name.to_owned());
        put(&dir.join("kafka.pem"), [read("kafka.key")?, read("kafka.pem")?].concat().as_bytes())?;
        put(&dir.join("server.properties"), properties(folder, port, free_port(29193)?).as_bytes())?;
        put(&dir.join("log4j2.properties"), LOGGING.as_bytes())?;
        put(&dir.join("admin.properties"), client(folder).as_bytes())?;
        for (tool, class) in TOOLS {
            // Most of what a tool does is to start.
            let script = format!(
                "#!/bin/sh\nexec java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Dlog4j2.configurationFile={}/log4j2.properties -cp '{}/*' {class} \"$@\"\n",
                dir.display(),
                libraries.display()
            );
            put(&dir.join(tool), script.as_bytes())?;
            std::fs::set_permissions(dir.join(tool), std::fs::Permissions::from_mode(0o755))?;
        }
        let tool = "kafka.tools.StorageTool";
        let id = output(java(&libraries, &dir).args([tool, "random-uuid"]))?;
        let mut format = java(&libraries, &dir);
        format.args([tool, "format", "--standalone", "-t", &id, "-c", "server.properties"]);
        for login in PROCESSES.iter().chain(&[ADMIN]) {
            let secret = format!("SCRAM-SHA-512=[name={login},password={}]", password(login));
            format.args(["--add-scram", &secret]);
        }
        output(&mut format)?;
        let mut broker = java(&libraries, &dir);
        broker.args(["kafka.Kafka", "server.properties"]).stdin(Stdio::null()).process_group(0);
        broker.stdout(File::create(dir.join("kafka.log"))?).stderr(File::create(dir.join("kafka.err"))?);
        let broker = Running::start("Kafka", &mut broker)?;
        wait_for("Kafka, secured,", port, &dir.join("kafka.log"))?;
        Ok(Self { folder: folder.to_owned(), port, _broker: broker })
    }

    /// The variables with which a login reaches the topics of a prefix; its password stands in a file.
    pub(super) fn variables(&self, login: &str, prefix: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let secret = self.folder.join(format!("{login}.password"));
        put(&secret, format!("{}\n", password(login)).as_bytes())?;
        let variables = [
            ("LOG", "kafka".to_owned()),
            ("APP_ENV", "dev".to_owned()),
            ("TOPIC_PREFIX", prefix.to_owned()),
            ("KAFKA_BROKERS", format!("localhost:{}", self.port)),
            ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl".to_owned()),
            ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512".to_owned()),
            ("KAFKA_SASL_USERNAME", login.to_owned()),
            ("KAFKA_SASL_PASSWORD_FILE", secret.display().to_string()),
            ("KAFKA_SSL_CA_LOCATION", self.folder.join(AUTHORITY).display().to_string()),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// Runs printed commands as somebody who may do everything.
    pub(super) fn administer(&self, commands: &str) -> anyhow::Result<()> {
        let dir = self.folder.join("kafka");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = program("sh", &["-ec", commands]);
        shell.env("PATH", format!("{}:{path}", dir.display()));
        shell.env("ADMIN", format!("--command-config {}", dir.join("admin.properties").display()));
        output(&mut shell).map(drop)
    }
}

fn login_module(login: &str) -> String {
    let secret = password(login);
    format!(
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{login}\" password=\"{secret}\";"
    )
}

fn client(folder: &Path) -> String {
    format!(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config={}\n\
         ssl.truststore.type=PEM\nssl.truststore.location={}\n",
        login_module(ADMIN),
        folder.join(AUTHORITY).display()
    )
}

fn properties(folder: &Path, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:{controller}
listeners=SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://localhost:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_SSL
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={}
ssl.keystore.type=PEM
ssl.keystore.location=kafka.pem
ssl.truststore.type=PEM
ssl.truststore.location={}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{ADMIN};User:ANONYMOUS
log.dirs=data
auto.create.topics.enable=false
message.max.bytes=17825792
replica.fetch.max.bytes=17825792
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
",
        login_module(ADMIN),
        folder.join(AUTHORITY).display()
    )
}
