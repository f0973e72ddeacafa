//! Where variables come from: `.env`, then `.env.<APP_ENV>`, then the process environment; the later one wins.

use crate::dotenv::Dotenv;
use crate::problems::{Problems, Strings};
use crate::variables;
use config::{Config, Environment, File, FileSourceFile, Source};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The layered variables of this process. An empty value counts as not set.
#[derive(Clone, Debug)]
pub struct Layers {
    merged: Config,
    directory: PathBuf,
}

impl Layers {
    /// Reads the files in `ENV_DIR` (default `env`) and the process environment; a file that `APP_ENV` asks for and
    /// that is not there, or one that is malformed, is a problem; a variable that nobody knows is warned about.
    pub fn load(problems: &mut Problems) -> Self {
        // Variables that are not Unicode are none of this project's.
        let process = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect::<HashMap<_, _>>();
        let directory = process.get("ENV_DIR").filter(|set| !set.is_empty()).map_or("env", String::as_str).into();
        let layers = Self::from_directory(directory, process, problems);
        for sentence in variables::unknown(&layers) {
            problems.warn(sentence);
        }
        layers
    }

    /// Layers the files of a directory, and the given process environment over them.
    pub fn from_directory(directory: PathBuf, process: HashMap<String, String>, problems: &mut Problems) -> Self {
        let process = Environment::default().ignore_empty(true).source(Some(process.into_iter().collect()));
        if !directory.is_dir() {
            problems.note_no_files(no_files(&directory));
        }
        let base = file(&directory.join(".env"), problems);
        let chosen = merged(&[base.as_ref()], &process, problems).get_string("app_env").unwrap_or_default();
        let special = match chosen.as_str() {
            "" => None,
            name if !is_name(name) => {
                problems.add("APP_ENV", "must be made of lower-case letters, digits, `-` and `_`");
                None
            }
            name => {
                let path = directory.join(format!(".env.{name}"));
                if !path.is_file() {
                    problems.add("APP_ENV", format!("is `{name}`, but there is no file {}", path.display()));
                }
                file(&path, problems)
            }
        };
        let merged = merged(&[base.as_ref(), special.as_ref()], &process, problems);
        Self { merged, directory }
    }

    /// The directory of the env files: `ENV_DIR`, else `env`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Strings for Layers {
    fn get(&self, key: &str) -> Option<String> {
        self.merged.get_string(&key.to_lowercase()).ok().filter(|value| !value.is_empty())
    }

    fn names(&self) -> Vec<String> {
        let names = self.merged.collect().unwrap_or_default().into_keys().map(|name| name.to_uppercase());
        names.filter(|name| self.get(name).is_some()).collect()
    }
}

/// Says where env files were looked for in vain.
fn no_files(directory: &Path) -> String {
    let whole = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    format!(
        "no file of variables was read: there is no folder {}; start in the folder that holds `env`, set ENV_DIR, or \
         begin with `chaintape new NAME`",
        whole.display()
    )
}

type EnvFile = File<FileSourceFile, Dotenv>;

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// The env file, if it exists and is well-formed.
fn file(path: &Path, problems: &mut Problems) -> Option<EnvFile> {
    if !path.is_file() {
        return None;
    }
    let file = File::new(&path.to_string_lossy(), Dotenv);
    match file.collect() {
        Ok(_) => Some(file),
        Err(error) => {
            problems.add(&path.display().to_string(), format!("is no env file: {error}"));
            None
        }
    }
}

fn merged(files: &[Option<&EnvFile>], process: &Environment, problems: &mut Problems) -> Config {
    let mut builder = Config::builder();
    for file in files.iter().copied().flatten() {
        builder = builder.add_source(file.clone());
    }
    builder.add_source(process.clone()).build().unwrap_or_else(|error| {
        problems.add("the environment", format!("cannot be layered: {error}"));
        Config::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(files: &[(&str, &str)], process: &[(&str, &str)]) -> (Layers, Problems) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let process = process.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut problems = Problems::default();
        let layers = Layers::from_directory(directory.path().to_owned(), process, &mut problems);
        (layers, problems)
    }

    #[test]
    fn later_layers_win() {
        let files = [(".env", "APP_ENV=dev\nA=base\nB=base\nC=base\nD=base"), (".env.dev", "B=dev\nC=dev\nD=")];
        let (layers, problems) = layers(&files, &[("C", "process"), ("A", "")]);
        assert!(problems.finish().is_ok());
        let got = ["A", "B", "C", "D", "E"].map(|key| layers.get(key));
        assert_eq!(got.each_ref().map(Option::as_deref), [Some("base"), Some("dev"), Some("process"), None, None]);
        let mut names = layers.names();
        names.sort();
        assert_eq!(names, ["A", "APP_ENV", "B", "C"], "what is set, by its name, and not what is empty");
    }

    #[test]
    fn the_process_chooses_the_environment() {
        let files = [(".env", "APP_ENV=dev"), (".env.dev", "A=dev"), (".env.prod", "A=prod")];
        let (layers, problems) = layers(&files, &[("APP_ENV", "prod")]);
        assert!(problems.finish().is_ok());
        assert_eq!(layers.get("A").as_deref(), Some("prod"));
    }

    #[test]
    fn no_files_at_all_are_fine() {
        let (layers, problems) = layers(&[], &[("A", "1")]);
        assert!(problems.finish().is_ok());
        assert_eq!(layers.get("A").as_deref(), Some("1"));
    }

    #[test]
    fn where_the_folder_is_missing_a_missing_variable_comes_with_where_it_was_looked_for() {
        let mut problems = Problems::default();
        let layers = Layers::from_directory("no-such-folder".into(), HashMap::new(), &mut problems);
        assert!(problems.finish().is_ok(), "a process may have all its variables from its environment");
        problems.required(&layers, "A");
        let found = problems.finish().unwrap_err().0;
        let looked_in = std::env::current_dir().unwrap().join("no-such-folder");
        assert_eq!(found[0], "A is not set");
        assert!(found[1].contains(&format!("there is no folder {}", looked_in.display())), "{found:?}");
    }

    #[test]
    fn every_wrong_file_is_a_problem() {
        let (_, problems) = layers(&[(".env", "A\n")], &[("APP_ENV", "moon")]);
        let error = problems.finish().unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
        assert!(error.0[0].contains("line 1"), "{error}");
        assert!(error.0[1].contains("APP_ENV is `moon`, but there is no file"), "{error}");
        let (_, problems) = layers(&[], &[("APP_ENV", "../etc")]);
        assert_eq!(problems.finish().unwrap_err().0.len(), 1);
    }
}
