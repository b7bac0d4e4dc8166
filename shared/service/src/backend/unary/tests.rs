use std::{convert::Infallible, error::Error, net::SocketAddr};

use h2::{
    Reason as Reset,
    server::{self, SendResponse},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::mpsc,
    time::{Duration, timeout},
};
use tonic::metadata::MetadataValue;

use super::{super::never_sent, *};

const SOON: Duration = Duration::from_secs(5);

/// Bytes of frames (RFC 9113, section 6) that a library would not send like this.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const GO_AWAY_AT_0: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const REFUSE_1: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
const CANCEL_1: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];

fn call(message: &'static [u8]) -> Unary {
    Unary {
        rpc: PathAndQuery::from_static("/unary.Test/Call"),
        metadata: HeaderMap::new(),
        message: Bytes::from_static(message),
        limit: 100,
    }
}

async fn made(backend: &Backend) -> Result<Response<Bytes>, Status> {
    timeout(SOON, backend.unary(call(b"question")))
        .await
        .unwrap()
}

async fn listening() -> (TcpListener, Backend) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = to(listener.local_addr().unwrap());
    (listener, backend)
}

fn to(address: SocketAddr) -> Backend {
    Backend::connect(&format!("http://{address}")).unwrap()
}

/// A service that answers each call on each connection by `answer`, once it has read the request.
async fn serving<F, A>(answer: F) -> Backend
where
    F: Fn(Bytes, SendResponse<Bytes>) -> A + Clone + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let (listener, backend) = listening().await;
    Handle::current().spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            Handle::current().spawn(async move {
                let mut connection = server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let answer = answer.clone();
                    Handle::current().spawn(async move {
                        let mut body = request.into_body();
                        let mut read = BytesMut::new();
                        while let Some(Ok(data)) = body.data().await {
                            body.flow_control().release_capacity(data.len()).unwrap();
                            read.extend_from_slice(&data);
                        }
                        answer(read.freeze(), respond).await;
                    });
                }
            });
        }
    });
    backend
}

/// The same, with an answer of those pieces and trailers.
async fn answering(pieces: &'static [&'static [u8]], trailers: &'static [(&str, &str)]) -> Backend {
    serving(move |_, mut respond| async move {
        let mut stream = respond
            .send_response(http::Response::new(()), false)
            .unwrap();
        for piece in pieces {
            stream.send_data(Bytes::from_static(piece), false).unwrap();
            tokio::task::yield_now().await;
        }
        let mut out = HeaderMap::new();
        for (name, value) in trailers {
            out.insert(*name, HeaderValue::from_static(value));
        }
        stream.send_trailers(out).unwrap();
    })
    .await
}

/// A peer that takes one connection after the other and writes those bytes once it was asked something.
async fn raw(frames: &'static [&'static [u8]]) -> Backend {
    let (listener, backend) = listening().await;
    Handle::current().spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            Handle::current().spawn(async move {
                until_asked(&mut stream).await;
                stream.write_all(SETTINGS).await.unwrap();
                for frame in frames {
                    stream.write_all(frame).await.unwrap();
                }
                // The rest is read, so that what was written is not taken back.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            });
        }
    });
    backend
}

/// Reads the preface, and frames until one begins a request.
async fn until_asked(stream: &mut TcpStream) {
    const HEADERS: u8 = 1;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == HEADERS {
            return;
        }
    }
}

#[tokio::test]
async fn a_message_goes_there_and_another_comes_back() {
    let backend = serving(|request, mut respond| async move {
        assert_eq!(request.as_ref(), b"\0\0\0\0\x08question");
        let mut head = http::Response::new(());
        head.headers_mut()
            .insert("x-head", HeaderValue::from_static("1"));
        let mut stream = respond.send_response(head, false).unwrap();
        stream
            .send_data(Bytes::from_static(b"\0\0\0\0\x06answer"), false)
            .unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("x-tail", HeaderValue::from_static("2"));
        stream.send_trailers(trailers).unwrap();
    })
    .await;
    for _ in 0..3 {
        let response = made(&backend).await.unwrap();
        assert_eq!(response.get_ref().as_ref(), b"answer");
        assert_eq!(response.metadata().get("x-head").unwrap(), "1");
        assert_eq!(response.metadata().get("x-tail").unwrap(), "2");
    }
}

