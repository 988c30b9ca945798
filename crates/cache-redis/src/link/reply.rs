//! `Reply`: what a server answers, as far as this crate understands it.

use bytes::Bytes;
use cache_core::Result;
use fred::types::Resp3Frame;

use crate::error::unexpected;

/// What a server answers.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Nothing is there.
    Nothing,
    Bytes(Bytes),
    Number(i64),
    Many(Vec<Reply>),
    /// An error, in the server's words.
    Refused(String),
}

impl Reply {
    pub(super) fn read(frame: Resp3Frame) -> Result<Self> {
        Ok(match frame {
            Resp3Frame::Null => Self::Nothing,
            Resp3Frame::BlobString { data, .. } | Resp3Frame::SimpleString { data, .. } => Self::Bytes(data),
            Resp3Frame::Number { data, .. } => Self::Number(data),
            Resp3Frame::SimpleError { data, .. } => Self::Refused(data.to_string()),
            Resp3Frame::BlobError { data, .. } => Self::Refused(String::from_utf8_lossy(&data).into_owned()),
            Resp3Frame::Array { data, .. } => Self::Many(data.into_iter().map(Self::read).collect::<Result<_>>()?),
            _ => return Err(unexpected()),
        })
    }

    /// # Errors
    /// `Unavailable` when it is no number.
    pub(crate) fn number(self) -> Result<i64> {
        if let Self::Number(number) = self { Ok(number) } else { Err(unexpected()) }
    }

    /// # Errors
    /// `Unavailable` when it is no string of bytes.
    pub(crate) fn bytes(self) -> Result<Bytes> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(unexpected()) }
    }

    /// # Errors
    /// `Unavailable` when it is no list.
    pub(crate) fn many(self) -> Result<Vec<Self>> {
        if let Self::Many(many) = self { Ok(many) } else { Err(unexpected()) }
    }
}
