//! The frame of a page, and text that cannot become markup.

use std::fmt::{Display, Formatter, Result as Written};

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;color:#1a1f36;background:#f6f8fa;margin:0}\
main{max-width:30rem;margin:3rem auto;padding:2rem;background:#fff;border-radius:.75rem;box-shadow:0 2px 12px #0001}\
h1{font-size:1.35rem;margin:0 0 .25rem}p{margin:.25rem 0 1rem;color:#4f566b}form{margin:0}\
label{display:block;padding:.5rem .75rem;border:1px solid #d8dee4;border-radius:.5rem;margin:.4rem 0;cursor:pointer}\
label:has(:checked){border-color:#0074d4;background:#f0f7ff}small{display:block;color:#697386;padding-left:1.6rem}\
input[type=text]{font:inherit;width:100%;box-sizing:border-box;padding:.5rem .75rem;border:1px solid #d8dee4;\
border-radius:.5rem;margin:.4rem 0 1rem}button{font:inherit;font-weight:600;width:100%;padding:.65rem;border:0;\
border-radius:.5rem;background:#0074d4;color:#fff;cursor:pointer;margin-top:.5rem}\
button.quiet{background:#fff;color:#0074d4;border:1px solid #0074d4}a{color:#0074d4}\
.error{background:#fdf0f2;color:#a41c4e;border-radius:.5rem;padding:.6rem .75rem}\
footer{text-align:center;color:#697386;font-size:.85rem;margin-bottom:2rem}";

/// Text as it may stand in HTML, in attributes too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> Written {
        for character in self.0.chars() {
            match character {
                '&' => to.write_str("&amp;")?,
                '<' => to.write_str("&lt;")?,
                '>' => to.write_str("&gt;")?,
                '"' => to.write_str("&quot;")?,
                '\'' => to.write_str("&#39;")?,
                other => write!(to, "{other}")?,
            }
        }
        Ok(())
    }
}

/// A page with a heading, an explanation and what else there is on it, already HTML.
pub(super) fn page(status: StatusCode, heading: &str, text: &str, content: &str) -> Response<Body> {
    let (heading, text) = (Text(heading), Text(text));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{heading}</title><style>{STYLE}</style></head>\n\
         <body><main><h1>{heading}</h1><p>{text}</p>\n{content}\n</main>\
         <footer>stripe-sandbox: a stand-in, no money moves</footer></body></html>\n"
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The page for what no account has.
pub(super) fn nothing_here() -> Response<Body> {
    let text = "The sandbox has nothing under this address. It forgets everything when it is started without --state.";
    page(StatusCode::NOT_FOUND, "Nothing here", text, "")
}

/// What went wrong with the last try, if anything.
pub(super) fn alert(error: Option<&str>) -> String {
    error.map_or_else(String::new, |error| {
        format!("<p class=\"error\">{}</p>", Text(error))
    })
}

/// Sends the browser elsewhere, with a GET.
pub(super) fn go_to(place: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::from_str(place) else {
        let content = format!("<p><a href=\"{}\">Go on</a></p>", Text(place));
        return page(StatusCode::OK, "Done", "You can go on from here.", &content);
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// The page on which a card's issuer would ask its owner who they are.
pub(super) fn authentication(what: &str) -> Response<Body> {
    let content = "<form method=\"post\">\
        <button name=\"authenticate\" value=\"true\">Complete authentication</button>\
        <button class=\"quiet\" name=\"authenticate\" value=\"false\">Fail authentication</button></form>";
    let text = format!("The card's issuer wants to know that it is you who {what}.");
    page(StatusCode::OK, "3D Secure", &text, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let text = Text("<a href='x'>\"&</a>").to_string();
        assert_eq!(text, "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&lt;/a&gt;");
    }
}
