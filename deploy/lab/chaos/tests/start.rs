//! The binary says what it needs before it touches anything. (An integration test also makes `cargo test` build the binary,
//! which `cargo xtask chaos` runs.)

use std::process::Command;

#[test]
fn without_servers_it_names_the_variable_that_is_missing() {
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["--verdict", "none.json", "--binaries", ".", "--", "true"])
        .env_remove("KAFKA_BROKERS")
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains("KAFKA_BROKERS is not set"), "{message}");
}
