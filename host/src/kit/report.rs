//! `plugin list` and `plugin status`: what is in the folder, and what the running ingestors make of it.

use crate::plugin::{Engine, admit_folder};
use crate::settings::Settings;
use crate::status;
use anyhow::Context;
use serde_json::{Value, json};

/// Admits every component in `PLUGINS_DIR` and lists it.
pub async fn list(settings: &Settings, as_json: bool) -> anyhow::Result<String> {
    let engine = Engine::new(1)?;
    let folder = &settings.plugins;
    let (plugins, refused) = admit_folder(&engine, &settings.gate, folder)
        .await
        .with_context(|| format!("read PLUGINS_DIR {}", folder.display()))?;
    if as_json {
        let admitted = plugins.iter().map(|plugin| {
            json!({
                "file": plugin.path.display().to_string(), "plugin": plugin.detector.plugin,
                "version": plugin.version.to_string(), "wit": plugin.wit.to_string(), "bytes": plugin.size,
                "digest": plugin.detector.digest,
            })
        });
        let refused = refused.iter().map(
            |refusal| json!({ "file": refusal.path.display().to_string(), "refused": refusal.verdict.to_string() }),
        );
        return Ok(serde_json::to_string_pretty(&admitted.chain(refused).collect::<Vec<Value>>())?);
    }
    let mut lines: Vec<String> = plugins
        .iter()
        .map(|plugin| {
            let (id, version, wit, digest) =
                (&plugin.detector.plugin, &plugin.version, &plugin.wit, &plugin.detector.digest);
            let file = plugin.path.file_name().unwrap_or_default().to_string_lossy();
            format!("{id:<12} {version:<12} wit {wit:<8} {:>6} kB  {digest}  {file}", plugin.size / 1_000)
        })
        .collect();
    lines.extend(refused.iter().map(|refusal| format!("REFUSED {refusal}")));
    Ok(lines.join("\n"))
}

/// Reads the status files beside plugins and chain files; where no ingestor runs, says that they are of the last one.
pub fn status(settings: &Settings, is_running: bool, as_json: bool) -> anyhow::Result<String> {
    let (mut lines, mut values) = (vec![], vec![]);
    for folder in [&settings.plugins, &settings.chains] {
        for file in status::read_statuses(folder).with_context(|| format!("read {}", folder.display()))? {
            values.push(serde_json::to_value(&file)?);
            let version = [file.plugin, file.version].into_iter().flatten().collect::<Vec<_>>().join(" ");
            lines.push(format!("{:<28} {:<10} {:<9} {version}", file.file, file.instance, file.verdict));
            let stage = file.stage.map(|stage| format!("{stage}: ")).unwrap_or_default();
            lines.extend(file.reason.map(|reason| format!("  {stage}{reason}")));
            lines.extend(file.fix.map(|fix| format!("  {fix}")));
            for one in file.chains {
                let generation = one.generation.map(|number| format!(" since generation {number}")).unwrap_or_default();
                let reason = one.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                lines.push(format!("  {} {}{generation}{reason}", one.chain, one.state));
            }
        }
    }
    if as_json {
        return Ok(serde_json::to_string_pretty(&values)?);
    }
    if lines.is_empty() {
        lines.push("there are no status files: is an ingestor running, and may it write to the folders?".to_owned());
    } else if !is_running {
        lines.insert(0, "no process runs on this log; what the last one made of these files:".to_owned());
    }
    Ok(lines.join("\n"))
}
