//! `plakar mount`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use http_server::Listener;
use kloset_connector::error::io_message;
use plakar_browse::fuse::{self, Audience};
use plakar_browse::web::{Settings, Site};
use plakar_browse::{Ids, View};

use crate::app::App;
use crate::commands::{Run, server};
use crate::error::{Failure, Outcome};
use crate::filters::{Filters, SnapshotArgument, select_filtered};
use crate::open::{self, Opened};
use crate::served;

/// Show snapshots as a folder or as web pages
#[derive(Parser)]
#[command(
    name = "mount",
    long_about = "Mounts the snapshots on a folder through FUSE, read only: one folder for each snapshot, or the \
                  directory that ID[:PATH] names. With -to http://HOST:PORT, a web server shows the same as pages, to \
                  whoever reaches it. Stays until it is interrupted or unmounted. Snapshots made later are not seen."
)]
pub struct Mount {
    /// Folder to mount on, or http://HOST:PORT
    #[arg(long, value_name = "DIR|http://HOST:PORT")]
    to: Option<OsString>,

    /// Let other users look as well, as far as the recorded modes allow
    #[arg(long)]
    allow_others: bool,

    #[command(flatten)]
    filters: Filters,

    /// Snapshot and directory to show instead of all snapshots
    #[arg(value_name = "ID[:PATH]")]
    argument: Option<OsString>,
}

impl Run for Mount {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let Some(to) = &self.to else {
            return Err(Failure::usage("say where: mount -to DIR, or mount -to http://HOST:PORT"));
        };
        match to.to_str().and_then(|text| text.strip_prefix("http://")) {
            Some(address) => self.serve_pages(app, address.trim_end_matches('/')),
            None => self.mount_on(app, &app.working_directory().join(to)),
        }
    }
}

impl Mount {
    fn mount_on(&self, app: &App, folder: &Path) -> Result<Outcome, Failure> {
        let failed = |error: std::io::Error| {
            Failure::refused(format!("cannot mount on {}: {}", folder.display(), io_message(&error)))
        };
        let stat = std::fs::metadata(folder).map_err(failed)?;
        if !stat.is_dir() {
            return Err(Failure::refused(format!("cannot mount on {}: not a directory", folder.display())));
        }
        let opened = open::open(app)?;
        let view = self.view(app, &opened, Ids::Short)?;
        let audience = if self.allow_others { Audience::Others } else { Audience::Owner };
        let text = format!("mounted repository {} at {}", opened.shown(), folder.display());
        let ui = Arc::clone(&app.ui);
        let ready = || {
            app.ui.info(&text);
            let _ = app.ui.flush();
        };
        let stop = app.connector_context().interrupted;
        fuse::mount(view, folder, audience, move |error| ui.error(error), ready, &stop).map_err(failed)?;
        Ok(Outcome::Done)
    }

    fn serve_pages(&self, app: &App, address: &str) -> Result<Outcome, Failure> {
        let listener = Listener::bind(address, None).map_err(|error| server::failure(&error))?;
        let url = listener.url().map_err(|error| server::failure(&error))?;
        let opened = open::open(app)?;
        let view = self.view(app, &opened, Ids::Full)?;
        let ui = Arc::clone(&app.ui);
        let site = Site::new(view, Settings::default(), move |error| ui.error(error));
        app.ui.info(&format!("mounted repository {} at {url}", opened.shown()));
        app.ui.flush()?;
        served::until_interrupted(app, listener, site)
    }

    fn view(&self, app: &App, opened: &Opened, ids: Ids) -> Result<View, Failure> {
        let Some(argument) = &self.argument else { return Ok(snapshots(app, opened, &self.filters, ids)) };
        let argument = SnapshotArgument::parse(argument);
        let snapshot = argument.find(&opened.repository)?;
        let found = snapshot.resolve(&snapshot.absolute(&argument.path))?;
        if !found.entry.info.mode.is_directory() {
            let path = PathBuf::from(String::from_utf8_lossy(&found.path).into_owned());
            return Err(Failure::refused(format!("{}: not a directory", path.display())));
        }
        Ok(View::of_directory(snapshot, found.path))
    }
}

/// All snapshots that pass; those that cannot be read have been reported.
pub fn snapshots(app: &App, opened: &Opened, filters: &Filters, ids: Ids) -> View {
    View::of_snapshots(select_filtered(&opened.repository, &app.ui, "", filters).snapshots, ids)
}
