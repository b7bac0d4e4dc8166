//! A service of another team with every kind of stream.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::{orders::Orders, protos};

#[derive(Clone, PartialEq, prost::Message)]
pub struct WatchRequest {
    #[prost(int64, tag = "1")]
    pub after: i64,
    #[prost(string, tag = "2")]
    pub mode: String,
    #[prost(int64, tag = "3")]
    pub count: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    #[prost(int64, tag = "1")]
    pub sequence: i64,
    #[prost(string, tag = "2")]
    pub text: String,
    #[prost(string, tag = "3")]
    pub feed: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    #[prost(int64, tag = "1")]
    pub count: i64,
    #[prost(string, tag = "2")]
    pub text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct HttpBody {
    #[prost(string, tag = "1")]
    pub content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct File {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub content: Option<HttpBody>,
}

/// The service, and what it has seen. Clones share it.
#[derive(Clone, Default)]
pub struct Feed(Arc<Seen>);

#[derive(Default)]
struct Seen {
    /// Streams that are open.
    open: AtomicUsize,
    /// Messages given, over all streams.
    given: AtomicI64,
    /// Uploads that came to an end.
    whole: AtomicUsize,
    /// Uploads that were cut off.
    cut: AtomicUsize,
}

struct Open(Feed);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, SeqCst);
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Events = BoxStream<'static, Result<Event, Status>>;

impl Feed {
    /// Starts it on a free port.
    pub async fn start(&self) -> Orders {
        let set = protos("feed/v1/feed.proto", "");
        Orders::serve_with(self.clone(), "127.0.0.1:0", &set).await
    }

    pub fn open(&self) -> usize {
        self.0.open.load(SeqCst)
    }

    pub fn given(&self) -> i64 {
        self.0.given.load(SeqCst)
    }

    pub fn whole(&self) -> usize {
        self.0.whole.load(SeqCst)
    }

    pub fn cut(&self) -> usize {
        self.0.cut.load(SeqCst)
    }

    fn opened(&self) -> Open {
        self.0.open.fetch_add(1, SeqCst);
        Open(self.clone())
    }

    fn watch(&self, request: &WatchRequest) -> Answer<Events> {
        let open = self.opened();
        let mode = request.mode.clone();
        let last = match mode.as_str() {
            "refuse" => return Err(Status::failed_precondition("not today")),
            "silent" => request.after,
            _ => request.count,
        };
        let end: Events = match mode.as_str() {
            "quiet" | "silent" => stream::pending().boxed(),
            "fail" => {
                stream::once(async { Err(Status::failed_precondition("that was all")) }).boxed()
            }
            "break" => stream::once(async { Err(Status::internal("table x is locked")) }).boxed(),
            _ => stream::empty().boxed(),
        };
        let feed = self.clone();
        let text = if mode == "long" {
            "x".repeat(100)
        } else {
            "a\nb".to_owned()
        };
        let events = stream::iter(request.after + 1..=last).map(move |sequence| {
            feed.0.given.fetch_add(1, SeqCst);
            Ok(Event {
                sequence,
                text: text.clone(),
                feed: String::new(),
            })
        });
        let events = events.chain(end).inspect(move |_| {
            let _held = &open;
        });
        Ok(Response::new(events.boxed()))
    }

    async fn import(&self, mut events: Streaming<Event>) -> Answer<Summary> {
        let mut summary = Summary::default();
        loop {
            match events.message().await {
                Ok(Some(event)) if event.text == "stall" => std::future::pending().await,
                Ok(Some(event)) if event.text == "enough" => break,
                Ok(Some(event)) => {
                    self.0.given.fetch_add(1, SeqCst);
                    summary.count += 1;
                    summary.text += &event.feed;
                }
                Ok(None) => {
                    self.0.whole.fetch_add(1, SeqCst);
                    break;
                }
                Err(status) => {
                    self.0.cut.fetch_add(1, SeqCst);
                    return Err(status);
                }
            }
        }
        Ok(Response::new(summary))
    }

