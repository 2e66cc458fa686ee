//! A folder, or a file, behind SFTP as something to back up.

mod owners;
mod read;
mod root;
mod scan;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use kloset_connector::layer::Retrier;
use kloset_connector::{
    ConnectorContext, ConnectorError, ContentSink, Location, Options, ReadRequest, ScanOptions, ScanSink,
    Source, SourceInfo,
};

use self::root::Root;
use crate::channel::Channel;
use crate::mailbox::Patience;
use crate::pool::Pool;
use crate::target::Target;

/// Something to back up on an SFTP server. Connects on first use, and anew after a loss.
pub struct SftpSource {
    pool: Pool,
    retrier: Retrier,
    root: OnceLock<Root>,
}

impl SftpSource {
    /// Makes the source without connecting.
    pub fn new(
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        let target = Target::parse(location, options)?;
        Ok(Self {
            pool: Pool::new(target, context.clone()),
            retrier: Retrier::new(context.clone()),
            root: OnceLock::new(),
        })
    }

    /// Connects and waits until all wanted channels are open; returns their number. Only
    /// measurements need this.
    pub fn warm_up(&self) -> Result<usize, ConnectorError> {
        self.pool.settle(&self.pool.patience())
    }

    fn root(&self) -> Result<&Root, ConnectorError> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let found = self.retrier.run(|| Root::resolve(&self.pool))?;
        Ok(self.root.get_or_init(|| found))
    }
}

impl Source for SftpSource {
    fn info(&self) -> Result<SourceInfo, ConnectorError> {
        Ok(SourceInfo {
            kind: "sftp".to_owned(),
            origin: self.pool.target().origin.clone(),
            directory: self.root()?.directory.clone(),
        })
    }

    fn scan(&self, options: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError> {
        scan::scan(&self.pool, &self.retrier, self.root()?, options, sink)
    }

    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError> {
        read::read(&self.pool, &self.retrier, &requests, sink)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        let connected = self.pool.channel(&self.pool.patience()).map(drop);
        let good = connected.is_ok();
        report("connect", connected);
        if !good {
            return;
        }
        let found = Root::resolve(&self.pool);
        let readable = found.as_ref().is_ok_and(|root| root.directory_is_root);
        let directory = found.as_ref().map(|root| root.directory.clone()).unwrap_or_default();
        let good = found.is_ok();
        report("path", found.map(drop));
        if good && readable {
            report("read", root::try_reading(&self.pool, &directory));
        }
    }
}

/// The channels as a long operation sees them: lost ones are replaced by the rules of retry.
pub(crate) struct Reconnect<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) retrier: &'a Retrier,
    wait: Duration,
    lost_at: Option<(Instant, ConnectorError)>,
}

impl<'a> Reconnect<'a> {
    pub(crate) fn new(pool: &'a Pool, retrier: &'a Retrier) -> Self {
        retrier.progress();
        Self { pool, retrier, wait: retrier.policy().first_wait, lost_at: None }
    }

    /// Something was achieved.
    pub(crate) fn progress(&mut self) {
        self.retrier.progress();
        self.wait = self.retrier.policy().first_wait;
    }

    /// A request came back without an answer. An error that no retry can help is given back.
    pub(crate) fn note_loss(&mut self, error: ConnectorError) -> Result<(), ConnectorError> {
        if !error.is_transient() {
            return Err(error);
        }
        self.lost_at.get_or_insert((Instant::now(), error));
        Ok(())
    }

    /// Live channels; after a loss, waits as the rules say and connects again.
    pub(crate) fn channels(&mut self, patience: &Patience) -> Result<Vec<Arc<Channel>>, ConnectorError> {
        // While other channels live, they carry on without a pause.
        if let Some((started, error)) = self.lost_at.take()
            && !self.pool.is_connected()
        {
            self.retrier.pause(&mut self.wait, started, error)?;
        }
        loop {
            let started = Instant::now();
            match self.pool.channels(patience) {
                Ok(channels) => return Ok(channels),
                Err(error) if error.is_transient() => {
                    self.retrier.pause(&mut self.wait, started, error)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The least busy channel that can take another open file; `None` if all are full.
    pub(crate) fn roomy(channels: &[Arc<Channel>]) -> Option<Arc<Channel>> {
        channels
            .iter()
            .filter(|channel| channel.has_room() || channel.is_lost())
            .min_by_key(|channel| channel.load())
            .map(Arc::clone)
    }
}
