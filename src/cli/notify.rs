//! The flags of `tenant-billing run` that say how people are told.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use lettre::message::Mailbox;
use prometheus_client::registry::Registry;

use crate::notify::{
    Addresses, Deliver, Events, EventsConfig, Mail, Metrics, Server, SmtpConfig, Templates, Tls,
    mailbox,
};

/// How people are told.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Notifications")]
pub(super) struct NotifyArgs {
    /// Mail server to send notices through, as in `smtp.example.com` or `smtp.example.com:587`.
    /// Without it no mail is sent.
    #[arg(long, value_name = "HOST[:PORT]", requires = "mail_from")]
    smtp_server: Option<Server>,
    /// How the way to the mail server is encrypted.
    #[arg(long, value_enum, default_value_t = SmtpTls::Required)]
    smtp_tls: SmtpTls,
    /// File with the certificates (PEM) of the authority that signed the mail server's; without it
    /// those that browsers trust are.
    #[arg(long, value_name = "FILE")]
    smtp_ca_file: Option<PathBuf>,
    /// File with the user name for the mail server. It is read for each mail.
    #[arg(long, value_name = "FILE", requires = "smtp_password_file")]
    smtp_username_file: Option<PathBuf>,
    /// File with the password for the mail server. It is read for each mail.
    #[arg(long, value_name = "FILE", requires = "smtp_username_file")]
    smtp_password_file: Option<PathBuf>,
    /// Who mails are from, as in `Example Cloud <billing@example.com>`.
    #[arg(long, value_name = "ADDRESS", value_parser = mailbox, requires = "smtp_server")]
    mail_from: Option<Mailbox>,
    /// Where answers to mails go [default: --mail-from].
    #[arg(long, value_name = "ADDRESS", value_parser = mailbox)]
    mail_reply_to: Option<Mailbox>,
    /// Who runs the operator, and is told of disputes and held enforcement; may be given again.
    #[arg(long, value_name = "ADDRESS", value_parser = mailbox)]
    mail_operators: Vec<Mailbox>,
    /// Directory with templates of yours, as in `warning.subject.txt`, `warning.txt`,
    /// `warning.html` and `layout.html`. They are read for each mail.
    #[arg(long, value_name = "DIR")]
    mail_templates: Option<PathBuf>,
    /// Who signs mails: the name of what you sell, as customers know it.
    #[arg(long, value_name = "NAME", default_value = "Your subscription team")]
    product_name: String,
    /// Where notices are sent as `CloudEvents`, as in `https://example.com/notices`. Without it none
    /// are sent.
    #[arg(long, value_name = "URL")]
    notify_url: Option<String>,
    /// File with the secrets (`whsec_…`), one a line, that events are signed with as Standard
    /// Webhooks has it. It is read for each event.
    #[arg(long, value_name = "FILE", requires = "notify_url")]
    notify_secret_file: Option<PathBuf>,
}

/// How the way to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SmtpTls {
    /// By STARTTLS (port 587), or no mail is sent.
    Required,
    /// By STARTTLS if the server offers it, which an attacker can prevent.
    Opportunistic,
    /// From the first byte (port 465).
    Implicit,
    /// Not at all; no password is sent then.
    None,
}

impl From<SmtpTls> for Tls {
    fn from(tls: SmtpTls) -> Self {
        match tls {
            SmtpTls::Required => Self::Required,
            SmtpTls::Opportunistic => Self::Opportunistic,
            SmtpTls::Implicit => Self::Implicit,
            SmtpTls::None => Self::None,
        }
    }
}

/// The channels that are configured, and what is counted of them.
pub(super) type Channels = (Vec<Arc<dyn Deliver>>, Arc<Metrics>);

impl NotifyArgs {
    /// The channels. Templates of the user's are tried once, so that mistakes show at the start.
    pub(super) async fn channels(
        &self,
        owner: &str,
        registry: &mut Registry,
    ) -> Result<Channels, String> {
        let metrics = Metrics::register(registry);
        let mut channels: Vec<Arc<dyn Deliver>> = Vec::new();
        if let Some(url) = self.notify_url.clone() {
            let events = Events::new(EventsConfig {
                url,
                secret_file: self.notify_secret_file.clone(),
                owner: owner.to_owned(),
            });
            channels.push(Arc::new(events?));
        }
        if let (Some(server), Some(from)) = (self.smtp_server.clone(), self.mail_from.clone()) {
            let tls = Tls::from(self.smtp_tls);
            let credentials = self
                .smtp_username_file
                .clone()
                .zip(self.smtp_password_file.clone());
            if tls == Tls::None && credentials.is_some() {
                return Err(
                    "--smtp-tls=none goes with no --smtp-password-file: the password could be \
                     read on the way"
                        .to_owned(),
                );
            }
            let directory = self.mail_templates.clone();
            let has_own = directory.is_some();
            let templates = Templates::new(directory, &self.product_name, Arc::clone(&metrics));
            if has_own {
                let usable = templates.check().await;
                tracing::info!(usable, "mail templates read");
            }
            let config = SmtpConfig {
                server,
                tls,
                ca_file: self.smtp_ca_file.clone(),
                credentials,
                addresses: Addresses {
                    from,
                    reply_to: self.mail_reply_to.clone(),
                    operators: self.mail_operators.clone(),
                },
            };
            channels.push(Arc::new(Mail::new(config, Arc::new(templates))));
        }
        Ok((channels, metrics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: NotifyArgs,
    }

    async fn channels(flags: &[&str]) -> Result<usize, String> {
        let cli = Cli::try_parse_from(std::iter::once(&"run").chain(flags))
            .map_err(|error| error.to_string())?;
        let mut registry = Registry::default();
        let (channels, _) = cli.args.channels("default", &mut registry).await?;
        Ok(channels.len())
    }

    #[tokio::test]
    async fn nobody_is_told_unless_a_receiver_is_given() {
        assert_eq!(channels(&[]).await, Ok(0));
        let mail = ["--smtp-server=mail.example", "--mail-from=A <a@b.example>"];
        assert_eq!(channels(&mail).await, Ok(1));
        let both = [mail[0], mail[1], "--notify-url=http://x.example/y"];
        assert_eq!(channels(&both).await, Ok(2));
    }

    #[tokio::test]
    async fn flags_that_do_not_go_together_are_named() {
        for (flags, named) in [
            (vec!["--smtp-server=mail.example"], "--mail-from"),
            (
                vec!["--smtp-server=mail.example:x", "--mail-from=a@b.example"],
                "x is not a port",
            ),
            (
                vec!["--smtp-server=mail.example", "--mail-from=nobody"],
                "billing@example.com",
            ),
            (vec!["--notify-secret-file=x"], "--notify-url"),
            (vec!["--notify-url=example"], "--notify-url"),
            (
                vec![
                    "--smtp-server=mail.example",
                    "--mail-from=a@b.example",
                    "--smtp-tls=none",
                    "--smtp-username-file=u",
                    "--smtp-password-file=p",
                ],
                "--smtp-tls=none",
            ),
        ] {
            let error = channels(&flags).await.unwrap_err();
            assert!(error.contains(named), "{flags:?}: {error}");
        }
    }
}
