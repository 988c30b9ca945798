//! Magnet links: what names a torrent here names the same in keys, and nothing else of a link is shown.

use providers::{Canonical, SourceType};
use torrents::{InfoHash, Magnet};

use crate::Verdict;

pub(super) fn body(input: &[u8]) -> Verdict {
    let Ok(link) = std::str::from_utf8(input) else { return Verdict::Refused };
    let canonical = Canonical::of(link);
    if let Ok(canonical) = &canonical {
        assert!(canonical.id().len() <= cache_core::Key::MAX_BYTES, "an identity that no key holds");
    }
    let Ok(magnet) = Magnet::parse(link) else { return Verdict::Refused };
    assert!(!link.bytes().any(|byte| byte.is_ascii_control()), "a link that others read otherwise");
    let hash = magnet.hash();
    let plain = format!("magnet:?xt=urn:btih:{hash}");
    assert_eq!(hash.to_string().parse::<InfoHash>().expect("a hash reads back"), hash);
    assert_eq!(Magnet::parse(&plain).expect("a plain link").hash(), hash);
    let shown = format!("{magnet:?}");
    assert!(shown.len() < 150 && shown.contains(&hash.to_string()), "{shown}");
    if let Ok(canonical) = canonical
        && canonical.source_type() == SourceType::Magnet
    {
        assert!(canonical.id().starts_with(&hash.to_string()), "{} is not {hash}", canonical.id());
    }
    Verdict::Accepted
}
