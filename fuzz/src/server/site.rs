//! `Site`: a server of HTTP whose every page is the input.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;

use parking_lot::Mutex;

use super::listen;

/// A server of HTTP whose every page is the input, but for one that is fixed.
#[derive(Debug)]
pub(crate) struct Site {
    /// Without a slash at its end.
    pub(crate) url: String,
    page: Arc<Mutex<Vec<u8>>>,
}

impl Site {
    /// A site whose address `fixed.0` always has the page `fixed.1`.
    pub(crate) fn new(fixed: (&'static str, &'static [u8])) -> Self {
        let page = Arc::new(Mutex::new(Vec::new()));
        let shown = page.clone();
        let port = listen(move |stream| serve(stream, fixed, &shown));
        Self { url: format!("http://127.0.0.1:{port}"), page }
    }

    /// Sets what every other page is.
    pub(crate) fn show(&self, page: &[u8]) {
        *self.page.lock() = page.to_vec();
    }
}

fn serve(stream: TcpStream, (path, fixed): (&str, &[u8]), page: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let is_fixed = head.split(' ').nth(1) == Some(path);
        let page = if is_fixed { fixed.to_vec() } else { page.lock().clone() };
        // A type that says nothing counts as the one that is expected.
        let mut answer =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", page.len())
                .into_bytes();
        answer.extend(page);
        stream.get_mut().write_all(&answer)?;
    }
}
