//! `plakar policy`.

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use crate::app::App;
use crate::commands::Run;
use crate::commands::words::Words;
use crate::config::policies::{self, Policies};
use crate::error::{Failure, Outcome};

/// Manage rules for prune
#[derive(Parser)]
#[command(
    name = "policy",
    long_about = "A policy is a name for filters and retention rules. Keys are the names of the flags: name, \
                  category, environment, perimeter, job, tags, roots, ids, before, since, latest, group-by, \
                  days, per-day and so on."
)]
pub struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
enum Action {
    /// Add a policy
    #[command(mut_arg("words", |words| words.value_name("NAME [KEY=VALUE…]")))]
    Add(Words),
    /// Remove a policy
    #[command(mut_arg("words", |words| words.value_name("NAME")))]
    Rm(Words),
    /// Set keys of a policy
    #[command(mut_arg("words", |words| words.value_name("NAME KEY=VALUE…")))]
    Set(Words),
    /// Show policies
    Show(Show),
    /// Remove keys of a policy
    #[command(mut_arg("words", |words| words.value_name("NAME KEY…")))]
    Unset(Words),
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Show {
    /// As YAML (default)
    #[arg(long)]
    yaml: bool,

    /// As JSON, one object a line
    #[arg(long)]
    json: bool,

    /// Policies to show, all by default
    #[arg(value_name = "NAME", num_args = 0..)]
    names: Vec<String>,
}

impl Run for Policy {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        match self.action {
            Action::Add(words) => add(app, &words.words),
            Action::Rm(words) => remove(app, &words.words),
            Action::Set(words) => set(app, &words.words),
            Action::Show(show) => show.run(app),
            Action::Unset(words) => unset(app, &words.words),
        }
    }
}

fn missing(name: &str) -> Failure {
    Failure::refused(format!("policy \"{name}\" does not exist"))
}

fn usage(words: &str) -> Failure {
    Failure::usage(format!("Usage: plakar policy {words}"))
}

fn change(app: &App, change: impl FnOnce(&mut Policies) -> Result<(), Failure>) -> Result<Outcome, Failure> {
    policies::update(&app.directories.config, app.now(), change)?;
    Ok(Outcome::Done)
}

fn set_pairs(policy: &mut policies::Policy, pairs: &[String], words: &str) -> Result<(), Failure> {
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or_else(|| usage(words))?;
        policy
            .set(key, value)
            .map_err(|why| Failure::refused(format!("failed to set key \"{key}\": {why}")))?;
    }
    Ok(())
}

fn add(app: &App, words: &[String]) -> Result<Outcome, Failure> {
    const USAGE: &str = "add <name> [<key>=<value>...]";
    let [name, pairs @ ..] = words else { return Err(usage(USAGE)) };
    change(app, |all| {
        if all.contains_key(name) {
            return Err(Failure::refused(format!("policy \"{name}\" already exists")));
        }
        let mut policy = policies::Policy::default();
        set_pairs(&mut policy, pairs, USAGE)?;
        all.insert(name.clone(), policy);
        Ok(())
    })
}

fn set(app: &App, words: &[String]) -> Result<Outcome, Failure> {
    const USAGE: &str = "set <name> <key>=<value>...";
    let [name, pairs @ ..] = words else { return Err(usage(USAGE)) };
    if pairs.is_empty() {
        return Err(usage(USAGE));
    }
    change(app, |all| set_pairs(all.get_mut(name).ok_or_else(|| missing(name))?, pairs, USAGE))
}

fn unset(app: &App, words: &[String]) -> Result<Outcome, Failure> {
    let [name, keys @ ..] = words else { return Err(usage("unset <name> <key>...")) };
    change(app, |all| {
        let policy = all.get_mut(name).ok_or_else(|| missing(name))?;
        policy.0.retain(|key, _| !keys.contains(key));
        Ok(())
    })
}

fn remove(app: &App, words: &[String]) -> Result<Outcome, Failure> {
    let [name] = words else { return Err(usage("rm <name>")) };
    change(app, |all| all.remove(name).map(|_| ()).ok_or_else(|| missing(name)))
}

impl Show {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        if self.yaml && self.json {
            return Err(Failure::usage("only one of -yaml and -json can be given"));
        }
        let all = policies::load(&app.directories.config)?;
        let names: Vec<&String> =
            if self.names.is_empty() { all.keys().collect() } else { self.names.iter().collect() };
        let mut absent = false;
        for name in names {
            match all.get(name) {
                None => {
                    absent = true;
                    app.ui.report(&format!("entry \"{name}\" not found\n"));
                }
                Some(policy) if self.json => app.ui.result_json(&json!({ name: policy.0 }))?,
                Some(policy) => app.ui.result_bytes(policy.yaml(name, app.now()).as_bytes())?,
            }
        }
        if absent {
            return Err(Failure::refused("one or more policies do not exist"));
        }
        Ok(Outcome::Done)
    }
}
