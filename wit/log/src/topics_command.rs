//! The command `topics` of a process: compares its topics with what they should be, creates what is missing, or prints what
//! must exist, for whoever may create it.

use crate::access::Access;
use crate::settings::{KafkaSettings, TopicRules};
use crate::{Log, Target, kafka};
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
            return Ok(vec!["the log is embedded: there are no topics to create and no rights to grant".to_owned()]);
        };
        if let Some(format) = self.print {
            let principal = self.principal.clone().unwrap_or_else(|| format!("User:{}", access.process));
            return kafka::print_topics(settings, access, &principal, format);
        }
        if access.owns.is_empty() {
            return Ok(vec![format!("{} owns no topics; `topics --print acls` says what it reads", access.process)]);
        }
        let topics = TopicRules { create: self.create, ..settings.topics.clone() };
        let settings = KafkaSettings { topics, ..(**settings).clone() };
        Log::open(&Target::Kafka(settings.into())).await?.own(access.owns).await?;
        let count = access.owns.len();
        Ok(vec![format!("the {count} topics of {} are as they should be", access.process)])
    }
}
