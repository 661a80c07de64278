//! Reports on how readers are: asked for with the answer to a HELLO, put together from parts that
//! anybody brings, and kept once they are whole.

use crate::bounds::GATHERINGS_MAX;
use crate::database::diagnostics;
use crate::gateway::{Gateway, now};
use crate::problem::Problem;
use gettone_channel::{Diagnostics, Gathering};
use gettone_core::id::ReaderId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The questions that are open, with the parts that have come. Read from the database when the first
/// reader comes, and kept from then on; parts are kept in memory alone, and a reader that is asked
/// again says all of it again.
#[derive(Debug, Default)]
pub(crate) struct Questions(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// Whether what was asked before this start is among them.
    is_read: bool,
    open: HashMap<ReaderId, Question>,
}

#[derive(Debug)]
struct Question {
    id: u32,
    parts: Option<Gathering>,
}

impl Questions {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a reader is asked.
    pub(crate) fn note(&self, reader: ReaderId, id: u32) {
        let mut asked = self.asked();
        let question = asked.open.entry(reader);
        let question = question.or_insert(Question { id, parts: None });
        if question.id != id {
            *question = Question { id, parts: None };
        }
    }

    /// The question that is open for a reader; none where it is not known yet.
    fn find(&self, reader: ReaderId) -> Option<Option<u32>> {
        let asked = self.asked();
        let found = asked.open.get(&reader).map(|question| question.id);
        (asked.is_read || found.is_some()).then_some(found)
    }

    fn fill(&self, read: Vec<(ReaderId, u32)>) {
        let mut asked = self.asked();
        asked.is_read = true;
        for (reader, id) in read {
            // What was asked meanwhile is newer.
            let question = asked.open.entry(reader);
            question.or_insert(Question { id, parts: None });
        }
    }

    /// Takes a part; gives the report once it is whole.
    fn gather(&self, reader: ReaderId, part: &Diagnostics) -> Option<String> {
        let mut asked = self.asked();
        let is_new = asked.open.get(&reader)?.parts.is_none();
        let under_way = |question: &&mut Question| question.parts.is_some();
        if is_new && asked.open.values_mut().filter(under_way).count() >= GATHERINGS_MAX {
            // Its reader is asked again, and says all of it again.
            let other = asked.open.values_mut().find(under_way);
            if let Some(other) = other {
                other.parts = None;
            }
        }
        let question = asked.open.get_mut(&reader)?;
        if question.id != part.id {
            return None;
        }
        question.parts.get_or_insert_default().take(part)
    }

    fn close(&self, reader: ReaderId, id: u32) {
        let mut asked = self.asked();
        let is_open = asked.open.get(&reader);
        if is_open.is_some_and(|question| question.id == id) {
            asked.open.remove(&reader);
        }
    }
}

/// The question that this reader has to be asked.
///
/// # Errors
/// `Problem` when the database cannot be read.
pub(crate) async fn told(gateway: &Gateway, reader: ReaderId) -> Result<Option<u32>, Problem> {
    if let Some(found) = gateway.questions().find(reader) {
        return Ok(found);
    }
    let open = gateway.database().read(diagnostics::open).await?;
    gateway.questions().fill(open);
    Ok(gateway.questions().find(reader).flatten())
}

/// Takes what a reader has sealed of its report.
///
/// # Errors
/// `Problem` when the whole report cannot be kept: its last part may be brought again.
pub(crate) async fn take(
    gateway: &Gateway,
    reader: ReaderId,
    parts: &[Diagnostics],
) -> Result<(), Problem> {
    for part in parts {
        if told(gateway, reader).await? != Some(part.id) {
            continue;
        }
        let Some(report) = gateway.questions().gather(reader, part) else {
            continue;
        };
        let id = part.id;
        gateway
            .database()
            .write(move |transaction| diagnostics::put(transaction, reader, id, &report, now()))
            .await?;
        gateway.questions().close(reader, id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_channel::Order;

    fn part(id: u32, part: u8) -> Diagnostics {
        Diagnostics {
            id,
            part,
            of: 2,
            order: Order {
                boot: 1,
                uptime_ms: 1,
            },
            text: "x 1\n".to_owned(),
        }
    }

    fn reader(number: u64) -> ReaderId {
        ReaderId::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn more_reports_than_the_bound_push_one_another_out_and_no_question_is_lost() {
        let questions = Questions::default();
        questions.fill(Vec::new());
        let crowd = GATHERINGS_MAX as u64 + 5;
        for number in 0..crowd {
            questions.note(reader(number), 1);
            assert_eq!(questions.gather(reader(number), &part(1, 0)), None);
        }
        let under_way = |questions: &Questions| {
            let asked = questions.asked();
            let parts = asked.open.values().filter(|one| one.parts.is_some());
            parts.count()
        };
        assert_eq!(under_way(&questions), GATHERINGS_MAX);
        for number in 0..crowd {
            assert_eq!(questions.find(reader(number)), Some(Some(1)));
        }
        let last = reader(crowd - 1);
        assert_eq!(questions.gather(last, &part(2, 1)), None, "nobody asked it");
        let whole = questions.gather(last, &part(1, 1));
        assert_eq!(whole.as_deref(), Some("x 1\nx 1\n"));
        questions.close(last, 1);
        assert_eq!(questions.find(last), Some(None));
    }

    #[test]
    fn what_is_asked_while_the_database_is_read_is_not_forgotten() {
        let questions = Questions::default();
        assert_eq!(questions.find(reader(1)), None, "not read yet");
        questions.note(reader(1), 7);
        questions.fill(vec![(reader(1), 6), (reader(2), 3)]);
        assert_eq!(questions.find(reader(1)), Some(Some(7)));
        assert_eq!(questions.find(reader(2)), Some(Some(3)));
        assert_eq!(questions.find(reader(3)), Some(None));
    }
}
