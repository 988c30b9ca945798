//! The bytes that an identity is the hash of: every component tagged and prefixed with its length.

use super::Chain;
use crate::Digest;
use crate::params::Param;

/// Two different chains never encode to the same bytes, so equality of digests is equality of chains.
pub(super) fn digest(chain: &Chain) -> Digest {
    let Chain { kind, schema, stage, version, segment_us, params, models, programs, inputs } = chain;
    let mut bytes = Bytes(Vec::with_capacity(256));
    bytes.text("reelcache artifact 1");
    bytes.text(kind);
    bytes.number(u64::from(*schema));
    bytes.text(stage);
    bytes.number(u64::from(*version));
    bytes.number(segment_us.map_or(0, |us| us.max(1)));
    bytes.number(params.iter().len() as u64);
    for (name, value) in params.iter() {
        bytes.text(name);
        bytes.param(value);
    }
    for versions in [models, programs] {
        bytes.number(versions.len() as u64);
        for (name, version) in versions {
            bytes.text(name);
            bytes.text(version);
        }
    }
    bytes.number(inputs.len() as u64);
    for input in inputs {
        bytes.text(&input.kind);
        bytes.piece(input.digest.as_bytes());
    }
    Digest::of(&bytes.0)
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn piece(&mut self, piece: &[u8]) {
        self.number(piece.len() as u64);
        self.0.extend_from_slice(piece);
    }

    fn text(&mut self, text: &str) {
        self.piece(text.as_bytes());
    }

    fn param(&mut self, value: &Param) {
        match value {
            Param::None => self.0.push(0),
            Param::Flag(flag) => self.0.extend_from_slice(&[1, u8::from(*flag)]),
            Param::Int(int) => {
                self.0.push(2);
                self.0.extend_from_slice(&int.to_le_bytes());
            }
            Param::Large(int) => {
                self.0.push(3);
                self.number(*int);
            }
            Param::Float(bits) => {
                self.0.push(4);
                self.number(*bits);
            }
            Param::Text(text) => {
                self.0.push(5);
                self.text(text);
            }
            Param::List(list) => {
                self.0.push(6);
                self.number(list.len() as u64);
                for value in list {
                    self.param(value);
                }
            }
        }
    }
}
