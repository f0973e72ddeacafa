//! The way of an author outside of this repository: `plugin new` in an empty folder, its test, its component.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn ingestor(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let ended =
        Command::new(env!("CARGO_BIN_EXE_chain-ingestor")).current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if ended.status.success() { Ok(text(&ended.stdout)) } else { Err(text(&ended.stderr)) }
}

/// Whether a Rust toolchain compiles for plugins' target: under its own name, or as the one linked as `wasm`.
fn toolchain() -> Option<&'static str> {
    let has_target = |toolchain: &str| {
        let mut rustc = Command::new("rustc");
        rustc.env("RUSTUP_TOOLCHAIN", toolchain).args([
            "--print",
            "target-libdir",
            "--target",
            "wasm32-unknown-unknown",
        ]);
        let printed = rustc.output().ok().filter(|output| output.status.success());
        printed.is_some_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
    };
    ["stable", "wasm"].into_iter().find(|toolchain| has_target(toolchain))
}

#[test]
fn a_new_crate_in_an_empty_folder_builds_and_passes_its_own_test() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = root().join("plugins/sdk");
    let made = ingestor(folder.path(), &["plugin", "new", "my-chain", "--sdk", sdk.to_str().unwrap()]).unwrap();
    assert!(made.contains("cd ./my-chain"), "{made}");
    let crate_folder = folder.path().join("my-chain");
    // The versions that this workspace has are there already: no network is needed.
    std::fs::copy(root().join("Cargo.lock"), crate_folder.join("Cargo.lock")).unwrap();
    let target = root().join("target/outside");
    let tested = Command::new("cargo")
        .current_dir(&crate_folder)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_NET_OFFLINE", "true")
        .args(["test", "--quiet"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stderr);
    assert!(tested.status.success(), "{}{said}", String::from_utf8_lossy(&tested.stdout));
    assert!(!said.contains("warning"), "{said}");

    let Some(toolchain) = toolchain() else {
        println!("skipped: no Rust toolchain here compiles for wasm32-unknown-unknown");
        return;
    };
    let built = Command::new(env!("CARGO_BIN_EXE_chain-ingestor"))
        .current_dir(&crate_folder)
        .env("RUSTUP_TOOLCHAIN", toolchain)
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", &target)
        .args(["plugin", "build"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let component = "target/plugins/my-chain-0.1.0.wasm";
    let checked = ingestor(&crate_folder, &["plugin", "check", component, "--cassettes", "cassettes"]).unwrap();
    assert!(checked.contains("admitted: my-chain 0.1.0"), "{checked}");
    let replayed =
        ingestor(&crate_folder, &["plugin", "test", "--plugin", component, "cassettes", "--trace", "upstream"]);
    assert!(replayed.unwrap().contains("lines as expected"));
    // Neither the folder of this crate nor that of cargo is in it.
    let bytes = std::fs::read(crate_folder.join(component)).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds(crate_folder.to_str().unwrap()) && !holds("registry/src"), "it names folders of this machine");
}
