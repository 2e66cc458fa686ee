//! The pages of the manual: which there are, what they say beyond the definitions, and man pages.

use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::cli::help;
use crate::cli::parse::program;
use crate::commands;

/// One page: the program, a command, or an action of a command.
pub struct Page {
    /// Words after the program's name.
    pub words: Vec<String>,
    /// What is defined.
    pub command: Command,
}

/// A list that no definition holds.
pub struct Topic {
    /// In capitals.
    pub title: &'static str,
    /// Terms and what they mean.
    pub items: &'static [(&'static str, &'static str)],
}

/// What the program's own page says beyond its flags and commands.
pub const TOPICS: [Topic; 3] = [
    Topic {
        title: "LOCATIONS",
        items: &[
            ("PATH, fs:PATH", "A folder of this machine; a PATH that ends in .ptar is a single-file store"),
            ("sftp://[USER@]HOST[:PORT]/PATH", "A folder behind SFTP, reached with the system's ssh"),
            ("http://HOST[:PORT], https://HOST[:PORT]", "A store that `plakar server` serves"),
            ("ptar+http://HOST/FILE, ptar+https://…", "A single-file store on a web server; read only"),
            ("stdin:[/NAME], tar:FILE", "Sources: standard input as one file, the members of an archive"),
            ("stdout:, stderr:", "Destinations: one file on standard output, or on standard error"),
            (
                "@NAME, @NAME:PATH",
                "An entry of the configuration; PATH is joined to it, or replaces its path",
            ),
        ],
    },
    Topic {
        title: "ENVIRONMENT",
        items: &[
            ("PLAKAR_REPOSITORY", "Store when there is no `at`"),
            ("PLAKAR_PASSPHRASE", "Passphrase, after -keyfile and the options of the store's entry"),
            ("PLAKAR_PEER_PASSPHRASE", "Passphrase of the other store of a sync"),
            ("PLAKAR_TAGS", "Tags of backups without -tag"),
            ("PLAKAR_GRACEPERIOD", "How long maintenance keeps what is not used; 168h by default"),
            ("PLAKAR_NODELETION", "true: maintenance keeps the files of packfiles"),
            ("PLAKAR_LOCKLESS", "true: no locks are taken; for stores that nobody else writes"),
            ("PLAKAR_SERVER_TOKEN", "Token between `plakar server` and those who use its store"),
            ("PLAKAR_UI_TOKEN", "Token of `plakar ui` instead of a random one"),
            ("PLAKAR_TOKEN", "Token for the package server, instead of that of `plakar login`"),
            ("XDG_CONFIG_HOME, XDG_CACHE_HOME, XDG_DATA_HOME", "Where the three directories are"),
        ],
    },
    Topic {
        title: "EXIT STATUS",
        items: &[
            ("0", "Done, completely"),
            ("1", "Failed"),
            ("2", "Unknown flag or bad value of one"),
            ("3", "Partly done: some entries could not be read or restored, some snapshots not copied"),
            ("64", "Wrong words on the line"),
            ("65", "Damaged data"),
            ("66", "The store cannot be opened"),
            ("69", "The source or destination cannot be reached or refuses the login"),
            ("75", "Locked by another client"),
            ("77", "Passphrase wrong or missing"),
            ("78", "Store of another version"),
            ("130, 143", "Interrupted"),
        ],
    },
];

/// The whole program as one definition, hidden commands left out.
pub fn whole() -> Command {
    let program = program();
    // Not the words that the commands are found in.
    let flags = program.get_arguments().filter(|argument| !argument.is_positional());
    let mut whole = Command::new("plakar").disable_help_flag(true).disable_help_subcommand(true).args(flags);
    if let Some(about) = program.get_about() {
        whole = whole.about(about.clone());
    }
    for entry in commands::all().iter().filter(|entry| !entry.hidden) {
        whole = whole.subcommand((entry.definition)());
    }
    whole
}

/// Every page, in order.
pub fn pages() -> Vec<Page> {
    let mut pages = vec![Page { words: Vec::new(), command: whole() }];
    for entry in commands::all().iter().filter(|entry| !entry.hidden) {
        let command = (entry.definition)();
        let name = entry.name.to_owned();
        pages.push(Page { words: vec![name.clone()], command: command.clone() });
        for action in command.get_subcommands() {
            let words = vec![name.clone(), action.get_name().to_owned()];
            pages.push(Page { words, command: action.clone() });
        }
    }
    pages
}

impl Page {
    /// `plakar-store-add`.
    pub fn name(&self) -> String {
        std::iter::once("plakar").chain(self.words.iter().map(String::as_str)).collect::<Vec<_>>().join("-")
    }

    /// The page for `man`.
    pub fn roff(&self) -> io::Result<String> {
        let name = self.name();
        let usage = help::synopsis(&self.command, &self.words.join(" "));
        let command = self.command.clone().display_name(name.clone()).override_usage(usage);
        let man = Man::new(command).title(&name).section("1").source("plakar").manual("Plakar");
        let mut out = Vec::new();
        man.render_title(&mut out)?;
        man.render_name_section(&mut out)?;
        man.render_synopsis_section(&mut out)?;
        man.render_description_section(&mut out)?;
        if self.command.get_arguments().any(|argument| !argument.is_hide_set()) {
            man.render_options_section(&mut out)?;
        }
        if self.command.has_subcommands() {
            man.render_subcommands_section(&mut out)?;
        }
        let text = String::from_utf8(out).map_err(io::Error::other)?;
        // Both spellings of a flag work; one dash is the one that is documented. Nobody types brackets.
        let mut text =
            text.replace("\\fB\\-\\-", "\\fB\\-").replace("\\fI<", "\\fI").replace(">\\fR", "\\fR");
        if self.words.is_empty() {
            TOPICS.iter().for_each(|topic| text.push_str(&topic_roff(topic)));
        }
        text.push_str(&see_also(&self.words));
        Ok(text)
    }
}

fn topic_roff(topic: &Topic) -> String {
    let mut out = format!(".SH {}\n", topic.title);
    for (term, meaning) in topic.items {
        out.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", escaped(term), escaped(meaning)));
    }
    out
}

fn see_also(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [_] => ".SH SEE ALSO\n\\fBplakar\\fR(1)\n".to_owned(),
        [command, ..] => format!(".SH SEE ALSO\n\\fBplakar\\fR(1), \\fBplakar\\-{command}\\fR(1)\n"),
    }
}

/// Text for roff; none of ours begins with a dot or an apostrophe.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
