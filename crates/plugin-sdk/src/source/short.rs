//! Short contents for a host of ours: one call for all of them, many to a message.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Opened;
use crate::context::Slot;
use crate::wire::kloset::source_server::Source;
use crate::wire::kloset::{Content, Failure, ReadRequest, ReadResponse};

/// Contents that may wait for a message; the host limits how many it wants at the same time.
const CONTENTS_WAITING: usize = 256;
/// Contents of one message.
const CONTENTS_TOGETHER: usize = 32;
/// Messages that may wait for the connection.
const MESSAGES_WAITING: usize = 2;

/// Reads from the source of the slot.
pub(super) struct Short {
    pub(super) opened: Arc<Slot<Opened>>,
}

#[tonic::async_trait]
impl Source for Short {
    type ReadStream = ReceiverStream<Result<ReadResponse, Status>>;

    async fn read(
        &self,
        request: Request<Streaming<ReadRequest>>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let opened = self.opened.get()?;
        let (answers, contents) = mpsc::channel(CONTENTS_WAITING);
        let (sender, messages) = mpsc::channel(MESSAGES_WAITING);
        tokio::spawn(ask(opened, request.into_inner(), answers));
        tokio::spawn(send(contents, sender));
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

async fn ask(opened: Arc<Opened>, mut requests: Streaming<ReadRequest>, answers: mpsc::Sender<Content>) {
    while let Ok(Some(message)) = requests.message().await {
        for wanted in message.wanted {
            let token = wanted.token;
            if let Err(status) = opened.readers.want(wanted, &answers) {
                let failure = Failure { message: status.message().to_owned(), ..Default::default() };
                let _ = answers.send(Content { token, failure: Some(failure), ..Default::default() }).await;
            }
        }
    }
}

/// Sends what is ready, and waits for nothing to fill a message.
async fn send(mut contents: mpsc::Receiver<Content>, sender: mpsc::Sender<Result<ReadResponse, Status>>) {
    loop {
        let mut together = Vec::new();
        if contents.recv_many(&mut together, CONTENTS_TOGETHER).await == 0 {
            return;
        }
        if sender.send(Ok(ReadResponse { contents: together })).await.is_err() {
            return;
        }
    }
}
