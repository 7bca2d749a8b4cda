//! The files that `init` leaves. Invariant: nothing that is there is overwritten unless told to, and
//! what holds a secret is readable for its owner alone from its first byte.

use super::super::schema;
use super::super::shipped::FLOWS;
use anyhow::{Context, bail};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where everything goes.
pub struct Places {
    pub config: PathBuf,
    pub mappings: PathBuf,
    pub database: PathBuf,
    pub secrets: PathBuf,
    /// Is the config found without `--config`?
    pub is_default: bool,
}

impl Places {
    /// `DIR/config/leadlink.toml`, `DIR/mappings`, `DIR/data`; with a folder given the paths are
    /// absolute, so that the daemon may be started anywhere.
    ///
    /// # Errors
    /// The folder's path cannot be made absolute.
    pub fn of(dir: Option<&Path>, config: Option<&Path>) -> anyhow::Result<Self> {
        let base = match dir {
            Some(dir) => std::path::absolute(dir).context("the folder has no path")?,
            None => PathBuf::new(),
        };
        let own = base.join(crate::config::DEFAULT_FILE);
        let config = config.map_or(own, Path::to_path_buf);
        let folder = config.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self {
            is_default: config == Path::new(crate::config::DEFAULT_FILE),
            mappings: base.join("mappings"),
            database: base.join("data").join("leadlink.db"),
            secrets: folder.join("secrets"),
            config,
        })
    }

    /// # Errors
    /// There is a config already, and nobody said that it may go.
    pub fn free(&self, force: bool) -> anyhow::Result<()> {
        if force || !self.config.exists() {
            return Ok(());
        }
        bail!(
            "{} is there already; add --force to replace it, or write elsewhere: --dir DIR",
            self.config.display()
        )
    }
}

/// Writes a file that only its owner may read; whole or not at all.
///
/// # Errors
/// It is there already (without `force`), or cannot be written.
pub fn private(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let place = || format!("{} cannot be written", path.display());
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).with_context(place)?;
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(place)?;
    let mode = std::fs::Permissions::from_mode(0o600);
    file.as_file().set_permissions(mode).with_context(place)?;
    file.write_all(text.as_bytes()).with_context(place)?;
    file.as_file().sync_all().with_context(place)?;
    if force {
        file.persist(path).with_context(place)?;
    } else {
        file.persist_noclobber(path).with_context(place)?;
    }
    Ok(())
}

/// Writes a secret into the folder of secrets; what the config says of it.
///
/// # Errors
/// As of [`private`].
pub fn secret(places: &Places, name: &str, secret: &str, force: bool) -> anyhow::Result<String> {
    let folder = &places.secrets;
    let place = || format!("{} cannot be made", folder.display());
    std::fs::create_dir_all(folder_of(folder)).with_context(place)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(place)?;
    let path = folder.join(name);
    private(&path, &format!("{secret}\n"), force)?;
    Ok(format!("file:{}", path.display()))
}

/// The schemas beside the config, and the shipped flows where there are none of that name. How many
/// files of the flows were written.
///
/// # Errors
/// A file cannot be written.
pub fn flows(places: &Places) -> anyhow::Result<usize> {
    let schemas = schema::place(&places.config).context("the schemas cannot be written")?;
    let reference = schema::reference(&places.mappings, &schemas, schema::Files::Flow);
    let mut written = 0;
    for (name, text) in FLOWS {
        let path = places.mappings.join(name);
        if path.exists() {
            continue;
        }
        let place = || format!("{} cannot be written", path.display());
        std::fs::create_dir_all(folder_of(&path)).with_context(place)?;
        let is_flow = !name.contains('/');
        let text = if is_flow { schema::referring(text, &reference) } else { (*text).to_owned() };
        std::fs::write(&path, text).with_context(place)?;
        written += 1;
    }
    Ok(written)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
