//! Providers of particular sites.

mod archive;
mod commons;
mod lenient;
mod media;
mod peertube;
mod podcast;
mod site;
mod stremio;

pub use archive::InternetArchive;
pub use commons::Commons;
pub use peertube::{PeerTube, PeerTubeAccess};
pub use podcast::Podcast;
pub use stremio::Stremio;

use site::{Base, Page, Site};
