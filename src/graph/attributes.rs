//! An op's static parameters, as they arrive from outside and as they are listed: a small typed dictionary.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::error::{Error, Result};
use crate::tensor::DType;

#[derive(Debug, Clone)]
pub enum Attribute {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Ints(Vec<i64>),
}

/// Floats are equal where their bits are, so that equal attributes make ops that compute the same.
impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Ints(a), Self::Ints(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Attribute {}

impl Hash for Attribute {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
            Self::String(value) => value.hash(state),
            Self::Ints(values) => values.hash(state),
        }
    }
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Sorted by name.
    entries: Vec<(Cow<'static, str>, Attribute)>,
}

impl Attributes {
    /// The given entries; of equal names the last counts.
    pub fn new<Name: Into<Cow<'static, str>>>(entries: impl IntoIterator<Item = (Name, Attribute)>) -> Self {
        let mut attributes = Self::default();
        for (name, value) in entries {
            attributes.insert(name.into(), value);
        }
        attributes
    }

    fn insert(&mut self, name: Cow<'static, str>, value: Attribute) {
        match self.entries.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(place) => self.entries[place].1 = value,
            Err(place) => self.entries.insert(place, (name, value)),
        }
    }

    /// Adds an attribute, as [`Attributes::read`] reads it.
    pub fn list(&mut self, name: &'static str, value: &impl AttributeType) {
        if let Some(value) = value.to_attribute() {
            self.insert(name.into(), value);
        }
    }

    /// The attribute of a name, as the type that is wanted.
    pub fn read<T: AttributeType>(&self, name: &str) -> Result<T> {
        T::read(self, name)
    }

    /// [`Attributes::read`] for an attribute that may be left out.
    pub fn read_or<T: AttributeType>(&self, name: &str, default: T) -> Result<T> {
        if self.has(name) { T::read(self, name) } else { Ok(default) }
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    fn get(&self, name: &str) -> Option<&Attribute> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Fails where an attribute is present that the op does not know.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        match self.iter().find(|(name, _)| !known.contains(name)) {
            None => Ok(()),
            Some((name, value)) => Err(Error::Configuration(format!(
                "expected only the attributes {known:?}. Received: {name}={value}"
            ))),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn bool(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            Some(Attribute::Bool(value)) => Ok(*value),
            other => Err(wrong(name, "a bool", other)),
        }
    }

    pub fn int(&self, name: &str) -> Result<i64> {
        match self.get(name) {
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
        match self.get(name) {
            Some(Attribute::Float(value)) => Ok(*value),
            Some(Attribute::Int(value)) => Ok(*value as f64),
            other => Err(wrong(name, "a float", other)),
        }
    }

    pub fn string(&self, name: &str) -> Result<&str> {
        match self.get(name) {
            Some(Attribute::String(value)) => Ok(value),
            other => Err(wrong(name, "a string", other)),
        }
    }

    pub fn ints(&self, name: &str) -> Result<&[i64]> {
        match self.get(name) {
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

/// What a field of an op is as an attribute: `read` and `to_attribute` are inverse.
pub trait AttributeType: Sized {
    /// Fails where the attribute is missing or of another type.
    fn read(attributes: &Attributes, name: &str) -> Result<Self>;

    /// `None` where the attribute is left out.
    fn to_attribute(&self) -> Option<Attribute>;
}

impl AttributeType for bool {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        attributes.bool(name)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::Bool(*self))
    }
}

impl AttributeType for i64 {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        attributes.int(name)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::Int(*self))
    }
}

impl AttributeType for usize {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        attributes.size(name)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::Int(*self as i64))
    }
}

impl AttributeType for f64 {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        attributes.float(name)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::Float(*self))
    }
}

impl AttributeType for String {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        attributes.string(name).map(str::to_owned)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::String(self.clone()))
    }
}

impl AttributeType for DType {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        Self::from_name(attributes.string(name)?)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::String(self.name().to_owned()))
    }
}

impl AttributeType for Vec<i64> {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        attributes.ints(name).map(<[i64]>::to_vec)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::Ints(self.clone()))
    }
}

impl AttributeType for Vec<usize> {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        attributes.sizes(name)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::Ints(self.iter().map(|&size| size as i64).collect()))
    }
}

impl<const N: usize> AttributeType for [usize; N] {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        let sizes = attributes.sizes(name)?;
        let fits = sizes.as_slice().try_into();
        fits.map_err(|_| wrong(name, &format!("{N} ints of 0 or more"), attributes.get(name)))
    }

    fn to_attribute(&self) -> Option<Attribute> {
        self.to_vec().to_attribute()
    }
}

/// An attribute that may be left out.
impl<T: AttributeType> AttributeType for Option<T> {
    fn read(attributes: &Attributes, name: &str) -> Result<Self> {
        attributes.has(name).then(|| T::read(attributes, name)).transpose()
    }

