//! The few messages of SOCKS 5 that a proxy needs which only connects, for one user.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const VERSION: u8 = 5;
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;

/// Where a connection is wanted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Address(SocketAddr),
    Name(String, u16),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Connected = 0,
    Failed = 1,
    Refused = 2,
    Unreachable = 4,
}

impl Target {
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }
}

/// Reads who asks, and for what.
///
/// # Errors
/// When it is not the one user, who is told so, or what is asked for is no connection.
pub(super) async fn asked(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), password: &str) -> io::Result<Target> {
    let methods = bytes(stream, VERSION).await?;
    let method = if methods.contains(&BY_PASSWORD) { BY_PASSWORD } else { NO_METHOD };
    stream.write_all(&[VERSION, method]).await?;
    if method == NO_METHOD {
        return Err(wrong("it does not offer a password"));
    }
    let _user = bytes(stream, 1).await?;
    let len = stream.read_u8().await?;
    let given = exactly(stream, len.into()).await?;
    let is_right = is_equal(&given, password.as_bytes());
    stream.write_all(&[1, u8::from(!is_right)]).await?;
    if !is_right {
        return Err(wrong("it does not know the password"));
    }
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    if head[..2] != [VERSION, CONNECT] {
        answer(stream, Answer::Failed).await?;
        return Err(wrong("it asks for something other than a connection"));
    }
    target(stream, head[3]).await
}

/// Tells what came of it.
pub(super) async fn answer(stream: &mut (impl AsyncWrite + Unpin), answer: Answer) -> io::Result<()> {
    // The address that it came from is of no use to anybody here.
    stream.write_all(&[VERSION, answer as u8, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

async fn target(stream: &mut (impl AsyncRead + Unpin), kind: u8) -> io::Result<Target> {
    let address: IpAddr = match kind {
        1 => Ipv4Addr::from(stream.read_u32().await?).into(),
        4 => Ipv6Addr::from(stream.read_u128().await?).into(),
        3 => {
            let len = stream.read_u8().await?;
            let name = String::from_utf8(exactly(stream, len.into()).await?).map_err(|_| wrong("a name is no text"))?;
            let port = stream.read_u16().await?;
            // What reads as an address is one, whoever looks it up.
            let literal = name.trim_start_matches('[').trim_end_matches(']').parse();
            return Ok(match literal {
                Ok(address) => Target::Address(SocketAddr::new(address, port)),
                Err(_) => Target::Name(name, port),
            });
        }
        _ => return Err(wrong("it names no address")),
    };
    Ok(Target::Address(SocketAddr::new(address, stream.read_u16().await?)))
}

/// A message of one version: a count and as many bytes.
async fn bytes(stream: &mut (impl AsyncRead + Unpin), version: u8) -> io::Result<Vec<u8>> {
    if stream.read_u8().await? != version {
        return Err(wrong("it is another protocol"));
    }
    let len = stream.read_u8().await?;
    exactly(stream, len.into()).await
}

async fn exactly(stream: &mut (impl AsyncRead + Unpin), len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Compares without telling by its time where texts differ.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

fn wrong(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
