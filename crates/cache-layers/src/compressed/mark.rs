//! Marks on the codec of a stored entry: the form that its body has.

use std::sync::Arc;

/// The form of a stored body whose codec carries a mark. A body without one is stored as it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it was put, though its codec looks as if it carried a mark or the body is a frame itself.
    AsIs,
    /// A frame of zstd.
    Zstd,
    /// A frame of an LZ4 block.
    Lz4,
}

impl Form {
    const ALL: [Self; 3] = [Self::AsIs, Self::Zstd, Self::Lz4];

    const fn mark(self) -> &'static str {
        match self {
            Self::AsIs => "rlc-asis",
            Self::Zstd => "rlc-zstd",
            Self::Lz4 => "rlc-lz4",
        }
    }
}

/// The stored codec of a body in `form` whose own codec is `codec`: `msgpack` becomes `msgpack+rlc-zstd`, none becomes
/// `rlc-zstd`. No two give the same, so that [`form`] and [`own`] undo it.
pub(super) fn join(form: Option<Form>, codec: Option<Arc<str>>) -> Option<Arc<str>> {
    let form = match form {
        Some(form) => form,
        None if self::form(codec.as_deref()).is_some() => Form::AsIs,
        None => return codec,
    };
    let mark = form.mark();
    Some(codec.map_or_else(|| Arc::from(mark), |codec| Arc::from(format!("{codec}+{mark}"))))
}

/// The form that a stored codec tells.
pub(super) fn form(stored: Option<&str>) -> Option<Form> {
    split(stored?).map(|(form, _)| form)
}

/// The codec with which an entry was put that is stored with the codec `stored`.
pub(super) fn own(stored: Option<Arc<str>>) -> Option<Arc<str>> {
    match split(stored.as_deref()?) {
        Some((_, own)) => own.map(Arc::from),
        None => stored,
    }
}

/// The mark at the end of `stored` and what stands before it, if there is a mark.
fn split(stored: &str) -> Option<(Form, Option<&str>)> {
    let (own, mark) = stored.rsplit_once('+').map_or((None, stored), |(own, mark)| (Some(own), mark));
    let form = Form::ALL.into_iter().find(|form| form.mark() == mark)?;
    Some((form, own))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_codec_in_every_form_is_a_stored_codec_of_its_own() {
        let mut codecs = vec![None];
        let texts = [
            "",
            "+",
            "msgpack",
            "json",
            "rlc-zstd",
            "+rlc-zstd",
            "x+rlc-lz4",
            "rlc-asis",
            "x+rlc-asis+rlc-zstd",
            "xrlc-lz4",
        ];
        codecs.extend(texts.map(|text| Some(Arc::<str>::from(text))));
        let mut seen = HashMap::new();
        for codec in codecs {
            for form in [None, Some(Form::Zstd), Some(Form::Lz4)] {
                let stored = join(form, codec.clone());
                assert_eq!(own(stored.clone()), codec, "{stored:?}");
                let told = super::form(stored.as_deref());
                assert_eq!(told.filter(|told| *told != Form::AsIs), form, "{stored:?}");
                let twin = seen.insert(stored.clone(), (form, codec.clone()));
                assert_eq!(twin, None, "{stored:?} has two meanings");
            }
        }
    }

    #[test]
    fn an_ordinary_codec_is_stored_as_it_is() {
        assert_eq!(join(None, Some("msgpack".into())).as_deref(), Some("msgpack"));
        assert_eq!(join(Some(Form::Zstd), Some("msgpack".into())).as_deref(), Some("msgpack+rlc-zstd"));
        assert_eq!(join(Some(Form::Lz4), None).as_deref(), Some("rlc-lz4"));
    }
}
