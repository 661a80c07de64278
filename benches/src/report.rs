use crate::conditions::Conditions;
use crate::figures::Figures;
use core::fmt;
use serde_json::{Map, Value};

/// What is printed of a measurement: its conditions, its figures, and others' beside it.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    name: &'static str,
    conditions: Conditions,
    figures: Map<String, Value>,
    compare: Map<String, Value>,
}

impl Report {
    /// One without figures as yet.
    pub fn new(name: &'static str, conditions: Conditions) -> Self {
        Self {
            name,
            conditions,
            figures: Map::new(),
            compare: Map::new(),
        }
    }

    /// Adds one figure.
    pub fn add(&mut self, figure: &str, value: impl Into<Value>) {
        self.figures.insert(figure.to_owned(), value.into());
    }

    /// Puts another's figures beside it.
    pub fn beside(&mut self, name: &str, figures: Map<String, Value>) {
        self.compare.insert(name.to_owned(), figures.into());
    }

    /// One of its figures.
    pub fn figure(&self, name: &str) -> Option<&Value> {
        self.figures.get(name)
    }

    /// One machine-readable object.
    pub fn to_json(&self) -> Value {
        let mut object = self.figures.clone();
        object.insert("name".to_owned(), self.name.into());
        object.insert("conditions".to_owned(), self.conditions.to_json());
        if !self.compare.is_empty() {
            object.insert("compare".to_owned(), self.compare.clone().into());
        }
        object.into()
    }
}

impl From<Figures> for Report {
    fn from(figures: Figures) -> Self {
        let mut report = Self::new(figures.name, figures.conditions.clone());
        let Value::Object(mut object) = figures.to_json() else {
            return report;
        };
        for known in ["name", "conditions"] {
            object.remove(known);
        }
        if let Some(Value::Object(compare)) = object.remove("compare") {
            report.compare = compare;
        }
        report.figures = object;
        report
    }
}

/// For people: conditions first, then figures.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        for (what, value) in self.conditions.iter() {
            writeln!(f, "  {what:<26} {}", words(value))?;
        }
        for (what, value) in &self.figures {
            writeln!(f, "  {what:<26} {:>14}", words(value))?;
        }
        for (name, figures) in &self.compare {
            writeln!(f, "beside it, {name}")?;
            for (what, value) in figures.as_object().into_iter().flatten() {
                writeln!(f, "  {what:<26} {:>14}", words(value))?;
            }
        }
        Ok(())
    }
}

fn words(value: &Value) -> String {
    value.as_str().map_or(value.to_string(), str::to_owned)
}
