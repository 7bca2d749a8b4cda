//! Questions that come together become one. Invariant: every asker gets an answer that was read
//! after it asked, or reads itself; whoever goes away takes nobody's answer along.
//!
//! The first asker waits a moment for others, takes the keys of all that wait and reads them at
//! once. While it reads, later ones gather for the next reading.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What one asker waits for.
type Promise<V, E> = oneshot::Sender<Result<Option<V>, E>>;

/// Joins questions by key.
#[derive(Debug)]
pub struct Coalescer<K, V, E> {
    /// In the order in which they came.
    waiting: Mutex<Vec<(K, Promise<V, E>)>>,
    /// Held while reading.
    turn: tokio::sync::Mutex<()>,
    /// How long the first one waits for others.
    moment: Duration,
    /// Keys of one reading.
    most: usize,
}

impl<K: Ord + Clone, V: Clone, E: Clone> Coalescer<K, V, E> {
    pub fn new(moment: Duration, most: usize) -> Self {
        Self { waiting: Mutex::default(), turn: tokio::sync::Mutex::default(), moment, most }
    }

    /// The answer for a key; `None` where a reading does not show it. `read` may be called with the
    /// keys of others, several times or not at all.
    ///
    /// # Errors
    /// Why the reading that was to bring it failed.
    pub async fn ask<F>(&self, key: K, read: impl Fn(Vec<K>) -> F) -> Result<Option<V>, E>
    where
        F: Future<Output = Result<BTreeMap<K, V>, E>>,
    {
        loop {
            let (promise, mut answer) = oneshot::channel();
            self.waiting().push((key.clone(), promise));
            let turn = tokio::select! {
                // An answer that is there comes first.
                biased;
                answer = &mut answer => match answer {
                    Ok(answer) => return answer,
                    // Whoever read for us went away.
                    Err(_) => continue,
                },
                turn = self.turn.lock() => turn,
            };
            loop {
                tokio::time::sleep(self.moment).await;
                self.read(&read).await;
                match answer.try_recv() {
                    Ok(answer) => return answer,
                    // More of them stand before us than one reading takes.
                    Err(oneshot::error::TryRecvError::Empty) => {}
                    Err(oneshot::error::TryRecvError::Closed) => break,
                }
            }
            drop(turn);
        }
    }

    /// Reads for those that wait longest.
    async fn read<F>(&self, read: &impl Fn(Vec<K>) -> F)
    where
        F: Future<Output = Result<BTreeMap<K, V>, E>>,
    {
        let taken: Vec<(K, Promise<V, E>)> = {
            let mut waiting = self.waiting();
            waiting.retain(|(_, promise)| !promise.is_closed());
            let count = waiting.len().min(self.most.max(1));
            waiting.drain(..count).collect()
        };
        let mut keys: Vec<K> = taken.iter().map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys.dedup();
        let found = read(keys).await;
        for (key, promise) in taken {
            let answer = match &found {
                Ok(found) => Ok(found.get(&key).cloned()),
                Err(error) => Err(error.clone()),
            };
            // An asker that went away needs none.
            drop(promise.send(answer));
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(K, Promise<V, E>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    type Answers = Result<BTreeMap<u32, String>, String>;

    /// A far side whose answers the test lets go.
    #[derive(Clone)]
    struct Far {
        asked: Arc<Mutex<Vec<Vec<u32>>>>,
        gate: Arc<Semaphore>,
        joined: Arc<Coalescer<u32, String, String>>,
    }

    impl Far {
        fn new(open: usize) -> Self {
            let joined = Coalescer::new(Duration::from_millis(5), 3);
            let gate = Arc::new(Semaphore::new(open));
            Self { asked: Arc::default(), gate, joined: Arc::new(joined) }
        }

        async fn ask(&self, key: u32) -> Result<Option<String>, String> {
            self.joined.ask(key, |keys| self.answer(keys)).await
        }

        /// Each key with the number of the reading.
        async fn answer(&self, keys: Vec<u32>) -> Answers {
            let number = {
                let mut asked = self.asked.lock().unwrap();
                asked.push(keys.clone());
                asked.len()
            };
            self.gate.acquire().await.unwrap().forget();
            if keys.contains(&13) {
                return Err("unlucky".to_owned());
            }
            let known = keys.into_iter().filter(|key| *key < 100);
            Ok(known.map(|key| (key, format!("{key}/{number}"))).collect())
        }

        /// Until so many readings have begun.
        async fn begun(&self, count: usize) {
            while self.asked.lock().unwrap().len() < count {
                tokio::task::yield_now().await;
            }
        }

        fn asked(&self) -> Vec<Vec<u32>> {
            self.asked.lock().unwrap().clone()
        }
    }

    fn got(text: &str) -> Result<Option<String>, String> {
        Ok(Some(text.to_owned()))
    }

    #[tokio::test]
    async fn those_that_come_together_are_read_together() {
        let far = Far::new(9);
        let all = tokio::join!(far.ask(1), far.ask(1), far.ask(100));
        assert_eq!(all, (got("1/1"), got("1/1"), Ok(None)));
        assert_eq!(far.asked(), [vec![1, 100]]);
    }

    #[tokio::test]
    async fn more_than_one_reading_takes_are_read_in_turn() {
        let far = Far::new(9);
        let all = futures_util::future::join_all((0..8).map(|key| far.ask(key))).await;
        let right = |(key, got): (usize, &Result<Option<String>, String>)| {
            got.clone().unwrap().unwrap().starts_with(&format!("{key}/"))
        };
        assert!(all.iter().enumerate().all(right), "{all:?}");
        let asked = far.asked();
        assert!(asked.len() == 3 && asked.iter().all(|keys| keys.len() <= 3), "{asked:?}");
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_of_that_reading_alone() {
        let far = Far::new(0);
        let later = async {
            far.begun(1).await;
            far.gate.add_permits(2);
            far.ask(3).await
        };
        let (bad, beside, later) = tokio::join!(far.ask(13), far.ask(2), later);
        assert_eq!((bad, beside), (Err("unlucky".to_owned()), Err("unlucky".to_owned())));
        assert_eq!(later, got("3/2"));
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_leaves_the_others_to_read_themselves() {
        let far = Far::new(0);
        let spawn = |key| {
            let far = far.clone();
            tokio::spawn(async move { far.ask(key).await })
        };
        let (first, second) = (spawn(1), spawn(2));
        far.begun(1).await;
        assert_eq!(far.asked(), [vec![1, 2]]);
        first.abort();
        far.begun(2).await;
        far.gate.add_permits(1);
        assert_eq!(second.await.unwrap(), got("2/2"));
        assert_eq!(far.asked(), [vec![1, 2], vec![2]]);
    }

    #[tokio::test]
    async fn a_later_asker_is_not_given_what_was_read_before() {
        let far = Far::new(0);
        let late = async {
            far.begun(1).await;
            let late = far.ask(1);
            let open = async {
                tokio::task::yield_now().await;
                far.gate.add_permits(2);
            };
            tokio::join!(late, open).0
        };
        let (early, late) = tokio::join!(far.ask(1), late);
        assert_eq!((early, late), (got("1/1"), got("1/2")));
    }
}
