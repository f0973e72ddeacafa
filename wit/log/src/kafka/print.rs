//! What must exist on a cluster before a process runs, as commands of Kafka's tools and for Terraform.

use super::safety::settings_to_set;
use crate::Topic;
use crate::access::Access;
use crate::settings::KafkaSettings;
use crate::topics_command::TopicsFormat;
use tape::Unavailable;

/// What must exist for a process, one line each.
#[expect(clippy::unnecessary_wraps, reason = "a binary without Kafka's client refuses it here")]
pub(crate) fn print_topics(
    settings: &KafkaSettings,
    access: &Access,
    principal: &str,
    format: TopicsFormat,
) -> Result<Vec<String>, Unavailable> {
    let rights = || rights(settings, access);
    Ok(match format {
        TopicsFormat::Shell => {
            let topics = access.owns.iter().map(|topic| shell_topic(settings, topic));
            [comment()].into_iter().chain(topics).collect()
        }
        TopicsFormat::Acls => {
            let rights = rights().into_iter().map(|right| right.shell(settings, principal));
            [comment()].into_iter().chain(rights).collect()
        }
        TopicsFormat::Terraform => {
            let topics = access.owns.iter().flat_map(|topic| terraform_topic(settings, topic));
            topics.chain(rights().iter().flat_map(|right| right.terraform(access.process, principal))).collect()
        }
    })
}

fn comment() -> String {
    "# Where the cluster wants a login: ADMIN='--command-config admin.properties'".to_owned()
}

fn name_of(settings: &KafkaSettings, topic: &Topic) -> String {
    format!("{}{}", settings.prefix, topic.name)
}

fn shell_topic(settings: &KafkaSettings, topic: &Topic) -> String {
    let configs: Vec<String> = settings_to_set(topic, settings)
        .iter()
        .map(|setting| format!(" --config {}={}", setting.key, setting.value))
        .collect();
    format!(
        "kafka-topics.sh --bootstrap-server {} $ADMIN --create --if-not-exists --topic {} --partitions {} \
         --replication-factor {}{}",
        settings.brokers,
        name_of(settings, topic),
        topic.partitions,
        settings.replication,
        configs.concat()
    )
}

fn terraform_topic(settings: &KafkaSettings, topic: &Topic) -> Vec<String> {
    let name = name_of(settings, topic);
    let mut lines = vec![
        format!("resource \"kafka_topic\" \"{}\" {{", identifier(&name)),
        format!("  name               = \"{name}\""),
        format!("  partitions         = {}", topic.partitions),
        format!("  replication_factor = {}", settings.replication),
        "  config = {".to_owned(),
    ];
    let configs = settings_to_set(topic, settings);
    lines.extend(configs.iter().map(|setting| format!("    \"{}\" = \"{}\"", setting.key, setting.value)));
    lines.extend(["  }".to_owned(), "}".to_owned()]);
    lines
}

/// The same rights on some resources of one kind.
struct Right {
    kind: ResourceKind,
    names: Vec<String>,
    /// Whether the names only begin those of the resources.
    is_prefix: bool,
    operations: Vec<&'static str>,
}

#[derive(Clone, Copy)]
enum ResourceKind {
    Topic,
    Group,
    TransactionalId,
}

/// What a process may do, and nothing else.
fn rights(settings: &KafkaSettings, access: &Access) -> Vec<Right> {
    let own: &[&str] = &["Read", "Write", "Describe", "DescribeConfigs"];
    let create: &[&str] = if settings.topics.create { &["Create"] } else { &[] };
    let right = |kind, names, is_prefix, operations| Right { kind, names, is_prefix, operations };
    let named = |topics: &[Topic]| topics.iter().map(|topic| name_of(settings, topic)).collect::<Vec<_>>();
    let id = |name: &str| format!("{}.{}{name}", settings.environment, settings.prefix);
    let groups = access.group_names().iter().map(|name| id(name)).collect();
    let writers = access.writers.iter().map(|name| id(name)).collect();
    let all = [
        right(ResourceKind::Topic, named(access.owns), false, [own, create].concat()),
        right(ResourceKind::Topic, named(access.reads), false, vec!["Read", "Describe"]),
        right(ResourceKind::Group, groups, false, vec!["Read", "Describe"]),
        right(ResourceKind::TransactionalId, writers, true, vec!["Write", "Describe"]),
    ];
    all.into_iter().filter(|right| !right.names.is_empty()).collect()
}

impl Right {
    fn shell(&self, settings: &KafkaSettings, principal: &str) -> String {
        let flag = match self.kind {
            ResourceKind::Topic => "--topic",
            ResourceKind::Group => "--group",
            ResourceKind::TransactionalId => "--transactional-id",
        };
        let operations: Vec<String> =
            self.operations.iter().map(|operation| format!(" --operation {operation}")).collect();
        let names: Vec<String> = self.names.iter().map(|name| format!(" {flag} {name}")).collect();
        let pattern = if self.is_prefix { " --resource-pattern-type prefixed" } else { "" };
        format!(
            "kafka-acls.sh --bootstrap-server {} $ADMIN --add --allow-principal '{principal}'{}{}{pattern}",
            settings.brokers,
            operations.concat(),
            names.concat()
        )
    }