    async fn upload(&self, mut files: Streaming<File>) -> Answer<Summary> {
        let mut summary = Summary::default();
        while let Some(file) = files.message().await? {
            let content = file.content.unwrap_or_default();
            summary.count += i64::try_from(content.data.len()).unwrap();
            summary.text = format!("{} {}", file.name, content.content_type);
        }
        Ok(Response::new(summary))
    }

    fn download(
        &self,
        request: &WatchRequest,
    ) -> Response<BoxStream<'static, Result<HttpBody, Status>>> {
        let open = self.opened();
        let pieces = ["id,", "name\n", "1,a\n"].map(|data| {
            Ok(HttpBody {
                content_type: "text/csv".to_owned(),
                data: data.into(),
            })
        });
        let failure = (request.mode == "fail").then(|| Err(Status::aborted("cut")));
        let pieces = stream::iter(pieces).chain(stream::iter(failure));
        let pieces = pieces.inspect(move |_| {
            let _held = &open;
        });
        Response::new(pieces.boxed())
    }
}

impl NamedService for Feed {
    const NAME: &'static str = "feed.v1.Feed";
}

impl Service<http::Request<Body>> for Feed {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let feed = self.clone();
        async move {
            let path = request.uri().path().to_owned();
            Ok(match path.rsplit('/').next().unwrap_or_default() {
                "Watch" | "Follow" => {
                    let watch = service_fn(move |request: Request<WatchRequest>| {
                        let feed = feed.clone();
                        async move { feed.watch(request.get_ref()) }.boxed()
                    });
                    let codec = ProstCodec::<Event, WatchRequest>::default();
                    Grpc::new(codec).server_streaming(watch, request).await
                }
                "Download" => {
                    let download = service_fn(move |request: Request<WatchRequest>| {
                        let feed = feed.clone();
                        async move { Ok(feed.download(request.get_ref())) }.boxed()
                    });
                    let codec = ProstCodec::<HttpBody, WatchRequest>::default();
                    Grpc::new(codec).server_streaming(download, request).await
                }
                "Import" => {
                    let import = service_fn(move |request: Request<Streaming<Event>>| {
                        let feed = feed.clone();
                        async move { feed.import(request.into_inner()).await }.boxed()
                    });
                    let codec = ProstCodec::<Summary, Event>::default();
                    Grpc::new(codec).client_streaming(import, request).await
                }
                "Upload" => {
                    let upload = service_fn(move |request: Request<Streaming<File>>| {
                        let feed = feed.clone();
                        async move { feed.upload(request.into_inner()).await }.boxed()
                    });
                    let codec = ProstCodec::<Summary, File>::default();
                    Grpc::new(codec).client_streaming(upload, request).await
                }
                "Echo" => {
                    let echo = service_fn(|request: Request<Streaming<Event>>| {
                        async move { Ok(Response::new(request.into_inner())) }.boxed()
                    });
                    let codec = ProstCodec::<Event, Event>::default();
                    Grpc::new(codec).streaming(echo, request).await
                }
                "Store" => {
                    let store = service_fn(|request: Request<File>| {
                        let content = request.into_inner().content.unwrap_or_default();
                        async move { Ok(Response::new(content)) }.boxed()
                    });
                    let codec = ProstCodec::<HttpBody, File>::default();
                    Grpc::new(codec).unary(store, request).await
                }
                _ => {
                    let submit = service_fn(|request: Request<Event>| {
                        let mut event = request.into_inner();
                        if event.text == "huge" {
                            event.text = "x".repeat(17 * 1024 * 1024);
                        }
                        async move { Ok(Response::new(event)) }.boxed()
                    });
                    let codec = ProstCodec::<Event, Event>::default();
                    Grpc::new(codec).unary(submit, request).await
                }
            })
        }
        .boxed()
    }
}

/// Long enough for a cancellation to arrive, by what is promised.
pub const SOON: Duration = Duration::from_secs(1);
