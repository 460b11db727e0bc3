//! Case by case.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::model::{Fails, Operator, tenant, warning};
use crate::api::{NoticeKind, NoticeState};
use crate::controller::outbox::world::Became;
use crate::controller::outbox::{Outbox, now};
use crate::converge::notice::{Channel, Sending};
use crate::notify::{Failure, Outcome};

const DAY: Duration = Duration::from_secs(24 * 3600);
const KIND: NoticeKind = NoticeKind::Warning;

fn later() -> Failure {
    Failure::Later("busy".into())
}

#[tokio::test(start_paused = true)]
async fn a_notice_is_sent_once_through_each_channel_and_both_marks_are_one() {
    let operator = Operator::new();
    assert_eq!(operator.settle(&warning(), DAY).await, []);
    let mark = operator.stripe.mark(KIND);
    assert!(mark.is_over(Channel::Mail) && mark.is_over(Channel::Events));
    assert_eq!(mark.by, "");
    assert_eq!((operator.mail.taken(), operator.events.taken()), (1, 1));
    assert_eq!(*operator.stripe.writes.lock().unwrap(), 2, "begun and sent");
    let told = operator.stripe.told.lock().unwrap().clone();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&(Channel::Mail, Became::Sent)));
    let sent = operator.metrics.count(KIND, Channel::Mail, Outcome::Sent);
    assert_eq!(sent, 1);
    // Due again, with the mark that is there now, and after a restart.
    assert_eq!(operator.settle(&warning(), DAY).await, []);
    let mut operator = operator;
    operator.restart(None);
    assert_eq!(operator.settle(&warning(), DAY).await, []);
    assert_eq!((operator.mail.taken(), operator.events.taken()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn while_a_mail_server_is_down_nothing_is_written_for_it_and_events_go_on() {
    let operator = Operator::new();
    operator.mail.goes_down();
    let statuses = operator.settle(&warning(), Duration::from_secs(60)).await;
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].state, NoticeState::Pending);
    assert_eq!(statuses[0].message.as_deref(), Some("the receiver is down"));
    assert_eq!(operator.events.taken(), 1);
    let mark = operator.stripe.mark(KIND);
    assert_eq!(mark.of(Channel::Mail), None);
    assert_eq!(*operator.stripe.writes.lock().unwrap(), 2, "for the event");

    operator.mail.comes_up();
    assert_eq!(operator.settle(&warning(), DAY).await, []);
    assert_eq!((operator.mail.taken(), operator.events.taken()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn one_probe_asks_for_all_and_waits_longer_each_time() {
    let operator = Operator::new();
    operator.mail.goes_down();
    let notices: Vec<_> = (0..50)
        .map(|at| {
            let mut notice = warning();
            notice.id = format!("{at}");
            notice
        })
        .collect();
    let shutdown = CancellationToken::new();
    let run = operator
        .outbox
        .run(operator.stripe.as_ref(), shutdown.clone());
    let watch = async {
        let offered = notices.iter().map(|notice| crate::converge::notice::Due {
            notice: notice.clone(),
            carrier: crate::converge::notice::Carrier::Invoice(format!("in_{}", notice.id)),
            occasion: String::new(),
            mark: crate::converge::notice::Mark::default(),
        });
        operator.outbox.offer(&tenant(), offered.collect());
        let start = tokio::time::Instant::now();
        operator.mail.tried(12).await;
        let took = start.elapsed();
        shutdown.cancel();
        took
    };
    let ((), took) = tokio::join!(run, watch);
    // The workers may ask at the same time at first; then 1 s, 2 s, 4 s and so on between probes.
    assert!(took > Duration::from_secs(60), "{took:?}");
    assert_eq!(operator.mail.deliveries(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_mail_whose_outcome_nobody_knows_is_uncertain_and_never_sent_again() {
    let mut operator = Operator::new();
    operator.mail.will(Err(Failure::Unknown("lost".into())));
    // So that nothing else is written into the mark.
    operator.events.goes_down();
    let statuses = operator.settle(&warning(), DAY).await;
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].state, NoticeState::Uncertain);
    let mark = operator.stripe.mark(KIND);
    assert!(matches!(mark.of(Channel::Mail), Some(Sending::Begun(_))));
    assert_eq!(mark.by, "", "not even this process takes it up again");
    // The same process, after it was forgotten meanwhile.
    assert_eq!(operator.offer_nothing(), []);
    let statuses = operator.settle(&warning(), DAY).await;
    assert_eq!(statuses[0].state, NoticeState::Uncertain);
    operator.restart(None);
    let statuses = operator.settle(&warning(), DAY).await;
    assert_eq!(statuses[0].state, NoticeState::Uncertain);
    assert_eq!((operator.mail.taken(), operator.mail.deliveries()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_outcome_nobody_knows_is_sent_again() {
    let operator = Operator::new();
    operator.events.will(Err(Failure::Unknown("lost".into())));
    assert_eq!(operator.settle(&warning(), DAY).await, []);
    assert_eq!(operator.events.taken(), 2);
    assert_eq!(operator.mail.taken(), 1);
    assert!(operator.stripe.mark(KIND).is_over(Channel::Events));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_now_is_tried_again_and_its_mark_taken_back() {
    let operator = Operator::new();
    for _ in 0..8 {
        operator.mail.will(Err(later()));
    }
    let statuses = operator.settle(&warning(), Duration::from_secs(10)).await;
    assert_eq!(statuses[0].message.as_deref(), Some("busy"));
    assert_eq!(operator.stripe.mark(KIND).of(Channel::Mail), None);
    assert_eq!(operator.settle(&warning(), 4 * DAY).await, []);
    assert_eq!((operator.mail.taken(), operator.mail.deliveries()), (1, 9));
    assert_eq!(operator.events.taken(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_noted_and_not_tried_again() {
    let mut operator = Operator::new();
    operator
        .mail
        .will(Err(Failure::Never("no such address".into())));
    let statuses = operator.settle(&warning(), DAY).await;
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].state, NoticeState::Refused);
    let message = statuses[0].message.as_deref().unwrap();
    assert!(message.contains("tenantbilling_told_warning off the metadata of in_1"));
    operator.restart(None);
    assert_eq!(operator.settle(&warning(), DAY).await, statuses);
    assert_eq!(operator.mail.deliveries(), 1);
    // A person has taken the mark away.
    operator.stripe.set_mark(KIND, "events:sent@5");
    assert_eq!(operator.settle(&warning(), DAY).await, []);
    assert_eq!(operator.mail.taken(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_began_is_uncertain_by_mail_and_sent_again_as_an_event() {
    let operator = Operator::new();
    operator
        .stripe
        .set_mark(KIND, "mail:sending@5 events:sending@5 by:another");
    let statuses = operator.settle(&warning(), DAY).await;
    assert_eq!(statuses[0].state, NoticeState::Uncertain);
    assert_eq!(
        (operator.mail.deliveries(), operator.events.taken()),
        (0, 1)
    );
    let told = operator.stripe.told.lock().unwrap().clone();
    assert!(told.contains(&(Channel::Mail, Became::Uncertain)));
    let mark = operator.stripe.mark(KIND);
    assert!(matches!(mark.of(Channel::Mail), Some(Sending::Begun(_))));
    assert!(mark.is_over(Channel::Events));
}

#[tokio::test(start_paused = true)]
async fn what_was_paid_meanwhile_is_not_told() {
    let operator = Operator::new();
    *operator.stripe.paid.lock().unwrap() = true;
    assert_eq!(operator.settle(&warning(), DAY).await, []);
    assert_eq!((operator.mail.taken(), operator.events.taken()), (0, 0));
    assert_eq!(*operator.stripe.writes.lock().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_offered_no_more_is_not_begun() {
    let operator = Operator::new();
    operator.mail.goes_down();
    operator.events.goes_down();
    let statuses = operator.settle(&warning(), Duration::from_secs(30)).await;
    assert_eq!(statuses.len(), 1);
    assert_eq!(operator.offer_nothing(), []);
    operator.mail.comes_up();
    operator.events.comes_up();
    let shutdown = CancellationToken::new();
    let run = operator
        .outbox
        .run(operator.stripe.as_ref(), shutdown.clone());
    let watch = async {
        tokio::time::sleep(DAY).await;
        shutdown.cancel();
    };
    tokio::join!(run, watch);
    assert_eq!(
        (operator.mail.deliveries(), operator.events.deliveries()),
        (0, 0)
    );
    assert_eq!(*operator.stripe.writes.lock().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_mark_whose_writing_fails_either_way_sends_one_mail_all_the_same() {
    for fails in [
        vec![Fails::Before],
        vec![Fails::After],
        // The last is the first.
        vec![Fails::Before, Fails::After],
        vec![Fails::After, Fails::Before, Fails::After],
    ] {
        let operator = Operator::new();
        operator.stripe.fails.lock().unwrap().clone_from(&fails);
        assert_eq!(operator.settle(&warning(), DAY).await, [], "{fails:?}");
        assert_eq!((operator.mail.taken(), operator.events.taken()), (1, 1));
        assert!(operator.stripe.mark(KIND).is_over(Channel::Mail));
    }
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_what_is_being_sent_is_finished_and_nothing_is_begun() {
    let operator = Operator::new();
    let shutdown = CancellationToken::new();
    operator.offer(&warning());
    shutdown.cancel();
    operator
        .outbox
        .run(operator.stripe.as_ref(), shutdown)
        .await;
    assert_eq!(*operator.stripe.writes.lock().unwrap(), 0);

    let shutdown = CancellationToken::new();
    let run = operator
        .outbox
        .run(operator.stripe.as_ref(), shutdown.clone());
    let watch = async {
        // The probe, and the delivery.
        operator.mail.tried(2).await;
        shutdown.cancel();
    };
    tokio::join!(run, watch);
    assert!(operator.stripe.mark(KIND).is_over(Channel::Mail));
}

#[tokio::test(start_paused = true)]
async fn without_a_channel_nothing_is_taken_in() {
    let outbox = Outbox::new(Vec::new(), std::sync::Arc::default());
    let operator = Operator::new();
    let offered = crate::converge::notice::Due {
        notice: warning(),
        carrier: crate::converge::notice::Carrier::Invoice("in_1".into()),
        occasion: String::new(),
        mark: crate::converge::notice::Mark::default(),
    };
    assert_eq!(outbox.offer(&tenant(), vec![offered]), []);
    outbox
        .run(operator.stripe.as_ref(), CancellationToken::new())
        .await;
    assert!(now() > jiff::Timestamp::UNIX_EPOCH);
}
