//! Commands that the library knows as such, with their replies as the server sends them.

use bytes::Bytes;
use fred::clients::{Client, WithOptions};
use fred::error::Error as FredError;
use fred::interfaces::KeysInterface;
use fred::types::{Expiration, Resp3Frame, SetOptions, Value};

use super::request::Replace;

type Outcome = Result<Resp3Frame, FredError>;

/// The bytes of `name` from the `first` to the `last`.
pub(super) async fn range(client: &WithOptions<Client>, name: Bytes, first: usize, last: usize) -> Outcome {
    match client.getrange::<Bytes, _>(name, first, last).await {
        Ok(data) => Ok(Resp3Frame::BlobString { data, attributes: None }),
        Err(error) if error.details().starts_with("WRONGTYPE") => {
            Ok(Resp3Frame::SimpleError { data: error.details().to_owned().into(), attributes: None })
        }
        Err(error) => Err(error),
    }
}

/// Sets `name`; nothing when `replace` forbade it.
pub(super) async fn set(
    client: &WithOptions<Client>,
    name: Bytes,
    value: Bytes,
    life: Option<u64>,
    replace: Replace,
) -> Outcome {
    let life = life.map(|life| Expiration::PX(i64::try_from(life).unwrap_or(i64::MAX)));
    let options = (replace == Replace::Never).then_some(SetOptions::NX);
    Ok(match client.set::<Value, _, _>(name, value, life, options, false).await? {
        Value::Null => Resp3Frame::Null,
        _ => Resp3Frame::SimpleString { data: Bytes::from_static(b"OK"), attributes: None },
    })
}
