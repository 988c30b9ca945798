//! Servers on loopback that answer with the input.

mod redis;
mod site;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

pub(crate) use redis::Redis;
pub(crate) use site::Site;

/// Serves each connection on a thread of its own, for as long as the process lives; the port. Nobody but the bodies knows
/// it, and they have few connections.
fn listen(serve: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            // Who hangs up has had enough.
            thread::spawn(move || stream.set_nodelay(true).and_then(|()| serve(stream)));
        }
    });
    port
}
