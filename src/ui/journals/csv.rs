//! A journal as a file for table programs. Invariant: nothing in it is run as a formula; it is streamed
//! page by page, so that a year costs no more memory than a day.

use super::cells::{Column, Row};
use crate::ui::formats::Times;
use crate::ui::words::Language;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::future::Future;

/// Excel takes a file for UTF-8 only where it begins so.
const BOM: &str = "\u{feff}";

/// One line, with the separator of the language: Excel takes it from the country.
fn line<'a>(language: Language, fields: impl Iterator<Item = (&'a str, bool)>) -> String {
    let separator = if language == Language::Ru { ';' } else { ',' };
    let mut out = String::new();
    for (at, (text, number)) in fields.enumerate() {
        if at > 0 {
            out.push(separator);
        }
        field(&mut out, text, number, separator);
    }
    out.push_str("\r\n");
    out
}

/// Whatever a table program would take for a formula gets an apostrophe in front.
/// A phone is written as its digits alone, so that it can be searched for and dialled.
fn field(out: &mut String, text: &str, number: bool, separator: char) {
    let bare = text.strip_prefix('+').filter(|rest| is_digits(rest));
    let text = bare.unwrap_or(text);
    let risky =
        !number && text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let quoted = risky || text.contains(['"', '\r', '\n', ';', ',', separator]);
    if !quoted {
        return out.push_str(text);
    }
    out.push('"');
    if risky {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub fn heading(columns: &[Column], times: &Times) -> String {
    let titles = columns.iter().map(|column| (column.title, false));
    format!("{BOM}{}", line(times.language, titles))
}

pub fn lines(rows: &[Row], times: &Times) -> String {
    let mut out = String::new();
    for row in rows {
        let cells: Vec<(String, bool)> =
            row.cells.iter().map(|cell| (cell.plain(times), cell.is_number())).collect();
        out += &line(times.language, cells.iter().map(|(text, number)| (text.as_str(), *number)));
    }
    out
}

/// The whole span, page by page. `next` gives the rows after a mark, and the mark after them; an error
/// breaks the download off, so that nobody takes half a file for a whole one.
pub fn stream<M, F, W>(name: &str, columns: &[Column], times: Times, next: F) -> Response
where
    M: Send + 'static,
    F: Fn(Option<M>) -> W + Send + Sync + 'static,
    W: Future<Output = Result<(Vec<Row>, Option<M>), crate::desk::Error>> + Send + 'static,
{
    let title = heading(columns, &times);
    let begun = Turn::Heading(title);
    let pages = stream::try_unfold((begun, next, times), |(turn, next, times)| async move {
        let mark = match turn {
            Turn::Heading(title) => {
                return Ok(Some((Bytes::from(title), (Turn::After(None), next, times))));
            }
            Turn::After(mark) => mark,
            Turn::End => return Ok(None),
        };
        let (rows, mark) = next(mark).await?;
        let turn = mark.map_or(Turn::End, |mark| Turn::After(Some(mark)));
        Ok::<_, crate::desk::Error>(Some((Bytes::from(lines(&rows, &times)), (turn, next, times))))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
    ];
    (headers, Body::from_stream(pages)).into_response()
}

enum Turn<M> {
    Heading(String),
    After(Option<M>),
    End,
}

#[cfg(test)]
mod tests {
    use super::super::cells::Cell;
    use super::*;
    use crate::desk::Error;
    use jiff::tz::TimeZone;

    fn times(language: Language) -> Times {
        let now = "2026-11-22T09:00:00Z".parse().expect("a time");
        Times { language, zone: TimeZone::UTC, now }
    }

    fn row(cells: Vec<Cell>) -> Row {
        Row { key: String::new(), open: None, cells }
    }

    #[test]
    fn nothing_is_run_as_a_formula() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let money =
            |amount: &str| Cell::Money { amount: amount.to_owned(), currency: "RUB".to_owned() };
        let cells = vec![
            text("=HYPERLINK(\"http://x\")"),
            text("+79990000001"),
            text("@x"),
            text("\t=1"),
            text("a;b"),
            money("-12900.50"),
            money("=1"),
            text("обычный"),
        ];
        let told = lines(&[row(cells)], &times(Language::Ru));
        assert_eq!(
            told,
            "\"'=HYPERLINK(\"\"http://x\"\")\";79990000001;\"'@x\";\"'\t=1\";\"a;b\";\"-12900,50\";\"'=1\";обычный\r\n"
        );
        let told = lines(&[row(vec![money("-1.5"), Cell::Count(3)])], &times(Language::En));
        assert_eq!(told, "-1.5,3\r\n");
    }

    #[tokio::test]
    async fn a_file_is_whole_and_begins_as_excel_wants_it() {
        let columns = [Column::new("at", "Время"), Column::new("name", "Имя")];
        let next = |mark: Option<u32>| async move {
            let page = mark.unwrap_or(0);
            let name = Cell::Text(format!("имя {page}"));
            let rows = vec![row(vec![Cell::Nothing, name])];
            Ok((rows, (page < 2).then_some(page + 1)))
        };
        let answer = stream("leads", &columns, times(Language::Ru), next);
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        assert_eq!(text, "\u{feff}Время;Имя\r\n;имя 0\r\n;имя 1\r\n;имя 2\r\n");
    }

    #[tokio::test]
    async fn half_a_file_is_an_error() {
        let next = |_: Option<u32>| async { Err(Error::Conflict("away".into())) };
        let answer = stream("leads", &[], times(Language::En), next);
        assert!(axum::body::to_bytes(answer.into_body(), 1 << 20).await.is_err());
    }
}
