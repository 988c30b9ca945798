//! Laws of identities: what is the same has one, and what differs another.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::params::Param;

fn chain() -> Chain {
    Chain {
        kind: "keyframes".into(),
        schema: 1,
        stage: "ffmpeg".into(),
        version: 1,
        segment_us: None,
        params: Params::new(),
        models: BTreeMap::new(),
        programs: BTreeMap::new(),
        inputs: Vec::new(),
    }
}

fn digest(chain: Chain) -> Digest {
    Identity::of(chain).digest()
}

fn param() -> impl Strategy<Value = Param> {
    let leaf = prop_oneof![
        Just(Param::None),
        any::<bool>().prop_map(Param::from),
        any::<i64>().prop_map(Param::from),
        any::<u64>().prop_map(Param::from),
        any::<f64>().prop_map(Param::from),
        ".{0,6}".prop_map(Param::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| vec(inner, 0..3).prop_map(Param::from))
}

fn some_chain() -> impl Strategy<Value = Chain> {
    let text = "[ab=:]{0,3}";
    let versions = || btree_map("[ab=:]{0,3}", "[ab=:]{0,3}", 0..3);
    let params = btree_map(text, param(), 0..4);
    let inputs = vec((text, 0_u8..4), 0..3);
    (text, 0_u32..3, text, 0_u32..3, proptest::option::of(1_u64..4), params, versions(), versions(), inputs).prop_map(
        |(kind, schema, stage, version, segment_us, params, models, programs, inputs)| Chain {
            kind,
            schema,
            stage,
            version,
            segment_us,
            params: params.into_iter().fold(Params::new(), |all, (name, value)| all.with(&name, value)),
            models,
            programs,
            inputs: inputs.into_iter().map(|(kind, n)| InputIdentity { kind, digest: Digest::of(&[n]) }).collect(),
        },
    )
}

proptest! {
    #[test]
    fn two_chains_share_an_identity_only_when_they_are_equal(a in some_chain(), b in some_chain()) {
        prop_assert_eq!(a == b, digest(a.clone()) == digest(b.clone()));
        prop_assert_eq!(a == b, a.differences(&b).is_empty(), "{:?}", a.differences(&b));
    }

    #[test]
    fn the_order_of_parameters_does_not_matter(pairs in btree_map("[a-f]{1,2}", param(), 0..6), seed in any::<usize>()) {
        let mut shuffled: Vec<_> = pairs.clone().into_iter().collect();
        let len = shuffled.len().max(1);
        shuffled.rotate_left(seed % len);
        let of = |pairs: Vec<(String, Param)>| {
            let params = pairs.into_iter().fold(Params::new(), |all, (name, value)| all.with(&name, value));
            digest(Chain { params, ..chain() })
        };
        prop_assert_eq!(of(pairs.into_iter().collect()), of(shuffled));
    }

    #[test]
    fn a_default_is_as_if_it_were_not_named(value in param(), other in param()) {
        let named = Params::new().unless("p", value.clone(), value.clone());
        prop_assert_eq!(digest(Chain { params: named, ..chain() }), digest(chain()));
        let params = Params::new().unless("p", other.clone(), value.clone());
        prop_assert_eq!(other == value, digest(Chain { params, ..chain() }) == digest(chain()));
    }

    #[test]
    fn a_number_is_the_same_however_it_is_spelled(int in -9_007_199_254_740_992_i64..=9_007_199_254_740_992) {
        prop_assert_eq!(Param::from(int), Param::from(int as f64));
    }

    #[test]
    fn a_number_that_is_written_and_read_is_the_same(float in any::<f64>()) {
        let read: f64 = float.to_string().parse().unwrap();
        prop_assert_eq!(Param::from(float), Param::from(read));
    }

    #[test]
    fn a_chain_read_back_has_the_same_identity(chain in some_chain()) {
        let bytes = rmp_serde::to_vec(&chain).unwrap();
        let read: Chain = rmp_serde::from_slice(&bytes).unwrap();
        prop_assert_eq!(digest(read), digest(chain));
    }
}

#[test]
fn spellings_of_one_value_are_one_value() {
    assert_eq!(Param::from(0.0), Param::from(-0.0));
    assert_eq!(Param::from(f64::NAN), Param::from(-f64::NAN));
    assert_eq!(Param::from(0.1_f32), Param::from(0.1_f64));
    assert_eq!(Param::from(3000_u32), Param::from(3e3));
    assert_ne!(Param::from("2"), Param::from(2));
    assert_ne!(Param::from(u64::MAX), Param::from(u64::MAX - 1));
}

#[test]
fn every_component_counts() {
    let one = || BTreeMap::from([("m".to_owned(), "1".to_owned())]);
    let input = |n: u8| vec![InputIdentity { kind: "keyframes".into(), digest: Digest::of(&[n]) }];
    let all = [
        chain(),
        Chain { kind: "other".into(), ..chain() },
        Chain { schema: 2, ..chain() },
        Chain { stage: "other".into(), ..chain() },
        Chain { version: 2, ..chain() },
        Chain { segment_us: Some(1), ..chain() },
        Chain { params: Params::new().with("m", "1"), ..chain() },
        Chain { models: one(), ..chain() },
        Chain { programs: one(), ..chain() },
        Chain { inputs: input(1), ..chain() },
        Chain { inputs: input(2), ..chain() },
    ];
    let digests: std::collections::BTreeSet<_> = all.iter().cloned().map(digest).collect();
    assert_eq!(digests.len(), all.len());
    assert_eq!(all[6].differences(&all[0]).len(), 1);
    assert_eq!(all[6].differences(&all[0])[0].component, "param m");
}
