//! An S3 server in this process that checks signatures.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server over a temporary directory with one bucket, `bucket`; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct S3s {
    addr: std::net::SocketAddr,
    serving: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl S3s {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bucket")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("AK", "SK"));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                socket.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { addr, serving, _dir: dir }
    }

    /// The URL of objects below `prefix`.
    pub(crate) fn url(&self, prefix: &str) -> String {
        let addr = self.addr;
        format!("s3://bucket/{prefix}?endpoint=http://{addr}&region=us-east-1&access_key_id=AK&secret_access_key=SK")
    }
}

impl Drop for S3s {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
