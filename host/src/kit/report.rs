//! `plugin list` and `plugin status`: what is in the folder, and what the running ingestors make of it.

use crate::plugin::{Engine, admit_folder};
use crate::settings::Settings;
use crate::status;
use anyhow::Context;

/// Admits every component in `PLUGINS_DIR` and lists it.
pub async fn list(settings: &Settings) -> anyhow::Result<String> {
    let engine = Engine::new(1)?;
    let folder = &settings.plugins;
    let (plugins, refused) = admit_folder(&engine, &settings.gate, folder)
        .await
        .with_context(|| format!("read PLUGINS_DIR {}", folder.display()))?;
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

/// Reads the status files beside plugins and chain files.
pub fn status(settings: &Settings) -> anyhow::Result<String> {
    let mut lines = vec![];
    for folder in [&settings.plugins, &settings.chains] {
        for file in status::read_statuses(folder).with_context(|| format!("read {}", folder.display()))? {
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
    if lines.is_empty() {
        lines.push("there are no status files: is an ingestor running, and may it write to the folders?".to_owned());
    }
    Ok(lines.join("\n"))
}
