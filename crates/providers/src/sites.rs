//! Providers of particular sites.

mod archive;
mod commons;
#[cfg(feature = "html")]
mod html;
mod lenient;
mod media;
mod peertube;
mod podcast;
pub(crate) mod settled;
mod site;
mod stremio;
#[cfg(feature = "yt-dlp")]
mod ytdlp;

pub use archive::InternetArchive;
pub use commons::Commons;
#[cfg(feature = "html")]
pub use html::{HtmlError, HtmlFollow, HtmlPage, HtmlSearch, HtmlSite, HtmlTable};
pub use peertube::{PeerTube, PeerTubeAccess};
pub use podcast::Podcast;
pub use stremio::Stremio;
#[cfg(feature = "yt-dlp")]
pub use ytdlp::{YtDlp, YtDlpNotFound, YtDlpOptions};

use site::{Base, Page, Site};
