//! Asks a server for its descriptors (gRPC server reflection v1, and v1alpha for older servers).

use std::{collections::VecDeque, sync::LazyLock, time::Duration};

use bytes::Bytes;
use http::uri::PathAndQuery;
use portico_service::Backend;
use thiserror::Error;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming, client::Grpc};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse,
    server_reflection_request::MessageRequest as Ask,
    server_reflection_response::MessageResponse as Answer,
};

use super::descriptors::Descriptors;

/// The two versions differ in the name of the package and in nothing on the wire.
const VERSIONS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// How long a server may take for all of its answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most files that one server may have: its descriptors are held in memory.
const MOST_FILES: usize = 2048;

/// The most services that one server may offer.
const MOST_SERVICES: usize = 1024;

/// The most bytes that one server's descriptors may have. Taken apart they are many times larger.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The most bytes of one answer, which is as much as most gRPC libraries take.
const MOST_BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

/// Files that nearly every contract imports and some servers forget to offer.
static KNOWN: LazyLock<Descriptors> = LazyLock::new(|| {
    Descriptors::embedded(portico_proto::DESCRIPTOR_SET).expect("the embedded set is valid")
});

/// Why a server's descriptors were not to be had.
#[derive(Debug, Error)]
pub enum Error {
    #[error("reflection failed: {0}")]
    Call(#[from] Status),
    #[error("reflection took more than {} s", PATIENCE.as_secs())]
    Slow,
    #[error("reflection answered something else than was asked")]
    Answer,
    #[error("the server does not know {name}: {message}")]
    Unknown { name: String, message: String },
    #[error("a file does not decode: {0}")]
    File(#[from] prost::DecodeError),
    #[error(
        "the descriptors are larger than {MOST_SERVICES} services, {MOST_FILES} files or {MOST_BYTES} bytes"
    )]
    Large,
}

/// Fetches the descriptors of every service that the server lists.
pub async fn fetch(backend: &Backend) -> Result<Descriptors, Error> {
    timeout(PATIENCE, async {
        match Session::open(backend, VERSIONS[0]).await?.fetch().await {
            Err(Error::Call(status)) if status.code() == Code::Unimplemented => {
                Session::open(backend, VERSIONS[1]).await?.fetch().await
            }
            other => other,
        }
    })
    .await
    .map_err(|_elapsed| Error::Slow)?
}

/// One stream of questions and answers.
struct Session {
    asks: mpsc::Sender<ServerReflectionRequest>,
    start: Option<Start>,
    answers: Option<Streaming<ServerReflectionResponse>>,
    bytes: usize,
}

/// A call that has not been made: some servers answer its head only after the first question.
struct Start {
    client: Grpc<Backend>,
    path: PathAndQuery,
    questions: ReceiverStream<ServerReflectionRequest>,
}

impl Session {
    async fn open(backend: &Backend, path: &'static str) -> Result<Self, Error> {
        let mut client = Grpc::new(backend.clone()).max_decoding_message_size(MOST_BYTES_AT_ONCE);
        client.ready().await.map_err(Status::from_error)?;
        let (asks, questions) = mpsc::channel(1);
        let start = Start {
            client,
            path: PathAndQuery::from_static(path),
            questions: ReceiverStream::new(questions),
        };
        Ok(Self {
            asks,
            start: Some(start),
            answers: None,
            bytes: 0,
        })
    }

    async fn fetch(mut self) -> Result<Descriptors, Error> {
        let mut found = Descriptors::default();
        let Answer::ListServicesResponse(list) = self
            .ask("services", Ask::ListServices(String::new()))
            .await?
        else {
            return Err(Error::Answer);
        };
        if list.service.len() > MOST_SERVICES {
            return Err(Error::Large);
        }
        for service in list.service {
            found.offer(service.name);
        }
        let mut missing = VecDeque::new();
        for service in found.services().clone() {
            let ask = Ask::FileContainingSymbol(service.clone());
            for file in self.files(&service, ask).await? {
                missing.extend(found.insert(file)?.dependency);
            }
        }
        while let Some(name) = missing.pop_front() {
            if found.file(&name).is_some() {
                continue;
            }
            let files = match self.files(&name, Ask::FileByFilename(name.clone())).await {
                Err(Error::Unknown { name, message }) => match KNOWN.file(&name) {
                    Some(file) => vec![file.clone()],
                    None => return Err(Error::Unknown { name, message }),
                },
                other => other?,
            };
            for file in files {
                missing.extend(found.insert(file)?.dependency);
            }
            if found.file(&name).is_none() {
                return Err(Error::Answer);
            }
            if found.file_count() > MOST_FILES {
                return Err(Error::Large);
            }
        }
        Ok(found)
    }

    async fn files(&mut self, name: &str, ask: Ask) -> Result<Vec<Bytes>, Error> {
        let Answer::FileDescriptorResponse(response) = self.ask(name, ask).await? else {
            return Err(Error::Answer);
        };
        let files = response.file_descriptor_proto;
        self.bytes += files.iter().map(Vec::len).sum::<usize>();
        if self.bytes > MOST_BYTES {
            return Err(Error::Large);
        }
        Ok(files.into_iter().map(Bytes::from).collect())
    }

    async fn ask(&mut self, name: &str, ask: Ask) -> Result<Answer, Error> {
        let question = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(ask),
        };
        // A closed channel means that the call is over; the answers say why.
        drop(self.asks.send(question).await);
        if let Some(Start {
            mut client,
            path,
            questions,
        }) = self.start.take()
        {
            let codec = ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
            let call = client.streaming(Request::new(questions), path, codec);
            self.answers = Some(call.await?.into_inner());
        }
        let answers = self.answers.as_mut().ok_or(Error::Answer)?;
        let response = answers.message().await?.ok_or(Error::Answer)?;
        match response.message_response.ok_or(Error::Answer)? {
            Answer::ErrorResponse(error) => Err(Error::Unknown {
                name: name.to_owned(),
                message: error.error_message,
            }),
            answer => Ok(answer),
        }
    }
}
