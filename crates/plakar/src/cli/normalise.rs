//! Turns Go-style flags into what clap reads.
//!
//! `-name`, `--name`, `-name value` and `-name=value` are the same; booleans take a value only with
//! `=`; `--` ends flags. Which flags are boolean comes from the clap definitions themselves, so no
//! second table can disagree.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use clap::{Arg, ArgAction, Command};

/// How words after the first positional one are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterWords {
    /// They are left for whoever comes next.
    Leave,
    /// Flags are accepted among them.
    Accept,
}

/// Flags of another definition that are taken too, where the command has none of that name.
pub struct Outer<'a> {
    /// The definition.
    pub definition: &'a Command,
    /// Those met so far, as in [`Words::flags`].
    pub flags: &'a mut Vec<OsString>,
}

/// What the words of one level are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Flags, as `--name` or `--name=value`.
    pub flags: Vec<OsString>,
    /// Everything else.
    pub positional: Vec<OsString>,
}

/// Why words could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum WordError {
    /// `-h`, `-help`, `--help`.
    Help,
    /// A flag that does not exist, lacks its value, or has a bad one.
    Flag(String),
    /// An unknown flag after a positional word: the user should put flags first.
    Misplaced(String),
}

/// Reads `words` by the definitions of `command`; flags that only `outer` has go there.
pub fn normalise(
    command: &Command,
    words: &[OsString],
    after: AfterWords,
    mut outer: Option<&mut Outer<'_>>,
) -> Result<Words, WordError> {
    let mut out = Words::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            out.positional.extend(rest.cloned());
            break;
        }
        let Some((name, value)) = split_flag(bytes) else {
            out.positional.push(word.clone());
            if after == AfterWords::Leave {
                out.positional.extend(rest.cloned());
                break;
            }
            continue;
        };
        let name = std::str::from_utf8(name)
            .map_err(|_| WordError::Flag(format!("bad flag syntax: {}", word.to_string_lossy())))?;
        if name.is_empty() || name.starts_with('-') {
            return Err(WordError::Flag(format!("bad flag syntax: {}", word.to_string_lossy())));
        }
        if name == "h" || name == "help" {
            return Err(WordError::Help);
        }
        let (command, flags) = match outer.as_deref_mut() {
            Some(outer) if find_flag(command, name).is_none() => (outer.definition, &mut *outer.flags),
            _ => (command, &mut out.flags),
        };
        match boolean_flag(command, name) {
            None if out.positional.is_empty() => {
                return Err(WordError::Flag(format!("flag provided but not defined: -{name}")));
            }
            None => return Err(WordError::Misplaced(word.to_string_lossy().into_owned())),
            // Upstream reads it as one more path: a file of that name must not be mistaken for a flag.
            Some(_) if !out.positional.is_empty() && Path::new(word).symlink_metadata().is_ok() => {
                return Err(WordError::Misplaced(word.to_string_lossy().into_owned()));
            }
            Some(true) => take_boolean(flags, name, value)?,
            Some(false) => {
                let value = match value {
                    Some(value) => value.to_vec(),
                    None => match rest.next() {
                        Some(next) => next.as_bytes().to_vec(),
                        None => return Err(WordError::Flag(format!("flag needs an argument: -{name}"))),
                    },
                };
                if !repeatable(command, name) {
                    let earlier = format!("--{name}=").into_bytes();
                    flags.retain(|flag| !flag.as_bytes().starts_with(&earlier));
                }
                flags.push(flag_with_value(name, &value));
            }
        }
    }
    Ok(out)
}

/// Name and value of a word that looks like a flag; a lone `-` is a positional word.
fn split_flag(word: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let rest = word.strip_prefix(b"-")?;
    if rest.is_empty() {
        return None;
    }
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    Some(match rest.iter().position(|&b| b == b'=') {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    })
}

fn find_flag<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| {
        !argument.is_positional()
            && (argument.get_long() == Some(name)
                || argument.get_all_aliases().is_some_and(|aliases| aliases.contains(&name)))
    })
}

/// Whether the flag is boolean; `None` if there is no such flag.
fn boolean_flag(command: &Command, name: &str) -> Option<bool> {
    let argument = find_flag(command, name)?;
    Some(matches!(argument.get_action(), ArgAction::SetTrue | ArgAction::Count))
}

/// Whether every value of the flag counts; of the others, the last one does.
fn repeatable(command: &Command, name: &str) -> bool {
    find_flag(command, name).is_some_and(|argument| matches!(argument.get_action(), ArgAction::Append))
}

/// Adds a boolean flag, or takes it back: the last word counts.
fn take_boolean(flags: &mut Vec<OsString>, name: &str, value: Option<&[u8]>) -> Result<(), WordError> {
    let wanted = match value {
        None => true,
        Some(value) => go_boolean(value).ok_or_else(|| {
            let value = String::from_utf8_lossy(value);
            WordError::Flag(format!("invalid boolean value {value:?} for -{name}: parse error"))
        })?,
    };
    let word = OsString::from(format!("--{name}"));
    flags.retain(|flag| *flag != word);
    if wanted {
        flags.push(word);
    }
    Ok(())
}

