//! TLS in front of a server, by a certificate of an authority that nobody knows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fake::Fake;

/// Hands on what it decrypts; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Front {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Front {
    pub(crate) async fn of(to: SocketAddr) -> Self {
        let certificates = CertificateDer::pem_file_iter(fixture("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(socket).await else { return };
                    let Ok(mut server) = TcpStream::connect(to).await else { return };
                    // Either side may leave whenever it likes.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { addr, serving }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The URL of `fake` by way of `front`, with the authority that vouches for it.
pub(crate) fn url(fake: &Fake, front: SocketAddr) -> String {
    let plain = format!("http://{}", fake.addr());
    let secured = fake.url().replace(&plain, &format!("https://localhost:{}", front.port()));
    format!("{secured}&ca_file={}", fixture("authority.pem").display())
}

/// Where every connection is reset once the client has said hello.
pub(crate) async fn reset_all() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read_u8().await;
            // Closed with bytes unread: the kernel answers with a reset.
            drop(socket);
        }
    });
    addr
}

/// For `localhost`, valid for a century.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
