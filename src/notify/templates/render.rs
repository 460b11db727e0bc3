//! Rendering the templates of one notice, and telling what is wrong with them. Pure.

use std::error::Error as _;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use super::built_in::BUILT_IN;
use crate::api::NoticeKind;
use crate::notify::people::{Words, line};

/// A mail in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::notify) struct Rendered {
    pub(in crate::notify) subject: String,
    pub(in crate::notify) text: String,
    pub(in crate::notify) html: String,
}

/// What is wrong with a template of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The file; empty when it is the directory.
    pub(super) file: String,
    /// What, where, and what to do.
    pub(super) message: String,
}

/// Templates that go before the built-in ones, by name.
pub(super) type Sources = Vec<(String, String)>;

/// Renders the three templates of a kind, and says which of the user's could not be used.
pub(super) fn render(
    sources: &Sources,
    words: &Words,
    kind: NoticeKind,
) -> (Result<Rendered, String>, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    let mut part = |suffix: &str| {
        let name = format!("{}.{suffix}", kind.as_str());
        let (text, wrong) = one(sources, words, &name);
        mistakes.extend(wrong);
        text
    };
    let (subject, text, html) = (part("subject.txt"), part("txt"), part("html"));
    let rendered = subject.and_then(|subject| {
        Ok(Rendered {
            subject: line(&subject),
            text: text?,
            html: html?,
        })
    });
    (rendered, mistakes)
}

/// Renders a template. When that fails, the file that is to blame is left out, and the built-in one has
/// its turn. It may be the template itself or the layout that it is inside of.
fn one(sources: &Sources, words: &Words, name: &str) -> (Result<String, String>, Vec<Mistake>) {
    let mut usable = sources.clone();
    let mut mistakes = Vec::new();
    loop {
        let error = match try_render(&usable, words, name) {
            Ok(text) => return (Ok(text), mistakes),
            Err(error) => error,
        };
        let blamed = blamed(&error);
        let is_own = |file: &str| usable.iter().any(|(known, _)| known == file);
        let file = [blamed.name().unwrap_or(name), name]
            .into_iter()
            .chain(layout_of(name))
            .find(|file| is_own(file));
        let Some(file) = file.map(str::to_owned) else {
            let broken = format!("the built-in template {name} is broken: {error}");
            return (Err(broken), mistakes);
        };
        usable.retain(|(known, _)| *known != file);
        mistakes.push(Mistake {
            message: explain(blamed),
            file,
        });
    }
}

/// The layout that a template is inside of. One of the user's may show what a built-in one lacks.
fn layout_of(name: &str) -> Option<&'static str> {
    let (_, suffix) = name.split_once('.')?;
    match suffix {
        "txt" => Some("layout.txt"),
        "html" => Some("layout.html"),
        _ => None,
    }
}

fn try_render(usable: &Sources, words: &Words, name: &str) -> Result<String, Error> {
    let mut environment = Environment::new();
    // So that errors name what is undefined.
    environment.set_debug(true);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(refuse_none);
    let own = usable.clone();
    environment.set_loader(move |name| {
        let own = own.iter().find(|(known, _)| known == name);
        let built_in = || BUILT_IN.iter().find(|(known, _)| *known == name);
        let source = own.map(|(_, source)| source.clone());
        Ok(source.or_else(|| built_in().map(|(_, source)| (*source).to_owned())))
    });
    environment
        .get_template(name)?
        .render(Value::from(Serde(words)))
}

/// "none" in a mail is always a mistake.
fn refuse_none(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        let cure = "a notice need not have this value; put it inside {% if … %}";
        return Err(Error::new(ErrorKind::InvalidOperation, cure));
    }
    minijinja::escape_formatter(out, state, value)
}

/// The error that an error in a layout or a block comes from.
fn blamed(error: &Error) -> &Error {
    let mut blamed = error;
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(inner) = cause.downcast_ref::<Error>()
            && inner.name().is_some()
        {
            blamed = inner;
        }
        source = cause.source();
    }
    blamed
}

/// What is wrong, where, and what to do. No value is in it.
fn explain(error: &Error) -> String {
    let place = error
        .line()
        .map_or_else(String::new, |at| format!("line {at}: "));
    let cure = match error.kind() {
        ErrorKind::UndefinedError => {
            "; use a name that mails have: product, kind, tenant, manifest, customer, plan, about, amount, \
             url, day, next_stage, next_stage_at, suspend_at, next_payment_attempt, until, limits, message"
        }
        ErrorKind::TemplateNotFound => "; only the other templates can be included or extended",
        ErrorKind::SyntaxError => "; correct it as minijinja's documentation of its syntax says",
        _ => "",
    };
    let what = error.detail().map_or_else(
        || error.kind().to_string(),
        |detail| format!("{}: {detail}", error.kind()),
    );
    format!("{place}{what}{cure}")
}