fn go_boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Some(false),
        _ => None,
    }
}

fn flag_with_value(name: &str, value: &[u8]) -> OsString {
    let mut word = format!("--{name}=").into_bytes();
    word.extend_from_slice(value);
    OsString::from_vec(word)
}

/// The words as clap wants them: program name, flags, `--`, positional words.
pub fn for_clap(name: &str, words: Words) -> Vec<OsString> {
    let mut out = vec![OsString::from(name)];
    out.extend(words.flags);
    if !words.positional.is_empty() {
        out.push(OsString::from("--"));
        out.extend(words.positional);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("x")
            .arg(Arg::new("latest").long("latest").action(ArgAction::SetTrue))
            .arg(Arg::new("to").long("to").action(ArgAction::Set))
            .arg(Arg::new("words").action(ArgAction::Append).num_args(0..))
    }

    fn read(words: &[&str], after: AfterWords) -> Result<(String, String), WordError> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let join = |list: &[OsString]| {
            list.iter().map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        normalise(&command(), &words, after, None).map(|w| (join(&w.flags), join(&w.positional)))
    }

    #[test]
    fn all_spellings_of_a_flag_mean_the_same() {
        for words in [&["-to", "X"][..], &["--to", "X"], &["-to=X"], &["--to=X"]] {
            assert_eq!(read(words, AfterWords::Accept), Ok(("--to=X".into(), String::new())), "{words:?}");
        }
        assert_eq!(read(&["-to=a=b"], AfterWords::Accept), Ok(("--to=a=b".into(), String::new())));
        assert_eq!(read(&["-to", "-latest"], AfterWords::Accept), Ok(("--to=-latest".into(), String::new())));
        assert_eq!(read(&["-to=1", "-to", "2"], AfterWords::Accept), Ok(("--to=2".into(), String::new())));
    }

    #[test]
    fn the_last_word_about_a_boolean_counts() {
        assert_eq!(read(&["-latest"], AfterWords::Accept).unwrap().0, "--latest");
        assert_eq!(read(&["-latest", "-latest=false"], AfterWords::Accept).unwrap().0, "");
        assert_eq!(read(&["-latest=F", "--latest=1"], AfterWords::Accept).unwrap().0, "--latest");
        // A boolean never takes the next word.
        assert_eq!(read(&["-latest", "false"], AfterWords::Accept), Ok(("--latest".into(), "false".into())));
        assert!(matches!(read(&["-latest=maybe"], AfterWords::Accept), Err(WordError::Flag(_))));
    }

    #[test]
    fn flags_after_words_are_accepted_or_left() {
        assert_eq!(read(&["a", "-to", "X", "b"], AfterWords::Accept), Ok(("--to=X".into(), "a b".into())));
        assert_eq!(read(&["a", "-to", "X", "b"], AfterWords::Leave), Ok((String::new(), "a -to X b".into())));
        assert_eq!(read(&["--", "-to"], AfterWords::Accept), Ok((String::new(), "-to".into())));
        assert_eq!(read(&["-"], AfterWords::Accept), Ok((String::new(), "-".into())));
    }

    #[test]
    fn flags_of_the_outer_definition_are_kept_apart() {
        let outer = Command::new("p")
            .arg(Arg::new("quiet").long("quiet").action(ArgAction::SetTrue))
            .arg(Arg::new("cpu").long("cpu").action(ArgAction::Set))
            .arg(Arg::new("to").long("to").action(ArgAction::Set));
        let words = ["-cpu", "2", "a", "-quiet", "-to", "X", "--cpu=3"].map(OsString::from);
        let mut met = vec!["--cpu=1".into()];
        let mut taken = Outer { definition: &outer, flags: &mut met };
        let found = normalise(&command(), &words, AfterWords::Accept, Some(&mut taken)).unwrap();
        // The command's own flag comes first; of several words about one flag the last one counts.
        assert_eq!((found.flags, found.positional), (vec!["--to=X".into()], vec!["a".into()]));
        assert_eq!(met, ["--quiet", "--cpu=3"]);
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert_eq!(
            read(&["-nosuch"], AfterWords::Accept),
            Err(WordError::Flag("flag provided but not defined: -nosuch".into()))
        );
        assert_eq!(read(&["a", "-nosuch"], AfterWords::Accept), Err(WordError::Misplaced("-nosuch".into())));
        assert_eq!(
            read(&["-to"], AfterWords::Accept),
            Err(WordError::Flag("flag needs an argument: -to".into()))
        );
        for help in ["-h", "-help", "--help", "--h"] {
            assert_eq!(read(&[help], AfterWords::Accept), Err(WordError::Help));
        }
    }
}
