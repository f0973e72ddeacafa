//! The command `topics` of a process: compares its topics with what they should be, creates what is missing, or prints what
//! must exist, for whoever may create it.

use crate::access::Access;
use crate::settings::{KafkaSettings, TopicRules};
use crate::topics::{Policy, Topic};
use crate::{Log, Target, kafka};
use serde_json::json;
use tape::Unavailable;

/// Compare the topics of this process with what they should be, create them, or print what must exist.
#[derive(Clone, Debug, clap::Args)]
pub struct TopicsCommand {
    /// Print what must exist instead: commands of Kafka's own tools that create the topics or grant the rights, or both
    /// for Terraform.
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "shell", conflicts_with = "create")]
    print: Option<TopicsFormat>,
    /// Create what is missing, whatever KAFKA_CREATE_TOPICS says.
    #[arg(long)]
    create: bool,
    /// As JSON, one object for each topic that is as it should be; an embedded log has none.
    #[arg(long, conflicts_with = "print")]
    json: bool,
    /// Whom rights are granted to. Default: `User:` and the name of the process.
    #[arg(long)]
    principal: Option<String>,
}

/// A way to say what must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TopicsFormat {
    /// Commands of `kafka-topics.sh`.
    Shell,
    /// Resources of Terraform's provider `Mongey/kafka`: topics and rights.
    Terraform,
    /// Commands of `kafka-acls.sh`.
    Acls,
}

impl TopicsCommand {
    /// Carries it out for one process; what it says, one line each.
    pub async fn execute(&self, target: &Target, access: &Access) -> Result<Vec<String>, Unavailable> {
        let Target::Kafka(settings) = target else {
            if self.json {
                return Ok(vec![]);
            }
            return Ok(vec!["the log is embedded: there are no topics to create and no rights to grant".to_owned()]);
        };
        if let Some(format) = self.print {
            let principal = self.principal.clone().unwrap_or_else(|| format!("User:{}", access.process));
            return kafka::print_topics(settings, access, &principal, format);
        }
        if access.owns.is_empty() {
            if self.json {
                return Ok(vec![]);
            }
            return Ok(vec![format!("{} owns no topics; `topics --print acls` says what it reads", access.process)]);
        }
        let prefix = settings.prefix.clone();
        let topics = TopicRules { create: self.create, ..settings.topics.clone() };
        let settings = KafkaSettings { topics, ..(**settings).clone() };
        Log::open(&Target::Kafka(settings.into())).await?.own(access.owns).await?;
        if self.json {
            return Ok(access.owns.iter().map(|topic| as_json(access.process, topic, &prefix)).collect());
        }
        let count = access.owns.len();
        Ok(vec![format!("the {count} topics of {} are as they should be", access.process)])
    }
}

/// One topic as a line of JSON.
fn as_json(process: &str, topic: &Topic, prefix: &str) -> String {
    let days = match topic.policy {
        Policy::Days(days) => Some(days),
        Policy::Keep | Policy::Compact => None,
    };
    let line = json!({
        "process": process, "topic": format!("{prefix}{}", topic.name), "partitions": topic.partitions,
        "maxBytes": topic.max_bytes, "isCompacted": topic.policy == Policy::Compact, "keptDays": days,
    });
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics;
    use serde_json::Value;

    #[test]
    fn a_script_reads_each_topic_as_one_line() {
        let read = |topic| serde_json::from_str::<Value>(&as_json("metrics", topic, "staging.")).unwrap();
        let expected = json!({
            "process": "metrics", "topic": "staging.metrics.updated.v1", "partitions": 64, "maxBytes": 1_048_576,
            "isCompacted": false, "keptDays": 7,
        });
        assert_eq!(read(&topics::METRICS_UPDATED), expected);
        let journal = read(&topics::JOURNAL);
        assert_eq!((&journal["isCompacted"], &journal["keptDays"]), (&json!(true), &Value::Null));
    }
}
