//! Mail servers that break off where it hurts: what is known of the mail then.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tenant_billing::api::NoticeKind;
use tenant_billing::notify::{Deliver as _, Failure, Tls};

use super::{mail_to, notice};

/// What a server does when the command comes, instead of saying that all is well.
#[derive(Clone, Copy, Debug)]
enum Instead {
    Drop,
    Say(&'static str),
}

/// Commands, and the end of the message as `.`, as they came in.
type Heard = Arc<Mutex<Vec<String>>>;

fn server(command: &'static str, instead: Instead) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let shared = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Whoever breaks off has no more to say.
            let _ = serve(stream, command, instead, &shared);
        }
    });
    (port, heard)
}

fn serve(
    mut stream: TcpStream,
    command: &str,
    instead: Instead,
    heard: &Heard,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 mail.example\r\n")?;
    let mut in_message = false;
    while let Some(line) = lines.next().transpose()? {
        if in_message && line != "." {
            continue;
        }
        in_message = false;
        let word = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        heard.lock().unwrap().push(word.clone());
        if word == command {
            match instead {
                Instead::Drop => return Ok(()),
                Instead::Say(answer) => stream.write_all(format!("{answer}\r\n").as_bytes())?,
            }
            continue;
        }
        let answer = match word.as_str() {
            "EHLO" => "250-mail.example\r\n250 8BITMIME\r\n",
            "DATA" => {
                in_message = true;
                "354 go on\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

async fn outcome(command: &'static str, instead: Instead) -> (Result<(), Failure>, Vec<String>) {
    let (port, heard) = server(command, instead);
    let mail = mail_to(port, Tls::None, None, None);
    let outcome = mail
        .deliver(&notice(NoticeKind::Reminder, "billing@acme.example"))
        .await;
    let heard = heard.lock().unwrap().clone();
    (outcome, heard)
}

#[tokio::test]
async fn a_connection_lost_after_the_message_leaves_it_unknown_and_before_it_does_not() {
    let (outcome, heard) = self::outcome(".", Instead::Drop).await;
    assert!(matches!(&outcome, Err(Failure::Unknown(_))), "{outcome:?}");
    assert_eq!(heard, ["EHLO", "MAIL", "RCPT", "DATA", "."], "once");
    for command in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let (outcome, heard) = self::outcome(command, Instead::Drop).await;
        assert!(
            matches!(&outcome, Err(Failure::Down(_))),
            "{command}: {outcome:?}"
        );
        assert!(!heard.contains(&".".to_owned()));
    }
}

#[tokio::test]
async fn nonsense_after_the_message_leaves_it_unknown() {
    let (outcome, _) = outcome(".", Instead::Say("what?")).await;
    assert!(matches!(&outcome, Err(Failure::Unknown(_))), "{outcome:?}");
}

#[tokio::test]
async fn what_a_server_says_decides() {
    type Is = fn(&Result<(), Failure>) -> bool;
    let never: Is = |outcome| matches!(outcome, Err(Failure::Never(_)));
    let later: Is = |outcome| matches!(outcome, Err(Failure::Later(_)));
    for (command, answer, expected) in [
        (".", "250 2.0.0 queued", (|outcome| outcome.is_ok()) as Is),
        (".", "554 5.6.0 no", never),
        (".", "451 4.3.0 not now", later),
        ("RCPT", "550 5.1.1 nobody", never),
        ("RCPT", "550 nobody", never),
        ("RCPT", "550 5.7.1 relaying denied", later),
        ("RCPT", "452 4.2.2 full", later),
        ("MAIL", "550 5.7.1 not you", later),
        ("MAIL", "421 4.3.2 closing", later),
        ("DATA", "451 4.3.0 not now", later),
    ] {
        let (outcome, _) = outcome(command, Instead::Say(answer)).await;
        assert!(expected(&outcome), "{command} {answer}: {outcome:?}");
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_where_it_is_required() {
    let (port, heard) = server("NOTHING", Instead::Drop);
    let mail = mail_to(port, Tls::Required, None, None);
    let message = mail.ready().await.unwrap_err();
    assert!(message.contains("--smtp-tls=required"), "{message}");
    let outcome = mail
        .deliver(&notice(NoticeKind::Reminder, "billing@acme.example"))
        .await;
    assert!(matches!(outcome, Err(Failure::Down(_))));
    assert!(!heard.lock().unwrap().contains(&"MAIL".to_owned()));
    let opportunistic = mail_to(port, Tls::Opportunistic, None, None);
    opportunistic.ready().await.unwrap();
}
