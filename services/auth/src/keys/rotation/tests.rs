use super::*;

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
}

fn key(kid: &str, activate: i64, retire: Option<DateTime<Utc>>) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        algorithm: Algorithm::Es256,
        activate_time: at(activate),
        retire_time: retire,
        sealed: Vec::new(),
    }
}

/// A key signs for ten hours and its tokens live for one.
fn schedule() -> Schedule {
    Schedule::new(Algorithm::Es256, 36_000, 3_600)
}

#[test]
fn the_first_plan_makes_a_key_that_signs_and_the_next_one() {
    let plan = schedule().plan(&[], at(0));
    assert_eq!(plan.create, [at(0), at(10)]);
    assert!(plan.retire.is_empty() && plan.remove.is_empty());
}

#[test]
fn nothing_is_to_do_while_one_signs_and_the_next_one_waits() {
    let keys = [
        key("a", 0, Some(at(11) + TimeDelta::seconds(60))),
        key("b", 10, None),
    ];
    assert_eq!(schedule().plan(&keys, at(9)), Plan::default());
}

#[test]
fn when_the_next_one_begins_another_is_made_and_the_old_one_is_kept_for_its_tokens() {
    let retire = at(11) + TimeDelta::seconds(60);
    let keys = [key("a", 0, Some(retire)), key("b", 10, None)];
    let plan = schedule().plan(&keys, at(10));
    assert_eq!(plan.create, [at(20)]);
    assert_eq!(
        plan.retire,
        [("b".to_owned(), at(21) + TimeDelta::seconds(60))]
    );
    assert!(plan.remove.is_empty());
    assert!(schedule().plan(&keys, at(11)).remove.is_empty());
    assert_eq!(schedule().plan(&keys, retire).remove, ["a"]);
}

#[test]
fn a_key_without_a_successor_is_given_its_end_when_one_is_planned() {
    let plan = schedule().plan(&[key("a", 0, None)], at(1));
    assert_eq!(plan.create, [at(10)]);
    assert_eq!(
        plan.retire,
        [("a".to_owned(), at(11) + TimeDelta::seconds(60))]
    );
}

#[test]
fn after_a_long_sleep_the_next_key_is_still_published_before_it_signs() {
    let keys = [key("a", 0, Some(at(12))), key("b", 10, None)];
    let plan = schedule().plan(&keys, at(500));
    assert_eq!(plan.create, [at(500) + TimeDelta::minutes(10)]);
    assert_eq!(plan.remove, ["a"]);
}

#[test]
fn nobody_caches_the_set_for_as_long_as_a_key_is_published_ahead() {
    for period in [2, 60, 3_600, 2_592_000] {
        let schedule = Schedule::new(Algorithm::Es256, period, 600);
        assert!(schedule.max_age() < schedule.ahead, "{period}");
        assert!(schedule.ahead < schedule.period, "{period}");
    }
    assert_eq!(
        Schedule::new(Algorithm::Es256, 2_592_000, 600).max_age(),
        TimeDelta::minutes(5)
    );
}

#[test]
fn another_algorithm_is_a_rotation_as_soon_as_its_key_was_published_ahead() {
    let schedule = Schedule {
        algorithm: Algorithm::EdDsa,
        ..schedule()
    };
    let keep = TimeDelta::hours(1) + TimeDelta::seconds(60);
    let keys = [key("a", 0, Some(at(10) + keep)), key("b", 10, None)];
    let plan = schedule.plan(&keys, at(3));
    let switch = at(3) + TimeDelta::minutes(10);
    assert_eq!(plan.remove, ["b"], "it would never sign");
    assert_eq!(plan.create, [switch]);
    assert_eq!(plan.retire, [("a".to_owned(), switch + keep)]);

    // A key that is about to sign, or does by somebody's clock, is let sign first.
    let late = at(10) - TimeDelta::minutes(5);
    assert_eq!(schedule.plan(&keys, late), Plan::default());
    let plan = schedule.plan(&keys, at(10));
    assert_eq!(plan.create, [at(10) + TimeDelta::minutes(10)]);
    assert_eq!(plan.retire.len(), 1);
    assert!(plan.remove.is_empty());

    let mut new = key("c", 0, None);
    (new.activate_time, new.algorithm) = (switch, Algorithm::EdDsa);
    let keys = [key("a", 0, Some(switch + keep)), new];
    assert_eq!(schedule.plan(&keys, at(3)), Plan::default());
}
