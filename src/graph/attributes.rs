//! An op's static parameters as they arrive from outside: a small typed dictionary.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Ints(Vec<i64>),
}

/// As Python writes it.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(true) => write!(f, "True"),
            Self::Bool(false) => write!(f, "False"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::String(value) => write!(f, "{value:?}"),
            Self::Ints(values) => write!(f, "{values:?}"),
        }
    }
}

/// The attributes of one op, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(BTreeMap<String, Attribute>);

impl Attributes {
    pub fn new(entries: impl IntoIterator<Item = (String, Attribute)>) -> Self {
        Self(entries.into_iter().collect())
    }

    /// Fails where an attribute is present that the op does not know.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::Configuration(format!(
                "expected only the attributes {known:?}. Received: {name}={}",
                self.0[name]
            ))),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn bool(&self, name: &str) -> Result<bool> {
        match self.0.get(name) {
            Some(Attribute::Bool(value)) => Ok(*value),
            other => Err(wrong(name, "a bool", other)),
        }
    }

    pub fn int(&self, name: &str) -> Result<i64> {
        match self.0.get(name) {
            Some(Attribute::Int(value)) => Ok(*value),
            other => Err(wrong(name, "an int", other)),
        }
    }

    /// A non-negative int.
    pub fn size(&self, name: &str) -> Result<usize> {
        let value = self.int(name)?;
        usize::try_from(value).map_err(|_| wrong(name, "an int of 0 or more", Some(&Attribute::Int(value))))
    }

    pub fn float(&self, name: &str) -> Result<f64> {
        match self.0.get(name) {
            Some(Attribute::Float(value)) => Ok(*value),
            Some(Attribute::Int(value)) => Ok(*value as f64),
            other => Err(wrong(name, "a float", other)),
        }
    }

    pub fn string(&self, name: &str) -> Result<&str> {
        match self.0.get(name) {
            Some(Attribute::String(value)) => Ok(value),
            other => Err(wrong(name, "a string", other)),
        }
    }

    pub fn ints(&self, name: &str) -> Result<&[i64]> {
        match self.0.get(name) {
            Some(Attribute::Ints(values)) => Ok(values),
            other => Err(wrong(name, "a list of ints", other)),
        }
    }

    /// A list of non-negative ints.
    pub fn sizes(&self, name: &str) -> Result<Vec<usize>> {
        let values = self.ints(name)?;
        values
            .iter()
            .map(|&value| usize::try_from(value))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| wrong(name, "ints of 0 or more", Some(&Attribute::Ints(values.to_vec()))))
    }
}

fn wrong(name: &str, expected: &str, received: Option<&Attribute>) -> Error {
    Error::Configuration(match received {
        Some(value) => format!("expected {expected} for {name}. Received: {name}={value}"),
        None => format!("expected {expected} for {name}, which is missing"),
    })
}
