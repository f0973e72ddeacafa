//! `${VAR}` in a chain file: looked up at each load, and remembered so that it can be removed from texts that leave the
//! process.

use environment::{Secret, Strings};
use std::path::Path;

/// Where `${VAR}` is looked up: the environment, then a file of that name in the folder of secrets.
pub struct Variables<'a, S> {
    /// The environment.
    pub strings: &'a S,
    /// The folder of secrets.
    pub secrets: Option<&'a Path>,
}

impl<S: Strings> Variables<'_, S> {
    fn get(&self, name: &str) -> Option<String> {
        let file = || {
            let text = std::fs::read_to_string(self.secrets?.join(name)).ok()?;
            Some(text.trim_end().to_owned())
        };
        self.strings.get(name).or_else(|| file().filter(|value| !value.is_empty()))
    }
}

/// What is wrong with the texts of a file, and what was filled into them.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) problems: Vec<String>,
    pub(super) secrets: Vec<Secret>,
}

/// Fills `${VAR}` in every text below a value.
pub(super) fn fill(place: &str, value: &mut toml::Value, variables: &Variables<'_, impl Strings>, found: &mut Filled) {
    match value {
        toml::Value::String(text) => match filled(text, variables, &mut found.secrets) {
            Ok(done) => *text = done,
            Err(problem) => found.problems.push(format!("{place}: {problem}")),
        },
        toml::Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                fill(&format!("{place}[{at}]"), item, variables, found);
            }
        }
        toml::Value::Table(table) => {
            for (key, item) in table.iter_mut() {
                fill(&format!("{place}.{key}"), item, variables, found);
            }
        }
        _ => {}
    }
}

fn filled(text: &str, variables: &Variables<'_, impl Strings>, secrets: &mut Vec<Secret>) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("`${` without `}`")?;
        let value = variables.get(name);
        let value = value.ok_or_else(|| format!("variable {name} is neither set nor a file in SECRETS_DIR"))?;
        done.push_str(before);
        done.push_str(&value);
        secrets.push(Secret::new(value));
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}
