//! What a plan's `dunning` may say.

use super::*;

fn read(stages: &serde_json::Value) -> Result<Schedule, String> {
    let policy = serde_json::from_value(json!({ "stages": stages })).unwrap();
    Schedule::read(Some(&policy)).map_err(|error| error.to_string())
}

#[test]
fn without_a_word_it_is_the_default() {
    use DunningStage::{Limited, Reminder, Suspended, Warning};
    let default = Schedule::Days(vec![
        (Reminder, 1),
        (Warning, 4),
        (Limited, 7),
        (Suspended, 8),
    ]);
    assert_eq!(Schedule::read(None), Ok(default));
}

#[test]
fn the_order_in_which_stages_are_written_does_not_matter() {
    let one = read(&json!([{"stage": "Suspended", "day": 9}, {"stage": "Reminder", "day": 2}]));
    let other = read(&json!([{"stage": "Reminder", "day": 2}, {"stage": "Suspended", "day": 9}]));
    assert_eq!(one, other);
}

#[test]
fn what_cannot_be_names_the_field_and_the_cure() {
    for (stages, message) in [
        (
            json!([]),
            "spec.dunning.stages: name at least one stage, or leave spec.dunning out for the default",
        ),
        (
            json!([{"stage": "Reminder"}]),
            "spec.dunning.stages[0]: set exactly one of day and attempts",
        ),
        (
            json!([{"stage": "Reminder", "day": 1, "attempts": 1}]),
            "spec.dunning.stages[0]: set exactly one of day and attempts",
        ),
        (
            json!([{"stage": "Reminder", "day": 1}, {"stage": "Warning", "attempts": 2}]),
            "spec.dunning.stages[1]: give every stage a day, or every stage a number of attempts",
        ),
        (
            json!([{"stage": "Reminder", "day": 0}]),
            "spec.dunning.stages[0]: 0 is not between 1 and 365",
        ),
        (
            json!([{"stage": "Reminder", "attempts": 101}]),
            "spec.dunning.stages[0]: 101 is not between 1 and 100",
        ),
        (
            json!([{"stage": "Reminder", "day": 1}, {"stage": "Reminder", "day": 2}]),
            "spec.dunning.stages: names Reminder twice",
        ),
        (
            json!([{"stage": "Suspended", "day": 3}, {"stage": "Warning", "day": 4}]),
            "spec.dunning.stages: Suspended has to begin later than Warning; give it a higher number",
        ),
        (
            json!([{"stage": "Warning", "day": 4}, {"stage": "Limited", "day": 4}]),
            "spec.dunning.stages: Limited has to begin later than Warning; give it a higher number",
        ),
    ] {
        assert_eq!(read(&stages), Err(message.to_owned()), "{stages}");
    }
}