#[tokio::test]
async fn a_message_may_come_in_pieces_and_may_be_empty() {
    let ok: &[(&str, &str)] = &[("grpc-status", "0")];
    let pieces = answering(&[b"\0\0\0", b"\0\x06ans", b"", b"wer"], ok).await;
    assert_eq!(made(&pieces).await.unwrap().get_ref().as_ref(), b"answer");
    let empty = answering(&[b"\0\0\0\0\0"], ok).await;
    assert!(made(&empty).await.unwrap().get_ref().is_empty());
}

#[tokio::test]
async fn a_message_may_be_longer_than_the_peer_has_room_for() {
    const LENGTH: usize = 1 << 20;
    let backend = serving(|request, mut respond| async move {
        assert_eq!(request.len(), PREFIX + LENGTH);
        let head = Status::already_exists("all of it").into_http::<()>();
        respond.send_response(head, true).unwrap();
    })
    .await;
    let mut long = call(b"");
    long.message = vec![7; LENGTH].into();
    let status = timeout(SOON, backend.unary(long)).await.unwrap();
    assert_eq!(status.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn what_is_no_reply_is_none() {
    let ok: &[(&str, &str)] = &[("grpc-status", "0")];
    let cases: [(&'static [&'static [u8]], Code); 7] = [
        (&[b"\0\0\0\0"], Code::Internal),
        (&[b"\0\0\0\0\x02a"], Code::Internal),
        (&[], Code::Internal),
        (&[b"\0\0\0\0\x01a\0\0\0\0\x01b"], Code::Internal),
        (&[b"\x01\0\0\0\x01a"], Code::Internal),
        (&[b"\0\0\0\0\x65"], Code::OutOfRange),
        (&[b"\0\xff\xff\xff\xff"], Code::OutOfRange),
    ];
    for (pieces, code) in cases {
        let status = made(&answering(pieces, ok).await).await.unwrap_err();
        assert_eq!(status.code(), code, "{pieces:?}: {status:?}");
        assert!(!never_sent(&status));
    }
    let status = made(&answering(&[b"\0\0\0\0\0"], &[("x", "y")]).await).await;
    assert_eq!(status.unwrap_err().code(), Code::Unknown);
}

#[tokio::test]
async fn a_refusal_is_read_wherever_it_stands() {
    let trailers: &[(&str, &str)] = &[
        ("grpc-status", "9"),
        ("grpc-message", "not%20now"),
        ("grpc-status-details-bin", "AQI"),
        ("x-more", "z"),
    ];
    let in_trailers = made(&answering(&[], trailers).await).await.unwrap_err();
    assert_eq!(in_trailers.code(), Code::FailedPrecondition);
    assert_eq!(in_trailers.message(), "not now");
    assert_eq!(in_trailers.details(), [1, 2]);
    assert_eq!(in_trailers.metadata().get("x-more").unwrap(), "z");

    let backend = serving(|_, mut respond| async move {
        let head = Status::not_found("gone").into_http::<()>();
        respond.send_response(head, true).unwrap();
    });
    let in_head = made(&backend.await).await.unwrap_err();
    assert_eq!(
        (in_head.code(), in_head.message()),
        (Code::NotFound, "gone")
    );
    assert!(!never_sent(&in_head) && in_head.source().is_none());
}

#[tokio::test]
async fn details_that_are_no_base64_are_left_out() {
    let trailers = &[("grpc-status", "3"), ("grpc-status-details-bin", "%%%")];
    let status = made(&answering(&[], trailers).await).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.details().is_empty());
}

