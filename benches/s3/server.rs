//! An S3 server: that of `REELCACHE_TEST_S3`, or one over a temporary directory on threads of its own.

use std::net::SocketAddr;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Names another server by a URL with a bucket and all options.
const VARIABLE: &str = "REELCACHE_TEST_S3";
const BUCKET: &str = "bucket";
const KEY: &str = "AK";
const SECRET: &str = "SK";

/// The server; ends when it is dropped.
pub(crate) struct Server {
    addr: SocketAddr,
    _runtime: Runtime,
    _dir: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join(BUCKET)).expect("a bucket");
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).expect("a file system"));
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let addr = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                socket.set_nodelay(true).expect("an open socket");
                tokio::spawn(async move {
                    let connection = auto::Builder::new(TokioExecutor::new());
                    // A client that leaves is no failure of the server.
                    let _ = connection.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { addr, _runtime: runtime, _dir: dir }
    }

    /// A URL with a bucket and all options, and the prefix in between.
    pub(crate) fn url(&self, prefix: &str) -> String {
        let here = || {
            let addr = self.addr;
            format!(
                "s3://{BUCKET}/?endpoint=http://{addr}&region=us-east-1&access_key_id={KEY}&secret_access_key={SECRET}"
            )
        };
        let base = std::env::var(VARIABLE).unwrap_or_else(|_| here());
        let (place, options) = base.split_once('?').expect("options in the URL");
        format!("{}/{prefix}?{options}", place.trim_end_matches('/'))
    }
}
