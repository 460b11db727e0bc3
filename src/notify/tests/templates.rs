//! Mails, word for word; and what becomes of templates that are broken.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::templates::{Templates, sample};
use super::super::{Metrics, people};
use crate::api::NoticeKind;
use crate::converge::notice::Notice;

/// A directory that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("mail-templates-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Fixture {
    templates: Templates,
    metrics: Arc<Metrics>,
}

fn templates(directory: Option<&Scratch>) -> Fixture {
    let metrics = Arc::new(Metrics::default());
    let directory = directory.map(|scratch| scratch.0.clone());
    Fixture {
        templates: Templates::new(directory, "Example Cloud", Arc::clone(&metrics)),
        metrics,
    }
}

fn warning() -> Notice {
    sample::full(NoticeKind::Warning)
}

async fn golden(notice: &Notice, name: &str) {
    let mail = templates(None).templates.mail(notice).await.unwrap();
    let shown = format!(
        "{}\n\n{}\n----------\n\n{}",
        mail.subject, mail.text, mail.html
    );
    insta::assert_snapshot!(name.to_owned(), shown);
}

#[tokio::test]
async fn every_kind_of_mail_word_for_word() {
    for kind in NoticeKind::ALL {
        golden(&sample::full(kind), kind.as_str()).await;
    }
}

#[tokio::test]
async fn every_kind_of_mail_of_a_notice_that_has_nothing_else_to_tell() {
    for kind in NoticeKind::ALL {
        golden(&sample::sparse(kind), &format!("sparse_{}", kind.as_str())).await;
    }
}

#[tokio::test]
async fn a_template_of_the_directory_goes_before_the_built_in_one_and_the_others_stay() {
    let own = Scratch::new(
        "override",
        &[
            (
                "warning.subject.txt",
                "{{ product }}:\r\n  pay {{ amount }}\n",
            ),
            ("layout.txt", "{% block body %}{% endblock %}!\n"),
            (".hidden", "{% nonsense %}"),
        ],
    );
    let Fixture { templates, metrics } = templates(Some(&own));
    assert_eq!(templates.check().await, 2);
    let mail = templates.mail(&warning()).await.unwrap();
    assert_eq!(mail.subject, "Example Cloud: pay 99.00 USD");
    assert!(
        mail.text
            .starts_with("Your payment of 99.00 USD is still missing, on day 4")
    );
    assert!(mail.text.ends_with('!'), "{}", mail.text);
    assert!(mail.html.contains("Hello Acme &amp; Sons,"));
    assert_eq!(metrics.template_failures("warning.subject.txt"), 0);
    // It is read again each time.
    std::fs::write(own.0.join("warning.subject.txt"), "Changed").unwrap();
    assert_eq!(templates.mail(&warning()).await.unwrap().subject, "Changed");
}

#[tokio::test]
async fn a_broken_template_is_counted_and_the_built_in_one_is_used() {
    for (name, broken) in [
        ("warning.subject.txt", "pay {{ amuont }}"),
        ("warning.subject.txt", "{% if amuont %}pay{% endif %}"),
        (
            "warning.txt",
            "{% extends \"layout.txt\" %}{% block body %}{{ nothing.here }}{% endblock %}",
        ),
        ("warning.txt", "{% include \"/etc/passwd\" %}"),
        (
            "warning.html",
            "{% extends \"layout.html\" %}{% block body %}",
        ),
        ("layout.html", "{{ oops }}{% block body %}{% endblock %}"),
        ("layout.txt", "{% block body %}{% endblock %}{{ message }}"),
    ] {
        let own = Scratch::new("broken", &[(name, broken)]);
        let Fixture { templates, metrics } = templates(Some(&own));
        let notice = Notice {
            message: None,
            ..warning()
        };
        let mail = templates.mail(&notice).await.unwrap();
        let built_in = self::templates(None).templates.mail(&notice).await.unwrap();
        assert_eq!(mail, built_in, "{name}: {broken}");
        assert!(metrics.template_failures(name) > 0, "{name}: {broken}");
        assert_eq!(templates.check().await, 0, "{name}: {broken}");
    }
}

#[tokio::test]
async fn html_is_escaped_and_a_name_cannot_write_a_line_of_its_own() {
    let mut notice = warning();
    let customer = notice.customer.as_mut().unwrap();
    customer.name = "<b>Eve</b>\r\nBcc: all@x.example\n\nDear customer".into();
    notice.url = Some("javascript:alert(1)".into());
    let mail = templates(None).templates.mail(&notice).await.unwrap();
    let greeting = mail.text.lines().next().unwrap();
    assert_eq!(
        greeting,
        "Hello <b>Eve</b> Bcc: all@x.example Dear customer,"
    );
    assert!(
        mail.html.contains("Hello &lt;b&gt;Eve&lt;&#x2f;b&gt; Bcc:"),
        "{}",
        mail.html
    );
    assert!(!mail.html.contains("javascript") && !mail.text.contains("javascript"));
}

#[tokio::test]
async fn a_directory_that_is_missing_costs_no_mail() {
    let gone = Scratch::new("gone", &[]);
    let Fixture { templates, .. } = templates(Some(&gone));
    std::fs::remove_dir_all(&gone.0).unwrap();
    assert_eq!(templates.check().await, 0);
    assert!(templates.mail(&warning()).await.is_ok());
}

#[test]
fn times_are_for_people() {
    let time = "2027-03-04T10:00:09Z".parse().unwrap();
    assert_eq!(people::time(time), "4 March 2027, 10:00 UTC");
}
