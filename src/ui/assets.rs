//! The stylesheet, the script and the icon, inside the binary. Invariant: the name of a file holds the
//! hash of its content, so that a browser may keep it for ever and never has an old one.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const FOR_EVER: &str = "public, max-age=31536000, immutable";

struct Asset {
    name: String,
    kind: &'static str,
    bytes: &'static [u8],
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "css", "text/css; charset=utf-8", include_bytes!("static/console.css"))
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "console",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("static/console.js"),
    )
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("static/icon.svg")));

impl Asset {
    fn new(stem: &str, end: &str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let hash: String =
            Sha256::digest(bytes).iter().take(6).map(|b| format!("{b:02x}")).collect();
        Self { name: format!("{stem}-{hash}.{end}"), kind, bytes }
    }
}

/// Where a page finds them.
pub fn style() -> &'static str {
    &STYLE.name
}

pub fn script() -> &'static str {
    &SCRIPT.name
}

pub fn icon() -> &'static str {
    &ICON.name
}

/// `GET /static/{file}`.
pub async fn file(Path(name): Path<String>) -> Response {
    let asset = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == name);
    match asset {
        Some(asset) => {
            let headers = [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, FOR_EVER)];
            (headers, asset.bytes).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_has_its_hash_in_the_name_and_no_other_name() {
        let answer = file(Path(style().to_owned())).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], FOR_EVER);
        assert_eq!(file(Path("console.css".to_owned())).await.status(), StatusCode::NOT_FOUND);
        assert_ne!(style().trim_end_matches(".css"), script().trim_end_matches(".js"));
    }

    /// The script is small enough to be read at one sitting, and nothing comes from elsewhere.
    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let script = include_str!("static/console.js");
        let style = include_str!("static/console.css");
        assert!(script.lines().count() <= 240, "{} lines", script.lines().count());
        for text in [script, style] {
            assert!(!text.contains("http://") && !text.contains("https://"), "an address");
            assert!(!text.contains("@import") && !text.contains("eval("));
        }
    }
}
