//! Whatever goes wrong, and wherever the process ends: a mail arrives at most once, and an event at
//! least once.

use std::time::Duration;

use proptest::prelude::*;

use super::model::{Fails, Operator, warning};
use crate::api::{NoticeKind, NoticeState};
use crate::converge::notice::Channel;
use crate::notify::Failure;

#[derive(Clone, Copy, Debug)]
enum Answer {
    Takes,
    Down,
    Later,
    Never,
    Unknown,
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => Just(Answer::Takes),
        1 => Just(Answer::Down),
        1 => Just(Answer::Later),
        1 => Just(Answer::Never),
        1 => Just(Answer::Unknown),
    ]
}

impl Answer {
    fn outcome(self) -> Result<(), Failure> {
        let why = "because".to_owned();
        match self {
            Self::Takes => Ok(()),
            Self::Down => Err(Failure::Down(why)),
            Self::Later => Err(Failure::Later(why)),
            Self::Never => Err(Failure::Never(why)),
            Self::Unknown => Err(Failure::Unknown(why)),
        }
    }
}

fn fails() -> impl Strategy<Value = Fails> {
    prop_oneof![Just(Fails::Before), Just(Fails::After)]
}

async fn live(mail: Vec<Answer>, events: Vec<Answer>, fails: Vec<Fails>, ends: Vec<usize>) {
    let never = |answers: &[Answer]| answers.iter().any(|a| matches!(a, Answer::Never));
    let may_refuse = never(&events);
    let mut operator = Operator::new();
    *operator.stripe.fails.lock().unwrap() = fails;
    for answer in mail {
        operator.mail.will(answer.outcome());
    }
    for answer in events {
        operator.events.will(answer.outcome());
    }
    for end in ends {
        operator.restart(Some(end));
        operator.settle(&warning(), Duration::from_secs(3600)).await;
        assert!(operator.mail.taken() <= 1);
    }
    operator.restart(None);
    let week = Duration::from_secs(7 * 24 * 3600);
    let statuses = operator.settle(&warning(), week).await;
    assert!(operator.mail.taken() <= 1, "mailed twice");
    let mark = operator.stripe.mark(NoticeKind::Warning);
    assert!(mark.is_over(Channel::Events), "{mark}");
    assert!(operator.events.taken() >= 1 || may_refuse);
    let is_uncertain = statuses.iter().any(|s| s.state == NoticeState::Uncertain);
    assert!(mark.is_over(Channel::Mail) || is_uncertain, "{mark}");
    assert_eq!(operator.outbox.lock().pending(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_mail_arrives_at_most_once_and_an_event_at_least_once(
        mail in prop::collection::vec(answer(), 0..4),
        events in prop::collection::vec(answer(), 0..4),
        fails in prop::collection::vec(fails(), 0..4),
        ends in prop::collection::vec(0_usize..16, 0..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(live(mail, events, fails, ends));
    }
}
