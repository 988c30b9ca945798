//! The file by which commands find the server that uses a cache directory.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// Its name in the cache directory.
const NAME: &str = "server.json";
/// The longest file that is read, in bytes.
const LONGEST: u64 = 4096;

/// What a running server says about itself, to who may read its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    address: SocketAddr,
    process: u32,
    /// Allows everything as long as this server runs.
    key: String,
}

/// A server that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) address: SocketAddr,
    pub(crate) process: u32,
    pub(crate) key: Secret,
}

/// The file of this process, removed when dropped.
#[derive(Debug)]
pub(crate) struct Beacon {
    path: PathBuf,
}

impl Beacon {
    /// Writes it, readable by this user only.
    pub(crate) fn light(dir: &Path, address: SocketAddr, key: &Secret) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let told = Told { address: reachable(address), process: std::process::id(), key: key.expose().to_owned() };
        let draft = dir.join(format!("{NAME}.{}", told.process));
        // What an earlier process of this number left.
        let _ = fs::remove_file(&draft);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(format!("{}\n", serde_json::to_string(&told)?).as_bytes())?;
        let path = dir.join(NAME);
        fs::rename(&draft, &path)?;
        Ok(Self { path })
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        // One that is gone, or of a server that started since, is not ours to remove.
        let dir = self.path.parent().unwrap_or(&self.path);
        if find(dir).is_some_and(|found| found.process == std::process::id()) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The server whose file is in `dir`, which may have ended since.
pub(crate) fn find(dir: &Path) -> Option<Found> {
    let mut text = String::new();
    fs::File::open(dir.join(NAME)).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    let told: Told = serde_json::from_str(&text).ok()?;
    Some(Found { address: told.address, process: told.process, key: Secret::new(&told.key).ok()? })
}

/// A key of 256 bits from the operating system.
pub(crate) fn fresh_key() -> io::Result<Secret> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Secret::new(blake3::Hash::from_bytes(bytes).to_hex().as_str()).map_err(io::Error::other)
}

/// Where this machine reaches what listens on all its addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
