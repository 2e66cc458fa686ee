//! Policies as they are written and read.

use super::*;

const NOW: Timestamp = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };

fn policy(pairs: &[(&str, &str)]) -> Policy {
    let mut policy = Policy::default();
    pairs.iter().for_each(|(key, value)| policy.set(key, value).unwrap());
    policy
}

#[test]
fn what_is_written_is_read_back() {
    let all = policy(&[
        ("name", "x: y"),
        ("tags", "a, b"),
        ("roots", "/srv"),
        ("before", "3 months"),
        ("since", "2020-01-02T00:00:00Z"),
        ("latest", "true"),
        ("days", "7"),
        ("per-day", "1"),
        ("mondays", "4"),
        ("group-by", "root"),
        ("years", "0"),
    ]);
    let policies = Policies::from([("p".to_owned(), all.clone()), ("empty".to_owned(), Policy::default())]);
    let text = write(&policies, NOW);
    assert_eq!(read(&text).unwrap(), policies, "{text}");
    assert!(text.contains("before: 2023-08-14T22:13:20Z\n"), "{text}");
    assert!(text.contains("before_text: 3 months\n") && !text.contains("since_text"), "{text}");
    assert!(
        text.contains("            day:\n                keep: 7\n                cap: 1\n")
            || text.contains("cap: 1\n"),
        "{text}"
    );
    assert!(!all.0.contains_key("years"));
}

#[test]
fn bad_keys_and_values_are_refused() {
    let mut policy = Policy::default();
    for (key, value, why) in
        [("x", "1", "invalid key"), ("days", "-1", "negative value"), ("days", "z", "invalid value: z")]
    {
        assert_eq!(policy.set(key, value), Err(why.to_owned()));
    }
    assert!(policy.set("before", "whenever").is_err());
}

#[test]
fn the_line_overrides_the_policy() {
    let policy = policy(&[("name", "a"), ("days", "7"), ("weeks", "4"), ("tags", "t"), ("ids", "ab,cd")]);
    let mut filters = Filters::default();
    filters.names.name = Some("b".to_owned());
    let mut retention = Retention::default();
    assert!(retention.set_default("days", 1));
    let ids = policy.apply(&mut filters, &mut retention).unwrap();
    assert_eq!(filters.names.name.as_deref(), Some("b"));
    assert_eq!(filters.names.tag, ["t"]);
    assert_eq!(ids, ["ab", "cd"]);
    let rules: Vec<_> = retention.rules().into_iter().map(|rule| (rule.word, rule.window)).collect();
    assert_eq!(rules, [("day", Some(1)), ("week", Some(4))]);
}
