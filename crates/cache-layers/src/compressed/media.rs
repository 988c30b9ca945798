//! What a content type says of how a body compresses.

use cache_core::Meta;

/// How a body is likely to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// Words: text, JSON, subtitles, playlists, markup.
    Text,
    /// Unknown, or structured bytes such as MessagePack.
    Binary,
    /// Compressed already: pictures, sound, film, archives.
    Packed,
}

/// Types of these families are packed, those aside that say otherwise.
const PACKED_FAMILIES: &[&str] = &["image", "video", "audio"];

/// Packed types of the families `application` and `font`.
const PACKED: &[&str] = &[
    "application/bzip2",
    "application/epub+zip",
    "application/font-woff",
    "application/font-woff2",
    "application/gzip",
    "application/java-archive",
    "application/mp4",
    "application/mxf",
    "application/ogg",
    "application/pdf",
    "application/vnd.android.package-archive",
    "application/vnd.debian.binary-package",
    "application/vnd.ms-cab-compressed",
    "application/vnd.rar",
    "application/vnd.rn-realmedia",
    "application/vnd.rn-realmedia-vbr",
    "application/x-7z-compressed",
    "application/x-ace-compressed",
    "application/x-arj",
    "application/x-brotli",
    "application/x-bzip",
    "application/x-bzip-compressed-tar",
    "application/x-bzip2",
    "application/x-compress",
    "application/x-compressed-tar",
    "application/x-font-woff",
    "application/x-gtar-compressed",
    "application/x-gzip",
    "application/x-lz4",
    "application/x-lzip",
    "application/x-lzma",
    "application/x-matroska",
    "application/x-rar",
    "application/x-rar-compressed",
    "application/x-rpm",
    "application/x-shockwave-flash",
    "application/x-xpinstall",
    "application/x-xz",
    "application/x-zip-compressed",
    "application/x-zstd",
    "application/zip",
    "application/zlib",
    "application/zstd",
    "font/woff",
    "font/woff2",
];

/// Beginnings of packed types: documents of office suites are zip archives.
const PACKED_BEGINNINGS: &[&str] =
    &["application/vnd.oasis.opendocument.", "application/vnd.openxmlformats-officedocument."];

/// Texts whose type does not say so by its family or suffix; playlists are lists of addresses.
const TEXTS: &[&str] = &[
    "application/javascript",
    "application/json",
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "application/x-ndjson",
    "application/x-subrip",
    "application/xml",
    "application/yaml",
    "audio/mpegurl",
    "audio/x-mpegurl",
];

impl Media {
    /// By the content type, and where there is none by the codec.
    pub(super) fn of(meta: &Meta) -> Self {
        match (meta.content_type.as_deref(), meta.codec.as_deref()) {
            (Some(content_type), _) => Self::of_type(content_type),
            (None, Some("json")) => Self::Text,
            (None, _) => Self::Binary,
        }
    }

    fn of_type(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let family = essence.split('/').next().unwrap_or_default();
        let has_suffix = |suffixes: &[&str]| suffixes.iter().any(|suffix| essence.ends_with(suffix));
        if family == "text" || TEXTS.contains(&&*essence) || has_suffix(&["+json", "+xml"]) {
            Self::Text
        } else if PACKED_FAMILIES.contains(&family)
            || PACKED.contains(&&*essence)
            || PACKED_BEGINNINGS.iter().any(|beginning| essence.starts_with(beginning))
            || has_suffix(&["+zip", "+gzip", "+zstd"])
        {
            Self::Packed
        } else {
            Self::Binary
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart_whatever_their_case_and_parameters() {
        for text in [
            "text/vtt",
            "TEXT/HTML; charset=utf-8",
            "application/json",
            "application/ld+json",
            "image/svg+xml",
            "audio/x-mpegurl",
        ] {
            assert_eq!(Media::of_type(text), Media::Text, "{text}");
        }
        for packed in [
            "image/jpeg",
            "Video/MP4",
            "video/mp4; codecs=\"avc1\"",
            "audio/ogg",
            "application/zip",
            "font/woff2",
            "application/epub+zip",
            "application/x-rar",
            "application/x-lzma",
            "application/vnd.ms-cab-compressed",
            "application/x-font-woff",
            "application/mxf",
            "application/vnd.rn-realmedia",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.oasis.opendocument.text",
            "application/vnd.android.package-archive",
        ] {
            assert_eq!(Media::of_type(packed), Media::Packed, "{packed}");
        }
        for binary in ["", "application/octet-stream", "application/msgpack", "imagery/x", "nonsense"] {
            assert_eq!(Media::of_type(binary), Media::Binary, "{binary}");
        }
    }
}
