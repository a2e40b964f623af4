//! The address at which people reach this server.

use url::Url;

use super::problem::Fault;

const FIX: &str = "give a whole address such as https://roster.example.com";

/// An `http` or `https` address, without the slash at its end.
///
/// A path is kept, for a server behind a proxy that serves it below one.
pub(super) fn parse(text: &str) -> Result<String, Fault> {
    let url =
        Url::parse(text).map_err(|error| Fault::new(format!("\"{text}\" is not a URL: {error}"), FIX))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Fault::new(format!("\"{text}\" begins with neither http:// nor https://"), FIX));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::new("holds a user name or password", FIX));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new(format!("\"{text}\" has a query or fragment"), "remove what follows ? or #"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_http_with_nothing_after_its_path() {
        let cases = [
            ("https://roster.example.com", Some("https://roster.example.com")),
            ("https://roster.example.com/", Some("https://roster.example.com")),
            ("HTTPS://Roster.Example.com:443/team/", Some("https://roster.example.com/team")),
            ("http://10.0.0.5:8080", Some("http://10.0.0.5:8080")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("roster.example.com", None),
            ("localhost:8080", None),
            ("ftp://example.com", None),
            ("https://", None),
            ("https://ada:pw@example.com", None),
            ("https://example.com/?a=b", None),
            ("https://example.com/#top", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).ok().as_deref(), expected, "{text}");
        }
        assert!(!parse("https://ada:hunter2@example.com").unwrap_err().problem.contains("hunter2"));
    }
}
