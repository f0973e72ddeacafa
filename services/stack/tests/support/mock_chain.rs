//! A folder with a mock chain, as tests of the binary begin with.

use std::path::Path;

/// Lays it out: a plugin and a chain file.
pub(crate) fn lay_out(folder: &Path) {
    for name in ["plugins", "chains"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    let mock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/tests/fixtures/wit-1.1.0-mock-0.1.0.wasm");
    std::fs::copy(mock, folder.join("plugins/mock-0.1.0.wasm")).unwrap();
    std::fs::write(folder.join("chains/mock.toml"), "id = \"mock\"\nplugin = \"mock\"\nstart = \"latest\"\n").unwrap();
}