    fn to_attribute(&self) -> Option<Attribute> {
        self.as_ref().and_then(T::to_attribute)
    }
}

/// Gives the struct of an op `from_attributes`, for the registry, and `listed_attributes`, for
/// [`Op::attributes`](crate::graph::Op::attributes): its fields are attributes of the same names.
///
/// ```text
/// attributes!(Gather { axis });                          // from_attributes(&attributes)
/// attributes!(Softmax { axis } with log: bool);          // from_attributes(&attributes, log), where a name tells `log`
/// attributes!(MatMul { transpose_a, has_bias = false }); // an attribute that is left out where it is the default
/// attributes!(listed SoftmaxBackward { axis });          // listed alone: gradients make it, the registry does not
/// ```
macro_rules! attributes {
    ($op:ident { $($name:ident $(= $default:expr)?),* $(,)? } $(with $($given:ident: $ty:ty),*)?) => {
        impl $op {
            fn from_attributes(
                attributes: &$crate::graph::Attributes
                $($(, $given: $ty)*)?
            ) -> $crate::error::Result<Self> {
                attributes.only(&[$(stringify!($name)),*])?;
                Ok(Self {
                    $($($given,)*)?
                    $($name: $crate::graph::attributes!(@read attributes, $name $(, $default)?)?,)*
                })
            }

            fn listed_attributes(&self) -> $crate::graph::Attributes {
                #[allow(unused_mut)] // for an op without attributes
                let mut attributes = $crate::graph::Attributes::default();
                $($crate::graph::attributes!(@list attributes, self, $name $(, $default)?);)*
                attributes
            }
        }
    };
    (listed $op:ident { $($name:ident),* $(,)? }) => {
        impl $op {
            fn listed_attributes(&self) -> $crate::graph::Attributes {
                let mut attributes = $crate::graph::Attributes::default();
                $($crate::graph::attributes!(@list attributes, self, $name);)*
                attributes
            }
        }
    };
    (@read $attributes:ident, $name:ident) => { $attributes.read(stringify!($name)) };
    (@read $attributes:ident, $name:ident, $default:expr) => {
        $attributes.read_or(stringify!($name), $default)
    };
    (@list $attributes:ident, $op:ident, $name:ident) => {
        $attributes.list(stringify!($name), &$op.$name)
    };
    (@list $attributes:ident, $op:ident, $name:ident, $default:expr) => {
        if $op.$name != $default {
            $attributes.list(stringify!($name), &$op.$name);
        }
    };
}
pub(crate) use attributes;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        kind: &'static str,
        axis: usize,
        scale: f64,
        shape: Vec<usize>,
        window: [usize; 2],
        dtype: DType,
        size: Option<usize>,
        exclusive: bool,
    }
    attributes!(Sample { axis, scale, shape, window, dtype, size, exclusive = false } with kind: &'static str);

    fn samples() -> [Sample; 2] {
        let plain = Sample {
            kind: "a",
            axis: 1,
            scale: 0.5,
            shape: vec![2, 0],
            window: [3, 4],
            dtype: DType::Bool,
            size: None,
            exclusive: false,
        };
        let full = Sample { size: Some(3), exclusive: true, shape: Vec::new(), ..plain };
        [Sample { shape: vec![2, 0], size: None, exclusive: false, ..full }, full]
    }

    #[test]
    fn reading_is_the_inverse_of_listing() {
        for sample in samples() {
            let attributes = sample.listed_attributes();
            assert_eq!(Sample::from_attributes(&attributes, "a").unwrap(), sample);
        }
    }

    #[test]
    fn defaults_are_left_out_and_names_are_sorted() {
        let [plain, full] = samples().map(|sample| sample.listed_attributes());
        let names =
            |attributes: &Attributes| attributes.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&plain), ["axis", "dtype", "scale", "shape", "window"]);
        assert_eq!(names(&full), ["axis", "dtype", "exclusive", "scale", "shape", "size", "window"]);
    }

    #[test]
    fn wrong_attributes_are_named() {
        let [plain, _] = samples().map(|sample| sample.listed_attributes());
        let with = |name: &'static str, value: Attribute| {
            let entries = plain.iter().map(|(name, value)| (name.to_owned(), value.clone()));
            let attributes = Attributes::new(entries.chain([(name.to_owned(), value)]));
            Sample::from_attributes(&attributes, "a").unwrap_err().to_string()
        };
        assert!(
            with("axis", Attribute::Int(-1)).ends_with("an int of 0 or more for axis. Received: axis=-1")
        );
        let window = with("window", Attribute::Ints(vec![1, 2, 3]));
        assert!(window.ends_with("2 ints of 0 or more for window. Received: window=[1, 2, 3]"), "{window}");
        assert!(with("other", Attribute::Bool(true)).ends_with("Received: other=True"));
    }
}
