//! The machine: a Rust toolchain that compiles to WebAssembly.
//!
//! Ordinarily `rustup target add` is all. Where rustup cannot download, Debian's `rustc-web` brings the matching
//! library source: the library is compiled once and used through a toolchain linked under the name `wasm`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use plugin_build::TARGET;

use crate::process::{apt_install, has, is_root, note, output, program, run};

/// The second target that cargo-component insists on, whatever it builds.
const WASI: &str = "wasm32-wasip1";

/// Which toolchain compiles plugins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Toolchain {
    /// The one in use, with the target added.
    Ours,
    /// The one linked under the name `wasm`.
    Linked,
}

impl Toolchain {
    /// What rustup calls it, where it is not the one in use.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Ours => None,
            Self::Linked => Some("wasm"),
        }
    }

    fn rustc(self) -> Command {
        match self {
            Self::Ours => program("rustc", &[]),
            Self::Linked => program("rustc", &["+wasm"]),
        }
    }

    /// Whether it compiles and links for the target, tried for real.
    fn compiles(self) -> bool {
        let Ok(dir) = tempfile::tempdir() else { return false };
        let mut command = self.rustc();
        command.args(["--target", TARGET, "--edition", "2024", "--crate-type", "cdylib", "-o"]);
        command.arg(dir.path().join("probe.wasm")).arg("-");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = child else { return false };
        if let Some(mut source) = child.stdin.take() {
            let _ = source.write_all(b"#[unsafe(no_mangle)] pub extern \"C\" fn f() -> usize { vec![1u8; 9].len() }");
        }
        child.wait().is_ok_and(|status| status.success())
    }
}

/// The toolchain that compiles plugins, if there is one.
pub(crate) fn installed() -> Option<Toolchain> {
    [Toolchain::Ours, Toolchain::Linked].into_iter().find(|toolchain| toolchain.compiles())
}

/// Makes sure that plugins can be compiled, and says with what.
pub(crate) fn wasm() -> anyhow::Result<Toolchain> {
    if let Some(toolchain) = installed() {
        return Ok(toolchain);
    }
    ensure!(has("rustup"), "compiling plugins needs the Rust target {TARGET}, and there is no rustup to add it");
    note(&format!("adding the Rust target {TARGET}"));
    match output(&mut program("rustup", &["target", "add", TARGET, WASI])) {
        Ok(_) if Toolchain::Ours.compiles() => return Ok(Toolchain::Ours),
        Ok(_) => note("the target was added but does not compile"),
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().next().unwrap_or_default();
            note(&format!("that did not work ({why}); building its library from Debian's sources instead"));
        }
    }
    if !(has("apt-get") && is_root()) {
        bail!(
            "compiling plugins needs the Rust target {TARGET}: let `rustup target add {TARGET}` work, \
             or run this as root on Debian, where it can be built from the package rust-web-src"
        );
    }
    link_debians()?;
    ensure!(Toolchain::Linked.compiles(), "the toolchain `wasm` was built but does not compile for {TARGET}");
    Ok(Toolchain::Linked)
}

/// Compiles the library of both targets from Debian's sources and links the result as the toolchain `wasm`.
fn link_debians() -> anyhow::Result<()> {
    apt_install(&["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"], "compiling plugins")?;
    let rustlib = Path::new("/usr/lib/rustlib");
    borrow_linker(rustlib)?;
    let dir = tempfile::tempdir()?;
    let project = || {
        let mut command = Command::new("/usr/bin/cargo");
        command.current_dir(dir.path()).env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
        // What `cargo run` tells us about ourselves must not reach this other cargo.
        for name in ["RUSTUP_TOOLCHAIN", "CARGO", "LD_LIBRARY_PATH", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"] {
            command.env_remove(name);
        }
        command
    };
    run(project().args(["init", "--quiet", "--vcs", "none", "--lib", "--name", "stdbuild", "."]))?;
    for target in [TARGET, WASI] {
        note(&format!("building the standard library for {target}"));
        let build = ["build", "--quiet", "--release", "-Zbuild-std=std,panic_abort", "--target", target];
        // Without bitcode in the library no plugin could be optimized across crates.
        run(project().args(build).env("RUSTFLAGS", "-Cembed-bitcode=yes"))?;
        let built = dir.path().join("target").join(target).join("release/deps");
        replace_libraries(&built, &rustlib.join(target).join("lib"))?;
    }
    for file in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
        let to = rustlib.join(WASI).join("lib/self-contained").join(file);
        std::fs::copy(Path::new("/usr/lib/wasm32-wasi").join(file), to).context(file)?;
    }
    run(&mut program("rustup", &["toolchain", "link", "wasm", "/usr"]))
}

/// Debian's compiler comes without the linker; the one rustup installed serves both.
fn borrow_linker(rustlib: &Path) -> anyhow::Result<()> {
    let ours = output(&mut program("rustc", &["--print", "sysroot"]))?;
    let host = Path::new("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
    let linker = Path::new(&ours).join(host);
    ensure!(linker.is_file(), "there is no linker at {}", linker.display());
    let bin = rustlib.join("x86_64-unknown-linux-gnu/bin");
    std::fs::create_dir_all(&bin)?;
    let link = bin.join("rust-lld");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(linker, link).context("failed to link rust-lld")
}

/// Puts one generation of libraries in place; two side by side would break every later build.
fn replace_libraries(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to.join("self-contained"))?;
    let is_library = |path: &Path| path.extension().is_some_and(|extension| extension == "rlib");
    for entry in std::fs::read_dir(to)? {
        let path = entry?.path();
        if is_library(&path) {
            std::fs::remove_file(path)?;
        }
    }
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if is_library(&path) && !name.to_string_lossy().starts_with("libstdbuild") {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
