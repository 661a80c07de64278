//! Fixed-width fields, big-endian, read with length checks and written in the same order.

/// What is wrong with bytes that should be a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The bytes end inside the field.
    Short,
    /// The field has a value that no sender may write.
    Value,
}

/// The bytes not read yet.
pub(crate) struct Wire<'a> {
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Wire { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Bad> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn field<T: Field>(&mut self) -> Result<T, Bad> {
        T::take(self)
    }

    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// One field of fixed width.
///
/// Every value has exactly one encoding, and `take` accepts no other: what decodes, encodes to the same bytes.
pub(crate) trait Field: Sized {
    const LEN: usize;
    fn put(&self, out: &mut Vec<u8>);
    fn take(from: &mut Wire<'_>) -> Result<Self, Bad>;
}

macro_rules! number {
    ($($ty:ty),*) => {$(
        impl Field for $ty {
            const LEN: usize = size_of::<$ty>();
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
                Ok(<$ty>::from_be_bytes(from.array()?))
            }
        }
    )*};
}
number!(u8, u16, u32, u64, i32);

impl Field for bool {
    const LEN: usize = 1;
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
        match from.field::<u8>()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Bad::Value),
        }
    }
}

impl<const N: usize> Field for [u8; N] {
    const LEN: usize = N;
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
        from.array()
    }
}

/// Declares a public enum whose values travel as one byte each; other bytes are refused.
macro_rules! coded {
    ($(#[$meta:meta])* $name:ident { $( $(#[$case_meta:meta])* $case:ident = $code:literal, )* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $( $(#[$case_meta])* $case = $code, )* }

        impl $name {
            /// Every value, in the order of the codes.
            pub const ALL: &[Self] = &[$(Self::$case),*];

            /// Returns the byte that stands for it on the wire.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// Reads the byte that stands for it on the wire.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $( $code => Some(Self::$case), )*
                    _ => None,
                }
            }
        }

        impl $crate::wire::Field for $name {
            const LEN: usize = 1;
            fn put(&self, out: &mut Vec<u8>) {
                out.push(self.code());
            }
            fn take(from: &mut $crate::wire::Wire<'_>) -> Result<Self, $crate::wire::Bad> {
                Self::from_code(from.field()?).ok_or($crate::wire::Bad::Value)
            }
        }
    };
}

/// Declares a public struct whose fields travel one after the other, in the order of the declaration.
macro_rules! body {
    ($(#[$meta:meta])* $name:ident { $( $(#[$field_meta:meta])* $field:ident : $ty:ty, )* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $( $(#[$field_meta])* pub $field: $ty, )* }

        impl $name {
            /// Length of the body on the wire.
            pub const LEN: usize = 0 $( + <$ty as $crate::wire::Field>::LEN )*;
        }

        impl $crate::wire::Field for $name {
            const LEN: usize = Self::LEN;
            fn put(&self, out: &mut Vec<u8>) {
                $( self.$field.put(out); )*
            }
            fn take(from: &mut $crate::wire::Wire<'_>) -> Result<Self, $crate::wire::Bad> {
                Ok($name { $( $field: from.field()?, )* })
            }
        }
    };
}

pub(crate) use {body, coded};
