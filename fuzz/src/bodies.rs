//! The bodies, a file each.

mod bencode;
mod blob_header;
mod conditional_headers;
mod env_config;
mod envelope_decode;
mod glob_clear;
mod index_record;
mod key_encode;
mod magnet_uri;
mod provider_html;
mod provider_json;
mod range_header;
mod redis_reply;
mod volume_record;

use crate::Target;

/// Declares the targets: for each its name, and what is read.
macro_rules! targets {
    ($($(#[doc = $doc:literal])* $constant:ident = $module:ident;)*) => {
        $($(#[doc = $doc])* pub static $constant: Target = Target::new(stringify!($module), $module::body);)*

        /// All of them, by name.
        pub static ALL: &[&Target] = &[$(&$constant),*];
    };
}

targets! {
    /// A torrent file.
    BENCODE = bencode;
    /// The manifest of a blob, as a shared tier may have it.
    BLOB_HEADER = blob_header;
    /// `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range`.
    CONDITIONAL_HEADERS = conditional_headers;
    /// A configuration file and variables.
    ENV_CONFIG = env_config;
    /// The envelope of an entry.
    ENVELOPE_DECODE = envelope_decode;
    /// The pattern of what is cleared.
    GLOB_CLEAR = glob_clear;
    /// What the index of the file tier says of an entry.
    INDEX_RECORD = index_record;
    /// Parts and parameters of keys.
    KEY_ENCODE = key_encode;
    /// A magnet link.
    MAGNET_URI = magnet_uri;
    /// A page of a site that is described by selectors.
    PROVIDER_HTML = provider_html;
    /// What sites with an API answer.
    PROVIDER_JSON = provider_json;
    /// `Range`.
    RANGE_HEADER = range_header;
    /// What a server of Redis replies.
    REDIS_REPLY = redis_reply;
    /// An entry in a volume of the file tier.
    VOLUME_RECORD = volume_record;
}
