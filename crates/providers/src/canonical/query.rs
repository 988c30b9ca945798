//! Parameters of an address: which say nothing, and whose order says nothing.

/// Parameters that say where a visitor comes from, in lower case.
const TRACKING: &[&str] = &[
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "dclid",
    "fbclid",
    "gbraid",
    "gclid",
    "gclsrc",
    "igsh",
    "igshid",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "msclkid",
    "oly_anon_id",
    "oly_enc_id",
    "ref_src",
    "ref_url",
    "srsltid",
    "ttclid",
    "twclid",
    "vero_id",
    "wbraid",
    "wickedid",
    "yclid",
];

/// Adds what counts of `query`, which is in normal form, to `to`, with a question mark before it.
pub(super) fn push_canonical(to: &mut String, query: &str) {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_tracking(name(pair))).collect();
    // One without a name and a value may be anything, so that its place may say something.
    if pairs.iter().all(|pair| pair.find('=').is_some_and(|at| at > 0)) {
        // Those of one name keep their order.
        pairs.sort_by_key(|pair| name(pair));
    }
    for (at, pair) in pairs.into_iter().enumerate() {
        to.push(if at == 0 { '?' } else { '&' });
        to.push_str(pair);
    }
}

/// The first value of the parameter `wanted`, not empty.
pub(super) fn value<'a>(query: &'a str, wanted: &str) -> Option<&'a str> {
    let mut values = query.split('&').filter_map(|pair| pair.split_once('='));
    values.find(|(name, value)| *name == wanted && !value.is_empty()).map(|(_, value)| value)
}

fn name(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn is_tracking(name: &str) -> bool {
    let is_utm = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("utm_"));
    is_utm || TRACKING.iter().any(|tracking| name.eq_ignore_ascii_case(tracking))
}
