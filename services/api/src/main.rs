//! The api as a process of its own: variables, log, serve, drain.

use environment::{Layers, Problems, Shutdown, exit_with};
use std::process::ExitCode;
use tape_log::Log;

#[tokio::main]
async fn main() -> ExitCode {
    let mut problems = Problems::default();
    let layers = Layers::load(&mut problems);
    let settings = api::Settings::read(&layers, &mut problems);
    let target = tape_log::settings::target(&layers, &mut problems);
    if let Err(error) = problems.finish() {
        return exit_with(error);
    }
    if std::env::args().nth(1).as_deref() == Some("check-config") {
        for resolved in problems.resolved() {
            println!("{resolved}");
        }
        return ExitCode::SUCCESS;
    }
    let _telemetry = environment::telemetry::start("api");
    environment::install_crypto();
    let shutdown = Shutdown::on_signals();
    let served = async {
        let log = Log::open(&target).await?;
        api::run(settings, log, shutdown).await
    };
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit_with(error),
    }
}
