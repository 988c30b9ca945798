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

/// The value of the parameter `wanted`, not empty; none where there are several, of which one counts.
pub(super) fn value<'a>(query: &'a str, wanted: &str) -> Option<&'a str> {
    let mut values = values(query, wanted);
    let value = values.next().filter(|value| !value.is_empty())?;
    values.next().is_none().then_some(value)
}

/// All values of the parameter `wanted`.
pub(super) fn values<'a>(query: &'a str, wanted: &str) -> impl Iterator<Item = &'a str> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
}

/// Whether `query` has nothing but tracking and the parameters `known`.
pub(super) fn has_only(query: &str, known: &[&str]) -> bool {
    let mut names = query.split('&').filter(|pair| !pair.is_empty()).map(name);
    names.all(|name| is_tracking(name) || known.contains(&name))
}

fn name(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn is_tracking(name: &str) -> bool {
    let is_utm = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("utm_"));
    is_utm || TRACKING.iter().any(|tracking| name.eq_ignore_ascii_case(tracking))
}