    fn terraform(&self, process: &str, principal: &str) -> Vec<String> {
        let kind = match self.kind {
            ResourceKind::Topic => "Topic",
            ResourceKind::Group => "Group",
            ResourceKind::TransactionalId => "TransactionalID",
        };
        let pattern = if self.is_prefix { "Prefixed" } else { "Literal" };
        let acl = |(name, operation): (&String, &&str)| {
            let label = identifier(&format!("{process} {operation} {kind} {name}"));
            [
                format!("resource \"kafka_acl\" \"{label}\" {{"),
                format!("  resource_name                = \"{name}\""),
                format!("  resource_type                = \"{kind}\""),
                format!("  resource_pattern_type_filter = \"{pattern}\""),
                format!("  acl_principal                = \"{principal}\""),
                "  acl_host                     = \"*\"".to_owned(),
                format!("  acl_operation                = \"{operation}\""),
                "  acl_permission_type          = \"Allow\"".to_owned(),
                "}".to_owned(),
            ]
        };
        let pairs = self.names.iter().flat_map(|name| self.operations.iter().map(move |it| (name, it)));
        pairs.flat_map(acl).collect()
    }
}

/// A name as Terraform takes it.
fn identifier(name: &str) -> String {
    let letter = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' };
    let name: String = name.chars().map(letter).collect();
    if name.starts_with(|it: char| it.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{API_ACCESS, INGESTOR_ACCESS, METRICS_ACCESS};

    fn print(access: &Access, format: TopicsFormat, change: impl FnOnce(&mut KafkaSettings)) -> String {
        let mut settings = KafkaSettings::plain("b:9092", "p.", "prod");
        change(&mut settings);
        print_topics(&settings, access, "User:me", format).unwrap().join("\n")
    }

    #[test]
    fn topics_are_printed_with_all_that_they_are_held_to() {
        let printed = print(&INGESTOR_ACCESS, TopicsFormat::Shell, |settings| settings.replication = 3);
        assert_eq!(printed.lines().count(), 1 + 5);
        let trades = "kafka-topics.sh --bootstrap-server b:9092 $ADMIN --create --if-not-exists --topic \
                      p.trades.executed.v1 --partitions 64 --replication-factor 3 --config min.insync.replicas=1 \
                      --config unclean.leader.election.enable=false --config max.message.bytes=1048576 --config \
                      cleanup.policy=delete --config retention.ms=-1 --config retention.bytes=-1";
        assert!(printed.contains(trades), "{printed}");
        let printed = print(&INGESTOR_ACCESS, TopicsFormat::Shell, |settings| {
            settings.topics.max_message_bytes = 8 << 20;
            settings.topics.omitted_settings = vec!["segment.bytes".to_owned()];
        });
        assert!(printed.contains("max.message.bytes=8388608") && !printed.contains("16777216"), "{printed}");
        assert!(!printed.contains("segment.bytes") && printed.contains("segment.ms"), "{printed}");
    }

    #[test]
    fn rights_are_those_that_a_process_uses() {
        let printed = print(&METRICS_ACCESS, TopicsFormat::Acls, |settings| settings.topics.create = false);
        let add = "kafka-acls.sh --bootstrap-server b:9092 $ADMIN --add --allow-principal 'User:me'";
        for right in [
            "--operation Read --operation Describe --topic p.trades.executed.v1 --topic p.trades.history.v1",
            "--operation Read --operation Write --operation Describe --operation DescribeConfigs --topic \
             p.metrics.updated.v1",
            "--operation Read --operation Describe --group prod.p.metrics --group prod.p.alone",
        ] {
            assert!(printed.contains(&format!("{add} {right}")), "{right} in {printed}");
        }
        assert!(!printed.contains("Create") && !printed.contains("transactional"), "{printed}");
        let half = Access { range: Some("0-31".parse().unwrap()), ..METRICS_ACCESS };
        let printed = print(&half, TopicsFormat::Acls, |_| ());
        assert!(printed.contains("--group prod.p.metrics-0-31 --group prod.p.alone"), "{printed}");
        let printed = print(&INGESTOR_ACCESS, TopicsFormat::Acls, |_| {});
        assert!(printed.contains("--operation Create --topic p.trades.executed.v1"), "{printed}");
        assert!(printed.contains("--transactional-id prod.p.ingest. --resource-pattern-type prefixed"), "{printed}");
        assert!(!print(&API_ACCESS, TopicsFormat::Acls, |_| {}).contains("Write"), "the api only reads");
    }

    #[test]
    fn terraform_gets_topics_and_rights_under_names_of_their_own() {
        let printed = print(&INGESTOR_ACCESS, TopicsFormat::Terraform, |_| {});
        assert!(printed.contains("resource \"kafka_topic\" \"p_trades_executed_v1\" {"), "{printed}");
        assert!(printed.contains("    \"cleanup.policy\" = \"compact\""), "{printed}");
        let labels: Vec<&str> = printed.lines().filter(|line| line.starts_with("resource ")).collect();
        let distinct: std::collections::BTreeSet<&&str> = labels.iter().collect();
        assert_eq!(labels.len(), distinct.len());
        assert_eq!(printed.matches('{').count(), printed.matches('}').count());
    }
}
