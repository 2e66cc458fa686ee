//! Versions of packages: semantic, with a leading `v`; `v1` and `v1.2` count as `v1.0.0` and `v1.2.0`.

use std::cmp::Ordering;

use semver::Version;

/// The version as numbers, if the text is one.
pub fn parse(text: &str) -> Option<Version> {
    let rest = text.strip_prefix('v')?;
    let core = rest.split(['-', '+']).next()?;
    match core.matches('.').count() {
        2 => Version::parse(rest).ok(),
        // Short forms have no suffix.
        missing if core == rest => Version::parse(&format!("{core}{}", [".0.0", ".0"].get(missing)?)).ok(),
        _ => None,
    }
}

/// Whether the text is a version.
pub fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

/// Which of two versions is newer; what is no version is older than all.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        // Build metadata does not count.
        (Some(a), Some(b)) => a.cmp_precedence(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_a_leading_v() {
        for good in ["v1", "v1.2", "v1.2.3", "v1.1.0-beta.5", "v0.1.0+x"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "1.2.3", "v", "v1.2.3.4", "v01.2.3", "v1-beta", "va", "v1.2.3-"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn betas_come_before_their_release() {
        assert_eq!(compare("v1.1.0-beta.5", "v1.1.0-beta.12"), Ordering::Less);
        assert_eq!(compare("v1.1.0-beta.5", "v1.1.0"), Ordering::Less);
        assert_eq!(compare("v1.2", "v1.2.0"), Ordering::Equal);
        assert_eq!(compare("v10.0.0", "v9.0.0"), Ordering::Greater);
    }
}