#[tokio::test]
async fn an_answer_of_plain_http_has_the_code_that_grpc_gives_it() {
    for (http, code) in [
        (404, Code::Unimplemented),
        (503, Code::Unavailable),
        (302, Code::Unknown),
    ] {
        let backend = serving(move |_, mut respond| async move {
            let mut head = http::Response::new(());
            *head.status_mut() = StatusCode::from_u16(http).unwrap();
            respond.send_response(head, true).unwrap();
        });
        assert_eq!(made(&backend.await).await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn what_reached_nobody_is_told_from_what_may_have() {
    let (listener, backend) = listening().await;
    drop(listener);
    let nobody = made(&backend).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unavailable);
    assert!(never_sent(&nobody));
    for (frame, untouched) in [(GO_AWAY_AT_0, true), (REFUSE_1, true), (CANCEL_1, false)] {
        let frames: &'static [&'static [u8]] = Box::leak(Box::new([frame]));
        let status = made(&raw(frames).await).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(never_sent(&status), untouched, "{frame:?}");
        assert!(status.source().is_some());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_call_says_nothing_of_it() {
    let (listener, backend) = listening().await;
    Handle::current().spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            until_asked(&mut stream).await;
        }
    });
    for _ in 0..3 {
        let status = made(&backend).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!never_sent(&status) && status.source().is_some());
    }
}

#[tokio::test]
async fn a_connection_that_has_gone_is_made_again() {
    let (listener, backend) = listening().await;
    let (accepted, mut connections) = mpsc::channel(8);
    Handle::current().spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            accepted.send(()).await.unwrap();
            Handle::current().spawn(async move {
                let mut connection = server::handshake(stream).await.unwrap();
                let (_, mut respond) = connection.accept().await.unwrap().unwrap();
                // The only call of its connection: the next one is told to go elsewhere.
                connection.graceful_shutdown();
                respond
                    .send_response(Status::ok("").into_http::<()>(), true)
                    .unwrap();
                while connection.accept().await.is_some() {}
            });
        }
    });
    for _ in 0..4 {
        // An answer without a message, but an answer.
        assert_eq!(made(&backend).await.unwrap_err().code(), Code::Internal);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connections.len(), 4);
    assert!(connections.recv().await.is_some());
}

#[tokio::test]
async fn callers_who_come_together_wait_for_one_connection() {
    let (listener, backend) = listening().await;
    let (accepted, connections) = mpsc::channel(64);
    Handle::current().spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            accepted.send(()).await.unwrap();
            Handle::current().spawn(async move {
                let mut connection = server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let head = Status::not_found("").into_http::<()>();
                    respond.send_response(head, true).unwrap();
                }
            });
        }
    });
    let all = (0..32).map(|_| made(&backend));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.unwrap_err().code(), Code::NotFound);
    }
    assert_eq!(connections.len(), 1);
}

#[tokio::test]
async fn a_dropped_call_is_reset() {
    let (reset, mut resets) = mpsc::channel(1);
    let backend = serving(move |_, mut respond| {
        let reset = reset.clone();
        async move {
            let reason = poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            reset.send(reason).await.unwrap();
        }
    })
    .await;
    let early = timeout(Duration::from_millis(100), backend.unary(call(b"")));
    assert!(early.await.is_err());
    let reason = timeout(SOON, resets.recv()).await.unwrap();
    assert_eq!(reason, Some(Reset::CANCEL));
}

#[tokio::test]
async fn a_service_of_this_process_is_called_alike() {
    let backend = Backend::new(tower::service_fn(
        |request: super::super::Request| async move {
            assert_eq!(request.uri().path(), "/unary.Test/Call");
            assert_eq!(request.headers()["te"], "trailers");
            let mut status = Status::unavailable("later");
            let value = MetadataValue::from_static("7");
            status.metadata_mut().insert("retry-after", value);
            Ok::<_, Infallible>(status.into_http::<Body>())
        },
    ));
    let status = made(&backend).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "later")
    );
    assert_eq!(status.metadata().get("retry-after").unwrap(), "7");
}
