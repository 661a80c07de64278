use crate::conditions::Conditions;
use crate::latencies::Latencies;
use core::fmt;
use core::time::Duration;
use serde_json::{Map, Value};

/// What one measurement gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Figures {
    /// What was measured.
    pub name: &'static str,
    /// Under what.
    pub conditions: Conditions,
    /// Vends, where there were any.
    pub vends: Option<f64>,
    /// How long each took.
    pub latencies: Latencies,
    /// How long each answer took, where a vend waits for more than one.
    pub replies: Latencies,
    /// Syncs, where they were counted.
    pub flushes: Option<f64>,
    /// Bytes of journal, for each vend.
    pub bytes_per_vend: Option<f64>,
    /// Over which time.
    pub span: Duration,
    /// Other measurements of the same sitting.
    pub compare: Vec<Figures>,
}

impl Figures {
    /// Vends each second.
    pub fn vends_per_s(&self) -> Option<f64> {
        self.vends.map(|vends| vends / self.span.as_secs_f64())
    }

    /// Syncs each second.
    pub fn flushes_per_s(&self) -> Option<f64> {
        self.flushes
            .map(|flushes| flushes / self.span.as_secs_f64())
    }

    /// One machine-readable object.
    pub fn to_json(&self) -> Value {
        let mut object = self.keys();
        object.insert("conditions".to_owned(), self.conditions.to_json());
        if !self.compare.is_empty() {
            let compare: Map<String, Value> = self
                .compare
                .iter()
                .map(|other| {
                    let mut keys = other.keys();
                    keys.remove("name");
                    if let (Some(own), Some(others)) = (self.flushes_per_s(), other.flushes_per_s())
                    {
                        keys.insert("ratio".to_owned(), round(own / others, 3));
                    }
                    (other.name.to_owned(), keys.into())
                })
                .collect();
            object.insert("compare".to_owned(), compare.into());
        }
        object.into()
    }

    pub(crate) fn keys(&self) -> Map<String, Value> {
        let mut keys = Map::new();
        keys.insert("name".to_owned(), self.name.into());
        if let Some(vends) = self.vends_per_s() {
            keys.insert("vends_per_s".to_owned(), round(vends, 0));
        }
        let mut insert = |key: &str, time: Option<Duration>| {
            if let Some(time) = time {
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                keys.insert(key.to_owned(), micros.into());
            }
        };
        insert("p50_us", self.latencies.at(50.0));
        insert("p99_us", self.latencies.at(99.0));
        insert("p999_us", self.latencies.at(99.9));
        insert("max_us", self.latencies.most());
        insert("reply_p50_us", self.replies.at(50.0));
        insert("reply_p99_us", self.replies.at(99.0));
        insert("reply_p999_us", self.replies.at(99.9));
        if let Some(flushes) = self.flushes_per_s() {
            keys.insert("flushes_per_s".to_owned(), round(flushes, 0));
        }
        if let Some(bytes) = self.bytes_per_vend {
            keys.insert("bytes_per_vend".to_owned(), round(bytes, 0));
        }
        keys
    }
}

/// For people: conditions first, then figures.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        for (what, value) in self.conditions.iter() {
            writeln!(f, "  {what:<18} {}", words(value))?;
        }
        for (what, value) in self.keys().iter().filter(|(what, _)| *what != "name") {
            writeln!(f, "  {what:<18} {value:>12}")?;
        }
        for other in &self.compare {
            writeln!(f, "beside it, {}", other.name)?;
            for (what, value) in other.keys().iter().filter(|(what, _)| *what != "name") {
                writeln!(f, "  {what:<18} {value:>12}")?;
            }
        }
        Ok(())
    }
}

fn words(value: &Value) -> String {
    value.as_str().map_or(value.to_string(), str::to_owned)
}

/// This many digits of it.
pub(crate) fn round(value: f64, digits: i32) -> Value {
    let scale = 10_f64.powi(digits);
    let rounded = (value * scale).round() / scale;
    if digits == 0 && rounded.abs() < 9e15 {
        // Within what an f64 counts exactly.
        Value::from(rounded as i64)
    } else {
        Value::from(rounded)
    }
}
