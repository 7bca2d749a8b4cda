//! Reads pages ahead of who uses them. Invariant: pages come in the order of their tickets, whatever
//! order they arrive in; so many requests are under way and no more; all of them are background.

use crate::connectors::http::in_background;
use crate::domain::Delay;
use futures_util::future::BoxFuture;
use jiff::civil::Date;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

/// A page to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// A noun of leads, or a kind of things that are listed.
    pub kind: &'static str,
    pub day: Date,
    pub page: u32,
}

impl Ticket {
    /// The first page of a day.
    pub fn of(kind: &'static str, day: Date) -> Self {
        Self { kind, day, page: 1 }
    }

    /// Another page of the same.
    #[must_use]
    pub fn page(&self, page: u32) -> Self {
        Self { page, ..self.clone() }
    }

    fn same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.day == other.day
    }
}

/// Reads one page.
pub type Read<P> = Arc<dyn Fn(Ticket) -> BoxFuture<'static, Result<P, Delay>> + Send + Sync>;

type Asked<P> = AbortOnDropHandle<Result<P, Delay>>;

/// Pages on their way.
pub struct Ahead<P> {
    read: Read<P>,
    queue: VecDeque<(Ticket, Option<Asked<P>>)>,
    rest: Box<dyn Iterator<Item = Ticket> + Send>,
    most: usize,
    turns: Arc<Semaphore>,
}

impl<P: Send + 'static> Ahead<P> {
    /// `most`: how many pages may be under way; so many again may lie here unused.
    pub fn new(
        read: Read<P>,
        tickets: impl Iterator<Item = Ticket> + Send + 'static,
        most: usize,
    ) -> Self {
        Self {
            read,
            queue: VecDeque::new(),
            rest: Box::new(tickets),
            most,
            turns: Arc::new(Semaphore::new(most)),
        }
    }

    /// The next page, once it is there; `None` at the end.
    pub async fn next(&mut self) -> Option<(Ticket, Result<P, Delay>)> {
        self.ask();
        let (ticket, asked) = self.queue.pop_front()?;
        let answer = match asked {
            Some(asked) => {
                asked.await.unwrap_or_else(|_| Err(Delay::item("the reading broke off")))
            }
            None => in_background((self.read)(ticket.clone())).await,
        };
        Some((ticket, answer))
    }

    /// It could not be read: it comes first, when next is asked.
    pub fn again(&mut self, ticket: Ticket) {
        self.queue.push_front((ticket, None));
    }

    /// There is more of the same day behind this page: `pages` in all, as far as it is known.
    pub fn more(&mut self, ticket: &Ticket, pages: Option<u32>) {
        if self.queue.front().is_some_and(|(next, _)| next.same(ticket)) {
            return;
        }
        let next = ticket.page.saturating_add(1);
        for page in (next..=pages.unwrap_or(next).max(next)).rev() {
            self.queue.push_front((ticket.page(page), None));
        }
    }

    fn ask(&mut self) {
        while self.queue.len() < self.most {
            let Some(ticket) = self.rest.next() else { break };
            self.queue.push_back((ticket, None));
        }
        for (ticket, asked) in self.queue.iter_mut().take(self.most) {
            if asked.is_none() {
                let (reading, turns) = ((self.read)(ticket.clone()), Arc::clone(&self.turns));
                // Pages that came in between may have put others behind, which are under way still.
                let reading = async move {
                    let _turn = turns.acquire_owned().await;
                    reading.await
                };
                *asked = Some(AbortOnDropHandle::new(tokio::spawn(in_background(reading))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    type Page = (u32, u32);

    /// Days with so many pages; later pages answer sooner.
    fn read(under_way: Arc<AtomicUsize>, most: Arc<AtomicUsize>) -> Read<Page> {
        Arc::new(move |ticket| {
            let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&most));
            Box::pin(async move {
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..(40 - ticket.page.min(4) * 10) {
                    tokio::task::yield_now().await;
                }
                under_way.fetch_sub(1, Ordering::SeqCst);
                Ok((ticket.page, u32::try_from(ticket.day.day()).unwrap_or_default()))
            })
        })
    }

    #[tokio::test]
    async fn pages_come_in_order_and_few_are_under_way() {
        let (under_way, most) = (Arc::default(), Arc::new(AtomicUsize::default()));
        let days = (1..=6).map(|day| Ticket::of("order", date(2026, 3, day)));
        let mut ahead = Ahead::new(read(under_way, Arc::clone(&most)), days, 3);
        let mut seen = Vec::new();
        while let Some((ticket, page)) = ahead.next().await {
            let (page, pages) = page.expect("nothing fails");
            seen.push((ticket.day.day(), page));
            if page < pages {
                // Odd days say how many pages they have.
                ahead.more(&ticket, (pages % 2 == 1).then_some(pages));
            }
        }
        let all: Vec<(i8, u32)> = (1..=6)
            .flat_map(|day| (1..=u32::from(i8::unsigned_abs(day))).map(move |p| (day, p)))
            .collect();
        assert_eq!(seen, all);
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn what_failed_comes_first_again() {
        let failed: Arc<Mutex<Vec<Ticket>>> = Arc::default();
        let read: Read<()> = Arc::new(move |ticket| {
            let mut failed = failed.lock().expect("no test panicked");
            let first = !failed.contains(&ticket);
            failed.push(ticket);
            Box::pin(async move { if first { Err(Delay::item("later")) } else { Ok(()) } })
        });
        let days = (1..=3).map(|day| Ticket::of("call", date(2026, 3, day)));
        let mut ahead = Ahead::new(read, days, 2);
        let mut seen = Vec::new();
        while let Some((ticket, page)) = ahead.next().await {
            seen.push((ticket.day.day(), page.is_ok()));
            if page.is_err() {
                ahead.again(ticket);
            }
        }
        assert_eq!(seen, [(1, false), (1, true), (2, false), (2, true), (3, false), (3, true)]);
    }
}
