//! The words of actions that take a name and what belongs to it.

use clap::Args;

/// A name and its values, checked by the action.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Words {
    /// Name and what belongs to it
    #[arg(value_name = "WORD", num_args = 0..)]
    pub words: Vec<String>,
}
