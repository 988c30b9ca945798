//! A second reading of torrent files: what they say of their lengths.

/// Torrents are nested no deeper than this.
const MOST_NESTED: usize = 32;

/// What a torrent file says of its lengths.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) piece_len: u128,
    /// Bytes of all hashes of pieces.
    pub(super) pieces: usize,
    pub(super) files: Vec<File>,
}

/// One file of it.
#[derive(Debug)]
pub(super) struct File {
    pub(super) len: u128,
    pub(super) is_link: bool,
    pub(super) is_padding: bool,
}

/// The names and the values of a table.
struct Table<'a>(Vec<(&'a [u8], &'a [u8])>);

impl Said {
    /// What `file` says; `None` of one that says something twice, so that its readers may differ.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        let info = Table::of(Table::of(file)?.value(b"info")?)?;
        let files = match info.value(b"files") {
            Some(files) => items(files)?.into_iter().map(|file| File::of(&Table::of(file)?)).collect::<Option<_>>()?,
            None => vec![File { is_padding: false, ..File::of(&info)? }],
        };
        let pieces = text(info.value(b"pieces")?)?.len();
        Some(Self { piece_len: number(info.value(b"piece length")?)?, pieces, files })
    }
}

impl File {
    fn of(table: &Table<'_>) -> Option<Self> {
        let attr = table.value(b"attr").and_then(text).unwrap_or_default();
        Some(Self {
            len: number(table.value(b"length")?)?,
            is_link: attr.contains(&b'l') || table.value(b"symlink path").is_some(),
            is_padding: attr.contains(&b'p'),
        })
    }
}

impl<'a> Table<'a> {
    fn of(input: &'a [u8]) -> Option<Self> {
        let items = items(input).filter(|items| input.starts_with(b"d") && items.len().is_multiple_of(2))?;
        let pairs = items.chunks_exact(2).map(|pair| Some((text(pair[0])?, pair[1])));
        let pairs = pairs.collect::<Option<Vec<_>>>()?;
        let mut names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1]).then_some(Self(pairs))
    }

    fn value(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        self.0.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
    }
}

/// The values in a list or a table, one behind the other.
fn items(input: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut items, mut rest) = (Vec::new(), input.strip_prefix(b"l").or_else(|| input.strip_prefix(b"d"))?);
    while !rest.starts_with(b"e") {
        let (item, behind) = first(rest, MOST_NESTED)?;
        items.push(item);
        rest = behind;
    }
    Some(items)
}

/// The first value, and what is behind it.
fn first(input: &[u8], depth: usize) -> Option<(&[u8], &[u8])> {
    let len = match input.first()? {
        b'i' => input.iter().position(|&byte| byte == b'e')? + 1,
        b'l' | b'd' => {
            let mut rest = &input[1..];
            while !rest.starts_with(b"e") {
                rest = first(rest, depth.checked_sub(1)?)?.1;
            }
            input.len() - rest.len() + 1
        }
        _ => {
            let colon = input.iter().position(|&byte| byte == b':')?;
            (colon + 1).checked_add(digits(&input[..colon])?.try_into().ok()?)?
        }
    };
    input.split_at_checked(len)
}

fn text(value: &[u8]) -> Option<&[u8]> {
    let colon = value.iter().position(|&byte| byte == b':')?;
    value[..colon].iter().all(u8::is_ascii_digit).then(|| &value[colon + 1..])
}

fn number(value: &[u8]) -> Option<u128> {
    digits(value.strip_prefix(b"i")?.strip_suffix(b"e")?)
}

fn digits(digits: &[u8]) -> Option<u128> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
